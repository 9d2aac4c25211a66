"""Responses, made by prefpipe or elsewhere, as groups of candidates to the same prompt."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, groupby, islice, pairwise
from operator import itemgetter
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import UsageError, did_you_mean
from ..ids import response_id
from ..provenance import Provenance
from ..reading import BATCH_ROWS, display, is_parquet, open_parquet, parquet_batches, read, table_of
from ..tables import RESPONSES, Status
from ..writing import TableWriter
from .prompts import PROMPT_COLUMNS, prompt_row
from .rows import Row, rows

_ADDED = frozenset({"reasoning"})
"""Columns that earlier versions did not write."""

_OWN = tuple(name for name in RESPONSES.schema.names if name not in {"prompt", "reference", "metadata"})


def read_candidates(path: str | Path) -> Iterator[list[Row]]:
    """Yield the responses to each prompt, in order of response id, whatever the order of the file's rows.

    A file is streamed, as long as the rows of a prompt stand together; any other is sorted in memory first. A file made
    elsewhere needs `prompt`, `model` and `content`; ids, sample numbers and status follow. It is read once, into a file
    of the form that `prefpipe generate` writes, which is gone at the end.

    Raises:
        UsageError: The file is no table of responses, or an id stands for two different responses.
    """
    if _is_own(path):
        yield from _groups(path, display(path))
        return
    folder = Path(mkdtemp(prefix="prefpipe-"))
    try:
        own = folder / "responses.parquet"
        with TableWriter(own, RESPONSES.schema, Provenance("generate", {}, [])) as writer:
            for table in _completed(path):
                writer.write(table)
        yield from _groups(own, display(path))
    finally:
        rmtree(folder)


def _groups(path: str | Path, name: str) -> Iterator[list[Row]]:
    tables = read(path, RESPONSES) if _groups_stand_together(path) else _sorted(read(path, RESPONSES))
    stream = (row for table in tables for batch in table.to_batches(BATCH_ROWS) for row in batch.to_pylist())
    for prompt_id, group in groupby(stream, key=lambda row: row["prompt_id"]):
        candidates = sorted(group, key=lambda row: str(row["response_id"]))
        for one, other in pairwise(candidates):
            if one["prompt"] != other["prompt"]:
                raise UsageError(
                    f"{name}: two different prompts have the id {prompt_id}.",
                    "Leave the column 'prompt_id' out to have it derived from the conversation.",
                )
            if one["response_id"] == other["response_id"]:
                raise UsageError(
                    f"{name}: the response {one['response_id']} (model {one['model']}) stands there twice.",
                    "Remove the repeated rows, or number them in a column 'sample'.",
                )
        yield candidates


def candidate_counts(path: str | Path) -> Counter[int] | None:
    """Return how many prompts have each number of usable candidates, where that is cheap to know.

    It serves to show how far a run is, and is known for a file whose rows of a prompt stand together.
    """
    if not (_is_own(path) and _groups_stand_together(path)):
        return None
    counts: Counter[int] = Counter()
    batches = (batch.to_pylist() for batch in parquet_batches(path, ["prompt_id", "status"]))
    for _, group in groupby(chain.from_iterable(batches), key=itemgetter("prompt_id")):
        counts[sum(row["status"] == Status.OK for row in group)] += 1
    return counts


def _is_own(path: str | Path) -> bool:
    if not is_parquet(path):
        return False
    present, own = open_parquet(path).schema_arrow, RESPONSES.schema
    return set(own.names) - set(present.names) <= _ADDED and all(
        name in own.names and own.field(name).equals(present.field(name)) for name in present.names
    )


def _groups_stand_together(path: str | Path) -> bool:
    """Tell whether all rows of each prompt are neighbours, from one pass over the id column."""
    starts: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    last: str | None = None
    for batch in parquet_batches(path, ["prompt_id"]):
        ids = batch.column(0).to_pylist()
        before = [last, *ids[:-1]]
        starts.append(np.array([hash(one) for one, prior in zip(ids, before, strict=True) if one != prior], np.int64))
        last = ids[-1] if ids else last
    hashes = np.concatenate(starts) if starts else np.empty(0, np.int64)
    return len(np.unique(hashes)) == len(hashes)


def _sorted(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield pa.concat_tables(tables).sort_by("prompt_id")


def _completed(path: str | Path) -> Iterator[pa.Table]:
    """Yield the rows of a file made elsewhere with the missing columns filled in."""
    seen: Counter[int] = Counter()
    stream = ((place, _completed_row(row, place, seen)) for place, row in rows(path))
    while chunk := list(islice(stream, BATCH_ROWS)):
        places, filled = zip(*chunk, strict=True)
        yield table_of(filled, RESPONSES, places)
    if not seen:
        raise UsageError(f"{display(path)} holds no responses.", f"Make one with `{RESPONSES.made_by}`.")


def _completed_row(row: Row, place: str, seen: Counter[int]) -> Row:
    for name in RESPONSES.needed:
        if name not in row and not (name == "prompt" and row.keys() & PROMPT_COLUMNS):
            raise UsageError(
                f"{place} has no column '{name}', so it is not a response.",
                f"A responses table comes from `{RESPONSES.made_by}`, or needs at least {', '.join(RESPONSES.needed)}.",
            )
    model, content = row["model"], row["content"]
    if not isinstance(model, str) or not model:
        raise UsageError(f"{place}: 'model' is not a text.", "Name the model that wrote the response.")
    if content is not None and not isinstance(content, str):
        raise UsageError(f"{place}: 'content' is not a text.", "Write the response as a string.")
    filled: Row = {name: row.get(name) for name in _OWN} | prompt_row(row, place, own=_OWN)
    key = hash((filled["prompt_id"], model))
    if filled["sample"] is None:
        filled["sample"] = seen[key]
    seen[key] += 1
    if filled["response_id"] is None:
        filled["response_id"] = response_id(filled["prompt_id"], model, filled["sample"], content)
    if filled["status"] is None:
        filled["status"] = Status.OK if content else Status.ERROR
        filled["error"] = filled["error"] or (None if content else "the file holds no text here")
    elif filled["status"] not in list(Status):
        hint = did_you_mean(str(filled["status"]), Status)
        raise UsageError(f"{place}: the status '{filled['status']}' is unknown.", hint)
    return filled
