"""Parquet files whose ids are read as codes: most writers store them so, and making a string of each takes longer."""

from collections import deque
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import UsageError
from ..reading import open_parquet, read
from ..tables import TableKind

_AHEAD = 4


def read_encoded(path: str | Path, kind: TableKind, encoded: Collection[str]) -> Iterator[pa.Table]:
    """Yield the tables of a Parquet file like `reading.read`, one for each row group, with some columns as codes.

    Args:
        path: The file.
        kind: What it should be.
        encoded: Columns of strings, or of lists of strings, that come as dictionary arrays, or as lists of such,
            wherever the file has strings there.

    Raises:
        UsageError: As `reading.read` does.
    """
    next(read(path, kind))  # which refuses a file of another kind or with values of other types
    leaves = open_parquet(path).schema
    strings = [leaf.path for leaf in map(leaves.column, range(len(leaves))) if leaf.physical_type == "BYTE_ARRAY"]
    file = pq.ParquetFile(path, read_dictionary=[leaf for leaf in strings if leaf.split(".")[0] in encoded])
    present = [name for name in kind.schema.names if name in file.schema_arrow.names]
    for group in _groups(file, path, present):
        if any(group[name].null_count for name in kind.needed if not kind.schema.field(name).nullable):
            deque(read(path, kind), maxlen=0)  # which says in which row
        try:
            columns = {column.name: _as_wanted(group, column, encoded) for column in kind.schema}
        except pa.ArrowInvalid:
            deque(read(path, kind), maxlen=0)  # which names the column
            raise
        yield pa.table(columns)


def _groups(file: pq.ParquetFile, path: str | Path, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the row groups; the next ones are read while whoever asked works on one."""
    with ThreadPoolExecutor(1) as reader:
        numbers = iter(range(file.num_row_groups))
        ahead = deque(reader.submit(file.read_row_group, number, columns) for number in islice(numbers, _AHEAD))
        while ahead:
            try:
                group = ahead.popleft().result()
            except (OSError, pa.ArrowException) as error:
                raise UsageError(f"{path} is damaged: {error}.", "Copy it again, or make it anew.") from error
            ahead.extend(reader.submit(file.read_row_group, number, columns) for number in islice(numbers, 1))
            yield group


def _as_wanted(group: pa.Table, column: pa.Field, encoded: Collection[str]) -> pa.ChunkedArray | pa.Array:
    if column.name not in group.column_names:
        return pa.nulls(group.num_rows, column.type)
    values = group[column.name]
    return values if column.name in encoded and _is_coded(values.type) else values.cast(column.type)


def _is_coded(kind: pa.DataType) -> bool:
    of_values = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    return bool(pa.types.is_dictionary(of_values))
