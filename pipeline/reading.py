"""Reading tables, whole or streamed: each checked against its schema, each error with file, line and remedy."""

import hashlib
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import UsageError
from .provenance import FOOTER_KEY, Provenance
from .tables import TableKind

STREAM = "-"
"""The name of standard input and standard output, which carry JSON lines."""

BATCH_ROWS = 8192


def fingerprint(path: str | Path) -> dict[str, str]:
    """Return a file's name and the SHA-256 of its bytes; of standard input, which passes but once, only the name."""
    if str(path) == STREAM:
        return {"name": "standard input"}
    with existing(path).open("rb") as file:
        return {"name": Path(path).name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def existing(path: str | Path) -> Path:
    """Return the path of a readable, non-empty file.

    Raises:
        UsageError: There is no such file, it is empty, or it may not be read.
    """
    path = Path(path)
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a file.", "Name a file inside it.")
    if not path.exists():
        raise UsageError(f"There is no file {path}.", "Check the name and the folder you are in.")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path} may not be read.", "Check the file's permissions.")
    if path.stat().st_size == 0:
        raise UsageError(f"{path} is empty.", "Check the command that made it.")
    return path


def is_parquet(path: str | Path) -> bool:
    """Tell whether a path names a Parquet file, by its ending."""
    return Path(path).suffix in {".parquet", ".pq"}


def open_parquet(path: str | Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        UsageError: There is no such file, or it is not Parquet.
    """
    try:
        return pq.ParquetFile(existing(path))
    except pa.ArrowInvalid as error:
        raise UsageError(
            f"{path} is not a readable Parquet file.", "Was its copy cut short, or is it JSON lines (.jsonl)?"
        ) from error


def provenance(path: str | Path) -> Provenance | None:
    """Return what a Parquet file's footer says of its making, or nothing where it was made elsewhere."""
    raw = (open_parquet(path).schema_arrow.metadata or {}).get(FOOTER_KEY)
    return msgspec.json.decode(raw, type=Provenance) if raw else None


def json_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of each line of a JSON-lines file; blank lines are passed over.

    Raises:
        UsageError: A line is not a JSON object.
    """
    decoder = msgspec.json.Decoder()
    with sys.stdin.buffer if str(path) == STREAM else existing(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UsageError(
                    f"{display(path)}, line {number} is not valid JSON: {error}.",
                    "Each line must hold one JSON object; was the file cut short?",
                ) from error
            if not isinstance(row, dict):
                raise UsageError(
                    f"{display(path)}, line {number} holds no JSON object.", "Each line must look like {...}."
                )
            yield number, row


def display(path: str | Path) -> str:
    """Return the name of a file for a message."""
    return "standard input" if str(path) == STREAM else str(path)


def read(path: str | Path, kind: TableKind) -> Iterator[pa.Table]:
    """Yield a table in batches, its columns as in the schema; columns that the file lacks are null.

    Columns beyond the schema are passed over.

    Raises:
        UsageError: The file is of another kind, lacks a needed column, or holds a value of another type.
    """
    rows = 0
    for batch in _parquet_batches(path, kind) if is_parquet(path) else _json_batches(path, kind):
        rows += batch.num_rows
        yield batch
    if not rows:
        raise UsageError(f"{display(path)} holds no rows.", "Check the command that made it.")


def _parquet_batches(path: str | Path, kind: TableKind) -> Iterator[pa.Table]:
    file = open_parquet(path)
    present = set(file.schema_arrow.names)
    _check_kind(path, kind, present, provenance(path))
    columns = [name for name in kind.schema.names if name in present]
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
        arrays = []
        for column in kind.schema:
            if column.name not in present:
                arrays.append(pa.nulls(batch.num_rows, column.type))
                continue
            try:
                arrays.append(_cast(batch.column(column.name), column.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
                raise UsageError(
                    f"{path}: column '{column.name}' is {batch.schema.field(column.name).type}, "
                    f"where a {kind.name} table has {column.type}.",
                    "Convert the column before you pass the file on.",
                ) from error
        yield pa.Table.from_arrays(arrays, schema=_nullable(kind.schema))


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast an array, messages included: their fields may come in any order, beside others."""
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        array = array.cast(pa.list_(array.type.value_type))
        values = array.flatten()
        fields = [values.field(part.name).cast(part.type) for part in kind.value_type]
        messages = pa.StructArray.from_arrays(fields, fields=list(kind.value_type))
        offsets = array.offsets
        return pa.ListArray.from_arrays(
            pa.compute.subtract(offsets, offsets[0]), messages, type=kind, mask=array.is_null()
        )
    return array.cast(kind)


def _json_batches(path: str | Path, kind: TableKind) -> Iterator[pa.Table]:
    checked = False
    lines = json_lines(path)
    while chunk := list(islice(lines, BATCH_ROWS)):
        if not checked:
            _check_kind(path, kind, set(chunk[0][1]), None)
            checked = True
        arrays = []
        for column in kind.schema:
            values = [row.get(column.name) for _, row in chunk]
            try:
                arrays.append(pa.array(values, column.type))
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
                line, value = next(
                    (number, value)
                    for (number, _), value in zip(chunk, values, strict=True)
                    if not _fits(value, column.type)
                )
                raise UsageError(
                    f"{display(path)}, line {line}: '{column.name}' is {_shortened(value)}, "
                    f"where a {kind.name} table has {column.type}.",
                    "Correct the line or the tool that wrote it.",
                ) from None
        yield pa.Table.from_arrays(arrays, schema=_nullable(kind.schema))


def _fits(value: object, kind: pa.DataType) -> bool:
    try:
        pa.array([value], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True


def _shortened(value: object, limit: int = 60) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= limit else f"{text[:limit]}…"


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([column.with_nullable(True) for column in schema])


def _check_kind(path: str | Path, kind: TableKind, present: set[str], made: Provenance | None) -> None:
    missing = [name for name in kind.needed if name not in present]
    if not missing:
        return
    other = f" (it was made by `prefpipe {made.stage}`)" if made else ""
    raise UsageError(
        f"{display(path)} is not a {kind.name} table{other}: it lacks the column{'s' * (len(missing) > 1)} "
        f"{', '.join(missing)}.",
        f"A {kind.name} table comes from {kind.made_by}, or needs at least the columns {', '.join(kind.needed)}.",
    )
