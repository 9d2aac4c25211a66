"""inspect: what a table is: where it came from, its columns, its rows."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

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
        columns: Each column's type.
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
        UsageError: It cannot be read.
    """
    if is_parquet(path):
        file = open_parquet(path)
        columns = {column.name: _type_name(column.type) for column in file.schema_arrow}
        count = file.metadata.num_rows
        first = next(parquet_batches(path), None)
        shown = first.slice(0, sample).to_pylist() if first is not None else []
        statuses: Counter[str] = Counter()
        if "status" in columns:
            for batch in parquet_batches(path, ["status"]):
                statuses.update(batch.column(0).to_pylist())
        made = provenance(path)
    else:
        everything = [row for _, row in rows(path)]
        count, shown, made = len(everything), everything[:sample], None
        columns = {name: type(value).__name__ for row in everything for name, value in row.items() if value is not None}
        statuses = Counter(row["status"] for row in everything if isinstance(row.get("status"), str))
    return Table(Path(display(path)).name, _kind(columns), count, columns, dict(statuses.most_common()), shown, made)


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
