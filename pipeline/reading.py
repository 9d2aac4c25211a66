"""Reading tables, whole or streamed: each checked against its schema, each error with file, line and remedy."""

import hashlib
import json
import os
import sys
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
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
        return {"name": display(Path(path).name), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def existing(path: str | Path) -> Path:
    """Return the path of a readable, non-empty file.

    Raises:
        UsageError: There is no such file, it is empty, or it may not be read.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112 - unlike pathlib's, it takes a name that is too long for one of no file
        raise UsageError(f"{path} is a folder, not a file.", "Name a file inside it.")
    if not os.path.exists(path):  # noqa: PTH110 - likewise
        raise UsageError(f"There is no file {path}.", "Check the name and the folder you are in.")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path} may not be read.", "Check the file's permissions.")
    if path.is_file() and path.stat().st_size == 0:
        raise UsageError(f"{path} is empty.", "Check the command that made it.")
    return path


def is_parquet(path: str | Path) -> bool:
    """Tell whether a path names a Parquet file, by its ending."""
    return Path(path).suffix in {".parquet", ".pq"}


def is_json_lines(path: str | Path) -> bool:
    """Tell whether a path names a file of JSON lines, by its ending; standard input carries them too."""
    return str(path) == STREAM or Path(path).suffix in {".jsonl", ".ndjson"}


def open_parquet(path: str | Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        UsageError: There is no such file, it is not Parquet, or two of its columns have the same name.
    """
    try:
        file = pq.ParquetFile(existing(path))
    except (OSError, pa.ArrowException) as error:
        raise UsageError(
            f"{path} is not a readable Parquet file.", "Was its copy cut short, or is it JSON lines (.jsonl)?"
        ) from error
    name, count = Counter(file.schema_arrow.names).most_common(1)[0] if file.schema_arrow.names else ("", 0)
    if count > 1:
        raise UsageError(f"{path} has {count} columns named '{name}'.", "Give each column a name of its own.")
    return file


def parquet_batches(path: str | Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file in batches, of all columns or of some.

    Raises:
        UsageError: There is no such file, it is not Parquet, or it is damaged.
    """
    file = open_parquet(path)
    try:
        if any(_is_list_of_codes(field.type) for field in file.schema_arrow):
            # Arrow cannot put lists of codes of several row groups into one batch.
            for number in range(file.num_row_groups):
                yield from file.read_row_group(number, columns).to_batches(BATCH_ROWS)
        else:
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path} is damaged: {error}.", "Copy it again, or make it anew.") from error


def _is_list_of_codes(kind: pa.DataType) -> bool:
    return bool((pa.types.is_list(kind) or pa.types.is_large_list(kind)) and pa.types.is_dictionary(kind.value_type))


def provenance(path: str | Path) -> Provenance | None:
    """Return what a Parquet file's footer says of its making, or nothing where it was made elsewhere."""
    raw = (open_parquet(path).schema_arrow.metadata or {}).get(FOOTER_KEY)
    return msgspec.json.decode(raw, type=Provenance) if raw else None


def json_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of each line of a JSON-lines file; blank lines are passed over.

    Raises:
        UsageError: A line is not a JSON object, or standard input was read before.
    """
    if str(path) == STREAM and sys.stdin.buffer.closed:
        raise UsageError("Standard input can be read only once.", "Write it to a file first, and name that.")
    decoder = msgspec.json.Decoder()
    with sys.stdin.buffer if str(path) == STREAM else existing(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(BOM_UTF8) if number == 1 else line
            if not text.strip():
                continue
            try:
                row = decoder.decode(text)
            except UnicodeDecodeError as error:
                raise UsageError(
                    f"{display(path)}, line {number} is not UTF-8 text.", "Save the file as UTF-8."
                ) from error
            except (msgspec.DecodeError, RecursionError) as error:
                raise _not_json(f"{display(path)}, line {number}", text, error) from error
            if not isinstance(row, dict):
                raise UsageError(
                    f"{display(path)}, line {number} holds no JSON object.", "Each line must look like {...}."
                )
            yield number, row


def _not_json(place: str, text: bytes, error: Exception) -> UsageError:
    """Return what to say of a line that is not JSON: what is wrong with it, and what to do about that."""
    reason, hint = str(error), "Each line must hold one JSON object."
    if isinstance(error, RecursionError):
        reason, hint = "it is nested too deeply", "Check the tool that wrote it."
    elif text.startswith(_PARQUET):
        reason, hint = "this is a Parquet file", "Give it the ending .parquet."
    elif "out of range" in reason:
        hint = "Write the number as text, or null instead."
    elif any(sign in text for sign in _NOT_NUMBERS) and _is_loose_json(text):
        reason, hint = "it holds NaN or Infinity", "Write null instead."
    elif b"\\u" in text and _is_loose_json(text):
        reason, hint = "a text holds half of a character", "Was a text cut in the middle of a character?"
    elif "truncated" in reason:
        hint = "Was the file cut short, or does an object span several lines?"
    elif b"\0" in text:
        hint = "Is it a text file in UTF-8?"
    return UsageError(f"{place} is not valid JSON: {reason}.", hint)


_PARQUET = b"PAR1"
_NOT_NUMBERS = (b"NaN", b"Infinity")


def _is_loose_json(text: bytes) -> bool:
    """Tell whether Python's own decoder, which takes more than JSON, takes a line."""
    try:
        json.loads(text.decode())
    except (ValueError, RecursionError):
        return False
    return True


def display(path: str | Path) -> str:
    """Return the name of a file for a message."""
    # A name need not be UTF-8, but what is said of it must be.
    return "standard input" if str(path) == STREAM else str(path).encode(errors="replace").decode()


def read(path: str | Path, kind: TableKind) -> Iterator[pa.Table]:
    """Yield a table in batches, its columns as in the schema; columns that the file lacks are null.

    Columns beyond the schema are passed over.

    Raises:
        UsageError: The file's ending is unknown, or the file is of another kind, lacks a needed column or value, or
            holds a value of another type.
    """
    if not (is_parquet(path) or is_json_lines(path)):
        raise UsageError(
            f"The ending of {existing(path)} names no format that a {kind.name} table can have.",
            "Use .parquet or .jsonl, or - for JSON lines on standard input.",
        )
    rows = 0
    for batch in _parquet_batches(path, kind) if is_parquet(path) else _json_batches(path, kind):
        _check_filled(path, kind, batch, rows)
        rows += batch.num_rows
        yield batch
    if not rows:
        raise UsageError(f"{display(path)} holds no rows.", "Check the command that made it.")


def _parquet_batches(path: str | Path, kind: TableKind) -> Iterator[pa.Table]:
    present = set(open_parquet(path).schema_arrow.names)
    _check_kind(path, kind, present, provenance(path))
    for batch in parquet_batches(path, [name for name in kind.schema.names if name in present]):
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
                    f"where a {kind.name} table has {_in_words(column.type)}.",
                    "Convert the column before you pass the file on.",
                ) from error
        yield pa.Table.from_arrays(arrays, schema=_nullable(kind.schema))


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast an array, messages included: their fields may come in any order, beside others.

    A number is not a text, except for a whole number as an id.
    """
    given = _item(array.type)
    if pa.types.is_string(_item(kind)) and (pa.types.is_floating(given) or pa.types.is_boolean(given)):
        raise pa.ArrowTypeError("a number is not a text")
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        raise pa.ArrowTypeError("Arrow makes invalid lists of them")
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type) and _holds_messages(array.type):
        array = array.cast(pa.list_(array.type.value_type))
        values = array.flatten()
        fields = [values.field(part.name).cast(part.type) for part in kind.value_type]
        messages = pa.StructArray.from_arrays(fields, fields=list(kind.value_type))
        offsets = array.offsets
        return pa.ListArray.from_arrays(pc.subtract(offsets, offsets[0]), messages, type=kind, mask=array.is_null())
    return array.cast(kind)


def _holds_messages(kind: pa.DataType) -> bool:
    return (
        (pa.types.is_list(kind) or pa.types.is_large_list(kind))
        and pa.types.is_struct(kind.value_type)
        and {"role", "content"} <= {part.name for part in kind.value_type}
    )


def _json_batches(path: str | Path, kind: TableKind) -> Iterator[pa.Table]:
    checked = False
    lines = json_lines(path)
    while chunk := list(islice(lines, BATCH_ROWS)):
        if not checked:
            _check_kind(path, kind, set(chunk[0][1]), None)
            checked = True
        places = [f"{display(path)}, line {number}" for number, _ in chunk]
        yield table_of([row for _, row in chunk], kind, places)


def table_of(rows: Sequence[dict[str, Any]], kind: TableKind, places: Sequence[str]) -> pa.Table:
    """Return rows as a table, its columns as in the schema; what a row lacks is null.

    Args:
        rows: JSON objects.
        kind: What they are rows of.
        places: Where each row stands, for the message of an error.

    Raises:
        UsageError: A value is of another type.
    """
    arrays = []
    for column in kind.schema:
        values = [row.get(column.name) for row in rows]
        if column.name in _IDS:
            values = [_digits(value) for value in values]
        try:
            arrays.append(_array(values, column.type))
        except _MISFITS:
            index = next(index for index, value in enumerate(values) if not _fits(value, column.type))
            raise UsageError(
                f"{places[index]}: '{column.name}' is {_shortened(values[index])}, "
                f"where a {kind.name} table has {_in_words(column.type)}.",
                "Correct the row or the tool that wrote it.",
            ) from None
    return pa.Table.from_arrays(arrays, schema=_nullable(kind.schema))


def _in_words(kind: pa.DataType, *, many: bool = False) -> str:
    """Return what values of a type are.

    >>> _in_words(pa.list_(pa.int32())), _in_words(pa.string())
    ('a list of whole numbers', 'a text')
    """
    if pa.types.is_list(kind):
        what = f"list{'s' * many} of {_in_words(kind.value_type, many=True)}"
    elif pa.types.is_struct(kind):
        what = f"object{'s' * many} with {', '.join(part.name for part in kind)}"
    elif pa.types.is_integer(kind):
        what = f"whole number{'s' * many}"
    else:
        what = f"{'number' if pa.types.is_floating(kind) else 'text'}{'s' * many}"
    return what if many else f"{'an' if what.startswith('o') else 'a'} {what}"


_IDS = frozenset({"prompt_id", "response_id", "vote_id", "shown", "response_ids"})


def _digits(value: object) -> object:
    """Return whole numbers, also inside a list, as their digits: 7 and "7" are the same id."""
    if isinstance(value, list):
        return [_digits(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_MISFITS = (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError)


def _array(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """Return values as an array, refusing what Arrow would bend to fit without a word.

    It takes a text for a list of letters, and cuts off a number's fraction where whole numbers are wanted.
    """
    if pa.types.is_list(kind) and any(isinstance(value, str) for value in values):
        raise pa.ArrowTypeError("a text is not a list")
    array = pa.array(values, kind)
    if pa.types.is_integer(_item(kind)) and pa.types.is_floating(_item(pa.infer_type(values))):
        pa.array(values).cast(kind)
    return array


def _item(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_list(kind) else kind


def _fits(value: object, kind: pa.DataType) -> bool:
    try:
        _array([value], kind)
    except _MISFITS:
        return False
    return True


def _shortened(value: object, limit: int = 60) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= limit else f"{text[:limit]}…"


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([column.with_nullable(True) for column in schema])


def _check_filled(path: str | Path, kind: TableKind, table: pa.Table, rows_before: int) -> None:
    for name in kind.needed:
        if not kind.schema.field(name).nullable and table[name].null_count:
            row = rows_before + pc.index(table[name].is_null(), True).as_py() + 1
            raise UsageError(
                f"{display(path)}, row {row:,}: '{name}' is missing.", f"Every row of a {kind.name} table needs it."
            )


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
