"""What the users' own columns say of the prompts."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UsageError, did_you_mean
from ..reading import display, is_parquet, open_parquet, read
from ..tables import RESPONSES
from .codes import Codes
from .responses import read_candidates

NONE = "(none)"
"""What stands for a column that a prompt lacks, or that is null there; a text that says so is no other value."""

MOST_VALUES = 200
_NAMES = ("prompt_id", "metadata")
_KIND = replace(RESPONSES, schema=pa.schema([RESPONSES.schema.field(name) for name in _NAMES]), needed=("prompt_id",))


def values_of(responses: str | Path, column: str, prompt_ids: pa.Array) -> tuple[Codes, list[str]]:
    """Return the value of one of the users' columns for each prompt (P,), as codes, and the values in order.

    Texts stand as they are, other values as JSON. The value that says that there is none comes last.

    Raises:
        UsageError: The file is no table of responses, no prompt has the column, a prompt has two values, or there are
            more than `MOST_VALUES`.
    """
    values: dict[str, int] = {}
    columns: set[str] = set()
    told, codes = [], []
    for ids, metadata in _rows(responses):
        # The responses to a prompt mostly stand together, and bring the same.
        new = pc.or_(pc.not_equal(ids[1:], ids[:-1]), _differ(metadata[1:], metadata[:-1]))
        first = pa.array(np.concatenate([[True], new.to_numpy(zero_copy_only=False)]))
        texts = metadata.filter(first).dictionary_encode(null_encoding="encode")
        known = [_code(text, column, values, columns, responses) for text in texts.dictionary.to_pylist()]
        told.append(ids.filter(first))
        codes.append(np.array(known, np.int32)[texts.indices.to_numpy()])
        if len(values) > MOST_VALUES:
            raise UsageError(
                f"The column '{column}' of {display(responses)} has more than {MOST_VALUES} values.",
                "Choose one that sorts the prompts into a few kinds.",
            )
    if column not in columns:
        hint = did_you_mean(column, sorted(columns)) or "Its prompts bring no columns of their own."
        raise UsageError(f"No prompt of {display(responses)} has a column '{column}'.", hint)
    of_row, ids = np.concatenate(codes), pa.concat_arrays(told)
    _check_one_each(ids, of_row, [*values, NONE], column, responses)
    ordered = sorted(values)
    place = np.array([*(ordered.index(value) for value in values), len(ordered)], np.int32)
    rows = pc.index_in(prompt_ids, value_set=ids).fill_null(-1).to_numpy()
    return np.where(rows < 0, len(ordered), place[of_row[rows]]), [*ordered, NONE]


def _differ(one: pa.Array, other: pa.Array) -> pa.Array:
    """Tell where texts differ; null is like null alone."""
    return pc.or_(pc.fill_null(pc.not_equal(one, other), False), pc.xor(one.is_null(), other.is_null()))


def _check_one_each(ids: pa.Array, codes: Codes, names: list[str], column: str, path: str | Path) -> None:
    """Refuse a prompt (R,) that has two values."""
    first = pc.index_in(ids, value_set=ids).to_numpy()
    differs = codes != codes[first]
    if differs.any():
        row = int(differs.argmax())
        raise UsageError(
            f"{display(path)}: the responses to the prompt {ids[row]} differ in the column '{column}': "
            f"{names[codes[first[row]]]} and {names[codes[row]]}.",
            "Boards are by a column of the prompts, which is the same for all responses to a prompt.",
        )


def _code(text: str | None, column: str, values: dict[str, int], columns: set[str], path: str | Path) -> int:
    """Return the code of the value that a metadata object holds, -1 for none; note which columns there are."""
    try:
        row = msgspec.json.decode(text, type=dict[str, Any]) if text else {}
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{display(path)}: 'metadata' holds {text[:60] if text else text}, which is not a JSON object.",
            "Write the prompts' own columns as a JSON object.",
        ) from error
    columns.update(row)
    value = row.get(column)
    if value is None:
        return -1
    name = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return -1 if name == NONE else values.setdefault(name, len(values))


def _rows(path: str | Path) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Yield prompt ids and metadata; in a file made elsewhere, they may have to be derived from its other columns."""
    if is_parquet(path) and set(_NAMES) <= set(open_parquet(path).schema_arrow.names):
        for table in read(path, _KIND):
            yield table["prompt_id"].combine_chunks(), table["metadata"].combine_chunks()
        return
    for group in read_candidates(path):
        yield (
            pa.array([row["prompt_id"] for row in group], pa.string()),
            pa.array([row["metadata"] for row in group], pa.string()),
        )
