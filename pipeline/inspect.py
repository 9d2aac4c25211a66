"""inspect: what a table is: where it came from, its columns, its rows."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from .errors import UsageError
from .formats.plain_values import plain_rows
from .formats.rows import Row, rows
from .provenance import Provenance
from .reading import display, is_parquet, open_parquet, parquet_batches, provenance
from .tables import KINDS


@dataclass(frozen=True)
class Table:
    """What a file holds.

    Attributes:
        name: The file's name.
        kind: The kind of table, if its columns are those of one.
        rows: How many rows it has.
        columns: Each column's type; of JSON lines, all types that its values have.
        statuses: How many rows have each status, where there is such a column.
        sample: The first rows.
        provenance: Where it came from, if its footer says so.
    """

    name: str
    kind: str | None
    rows: int
    columns: dict[str, str]
    statuses: dict[str, int]
    sample: list[Row]
    provenance: Provenance | None


def inspect(path: str | Path, sample: int = 3) -> Table:
    """Return what a Parquet or JSON-lines file holds.

    Raises:
        UsageError: It cannot be read, or it is a file of lines without any row.
    """
    columns, statuses, seen, shown = _parquet(path, sample) if is_parquet(path) else _lines(path, sample)
    made = provenance(path) if is_parquet(path) else None
    return Table(Path(display(path)).name, _kind(columns), seen, columns, dict(statuses.most_common()), shown, made)


_Found = tuple[dict[str, str], Counter[str], int, list[Row]]
"""Each column's type, how many rows have each status, how many there are, and the first of them."""


def _parquet(path: str | Path, sample: int) -> _Found:
    file = open_parquet(path)
    columns = {column.name: _type_name(column.type) for column in file.schema_arrow}
    shown: list[Row] = []
    for batch in parquet_batches(path) if sample else ():
        shown += plain_rows(batch.slice(0, min(sample - len(shown), batch.num_rows)))
        if len(shown) == sample:
            break
    statuses: Counter[str] = Counter()
    if columns.get("status") in {"string", "large_string"}:
        for batch in parquet_batches(path, ["status"]):
            statuses.update(status for status in batch.column(0).to_pylist() if status is not None)
    return columns, statuses, file.metadata.num_rows, shown


def _lines(path: str | Path, sample: int) -> _Found:
    types: dict[str, dict[str, None]] = {}
    statuses: Counter[str] = Counter()
    shown: list[Row] = []
    count = 0
    for _, row in rows(path):
        count += 1
        if len(shown) < sample:
            shown.append(row)
        for name, value in row.items():
            seen = types.setdefault(name, {})
            if value is not None:
                seen[type(value).__name__] = None
        if isinstance(status := row.get("status"), str):
            statuses[status] += 1
    if not count:
        raise UsageError(f"{display(path)} holds no rows.", "Check the command that made it.")
    return {name: " or ".join(seen) or "null" for name, seen in types.items()}, statuses, count, shown


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(part.name for part in kind) + "}"
    return str(kind)


def _kind(columns: dict[str, str]) -> str | None:
    if {"chosen", "rejected"} <= columns.keys():
        return "preferences"
    fitting = [kind for kind in KINDS.values() if set(kind.needed) <= columns.keys()]
    return max(fitting, key=lambda kind: len(kind.needed)).name if fitting else None
