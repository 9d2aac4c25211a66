"""Which models votes show, in place of which answers: what a leaderboard reads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..reading import display, is_parquet, read
from ..tables import VOTES
from .codes import Codes, occurrences, unified
from .models import models_of
from .votes import _READ, Flags, _Batch, _batches, _check_criterion, _check_distinct, _checked, _Rows, read_votes

TOGETHER = 8
"""Batches that are checked as one."""

AHEAD = 2
"""How many times as many are read before the oldest are checked."""

_LEAN = replace(
    VOTES,
    schema=pa.schema([column for column in VOTES.schema if column.name in _READ and column.name != "repeat"]),
)


@dataclass(frozen=True)
class Shown:
    """V votes that show models; the S slots of all votes lie one after another.

    Models and prompts are coded in alphabetical order, so that codes do not depend on the order of the votes.

    Attributes:
        models: Their names, in alphabetical order.
        prompt_ids: (P,) in alphabetical order.
        prompt: (V,) each vote's prompt.
        valid: (V,) whether it says anything.
        offsets: (V+1,) the slots of vote v are `offsets[v]:offsets[v + 1]`.
        model: (S,) the model in each slot.
        ranks: (S,) 1 is best; 0 was not ranked, or the vote is not valid.
        ratings: (V,) the score that a valid vote on one single model gave; NaN elsewhere.
        source: (V,) the judge and repeat of a vote with a rating; 0 elsewhere.
    """

    models: list[str]
    prompt_ids: pa.Array
    prompt: Codes
    valid: Flags
    offsets: Codes
    model: Codes
    ranks: Codes
    ratings: NDArray[np.float64]
    source: Codes


def read_shown(votes: str | Path, responses: str | Path | None = None, criterion: str | None = None) -> Shown:
    """Read votes as votes on models.

    Args:
        votes: A votes table, or a file with `prompt_id`, `judge`, `shown` and `ranks`.
        responses: A responses table, which says which model wrote what was shown; without it, what was shown is taken
            for the names of models.
        criterion: Which votes to keep, where they are by several criteria.

    Raises:
        UsageError: A file is not what it should be, a row contradicts itself, an answer is not among the responses, or
            it takes a criterion to tell the votes apart.
    """
    return _as_shown(votes, criterion) if responses is None else _as_written(votes, responses, criterion)


def _as_written(votes: str | Path, responses: str | Path, criterion: str | None) -> Shown:
    read = read_votes(votes, criterion)
    written, models = _alphabetical(*_coded(models_of(responses, read)))
    prompt, prompt_ids = _alphabetical(read.prompt, read.prompt_ids)
    sizes = np.diff(read.offsets)
    model = written[np.repeat(read.candidates[read.prompt], sizes) + read.items]
    rated = np.flatnonzero(~np.isnan(read.ratings))
    source = np.zeros(len(prompt), np.int64)
    source[rated] = _sources(read.judge[rated], read.repeat[rated])
    return Shown(
        models.to_pylist(), prompt_ids, prompt, read.valid, read.offsets, model, read.ranks, read.ratings, source
    )


def _as_shown(votes: str | Path, criterion: str | None) -> Shown:
    batches = list(_lean(votes) if is_parquet(votes) else _batches(votes))
    by_criterion, criteria = unified([batch.criterion for batch in batches])
    _check_criterion(display(votes), criteria.to_pylist(), criterion)
    given, prompt_ids = unified([batch.prompt for batch in batches])
    shown, names = unified([batch.response for batch in batches])
    sizes = np.concatenate([batch.sizes for batch in batches])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    _check_distinct(shown, sizes, offsets, shown, names, _Rows(display(votes), 1))
    ratings = np.concatenate([batch.ratings for batch in batches])
    rated = np.flatnonzero(~np.isnan(ratings))
    source = np.zeros(len(given), np.int64)
    if len(rated):
        source[rated] = _raters(list(_batches(votes)) if is_parquet(votes) else batches, rated, given, offsets, shown)
    prompt, prompt_ids = _alphabetical(given, prompt_ids)
    model, models = _alphabetical(shown, names)
    valid, ranks = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("valid", "ranks"))
    found = Shown(models.to_pylist(), prompt_ids, prompt, valid, offsets, model, ranks, ratings, source)
    return found if len(criteria) < 2 else _some(found, by_criterion == criteria.index(criterion or "").as_py())


def _some(shown: Shown, kept: Flags) -> Shown:
    sizes = np.diff(shown.offsets)
    slots = np.repeat(kept, sizes)
    return replace(
        shown,
        prompt=shown.prompt[kept],
        valid=shown.valid[kept],
        offsets=np.concatenate([[0], np.cumsum(sizes[kept])]),
        model=shown.model[slots],
        ranks=shown.ranks[slots],
        ratings=shown.ratings[kept],
        source=shown.source[kept],
    )


def _lean(path: str | Path) -> Iterator[_Batch]:
    """Yield the rows of a Parquet file, checked in large batches, and without the repeats, which only ratings need."""
    row = 1
    tables = read(path, _LEAN)
    with ThreadPoolExecutor(1) as checker:
        waiting: deque[Future[_Batch]] = deque()
        while some := list(islice(tables, TOGETHER)):
            table = pa.concat_tables(some)
            table = table.append_column("repeat", pa.nulls(table.num_rows, pa.int32()))
            waiting.append(checker.submit(_checked, table, _Rows(display(path), row)))
            row += table.num_rows
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        for batch in waiting:
            yield batch.result()


def _raters(batches: list[_Batch], rated: Codes, prompt: Codes, offsets: Codes, shown: Codes) -> Codes:
    """Return the judge and repeat of each rating."""
    judge, criterion = (unified([getattr(one, name) for one in batches])[0] for name in ("judge", "criterion"))
    repeat = np.concatenate([batch.repeat for batch in batches])
    if len(missing := rated[repeat[rated] < 0]):
        asked = [prompt[missing], judge[missing], criterion[missing]]
        repeat[missing] = occurrences(asked, missing, np.diff(offsets), offsets, shown)
    return _sources(judge[rated], repeat[rated])


def _coded(names: pa.Array) -> tuple[Codes, pa.Array]:
    encoded = names.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def _alphabetical(codes: Codes, names: pa.Array) -> tuple[Codes, pa.Array]:
    order = pc.array_sort_indices(names)
    place: NDArray[Any] = np.empty(len(names), np.int32)
    place[order.to_numpy()] = np.arange(len(names), dtype=np.int32)
    return place[codes], names.take(order)


def _sources(judge: Codes, repeat: Codes) -> Codes:
    codes: Codes = judge * (np.int64(repeat.max(initial=0)) + 1) + repeat
    return codes
