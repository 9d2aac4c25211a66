"""Which models votes show, in place of which answers: what a leaderboard reads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..reading import display
from .codes import Codes, occurrences, slots_of, unified
from .models import models_of
from .votes import Flags, _Batch, _batches, _check_criterion, _check_distinct, _ratings_of, _Rows, _unified, read_votes


@dataclass(frozen=True)
class Shown:
    """V votes that show models; the S slots of all votes lie one after another.

    Models, judges and prompts are coded in alphabetical order, so that codes do not depend on the order of the votes.

    Attributes:
        models: Their names, in alphabetical order.
        judges: The names of those who voted, in alphabetical order.
        prompt_ids: (P,) in alphabetical order.
        prompt: (V,) each vote's prompt.
        judge: (V,) who gave it; takes no memory where there is one judge.
        valid: (V,) whether it says anything.
        offsets: (V+1,) the slots of vote v are `offsets[v]:offsets[v + 1]`.
        model: (S,) the model in each slot.
        ranks: (S,) 1 is best; 0 was not ranked, or the vote is not valid.
        ratings: (V,) the score that a valid vote on one single model gave; NaN elsewhere.
        repeat: (V,) the repeat of a vote with a rating; 0 elsewhere.
    """

    models: list[str]
    judges: list[str]
    prompt_ids: pa.Array
    prompt: Codes
    judge: Codes
    valid: Flags
    offsets: Codes
    model: Codes
    ranks: Codes
    ratings: NDArray[np.float64]
    repeat: Codes


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
    judge, judges = _judges(read.judge, pa.array(read.judges, pa.string()))
    rated = np.flatnonzero(~np.isnan(read.ratings))
    return Shown(
        models.to_pylist(),
        judges,
        prompt_ids,
        prompt,
        judge,
        read.valid,
        read.offsets,
        model,
        read.ranks,
        read.ratings,
        _of_ratings(read.repeat, rated, len(prompt)),
    )


def _as_shown(votes: str | Path, criterion: str | None) -> Shown:
    batches = list(_batches(votes))
    by_criterion, criteria = _unified([batch.criterion for batch in batches])
    _check_criterion(display(votes), criteria.to_pylist(), criterion)
    with ThreadPoolExecutor(1) as beside:  # both look at strings and copy, so neither keeps the other waiting
        about = beside.submit(_in_order, [batch.prompt for batch in batches])
        model, models = _in_order([batch.response for batch in batches])
        valid, sizes, ranks = (
            np.concatenate([getattr(batch, name) for batch in batches]) for name in ("valid", "sizes", "ranks")
        )
        offsets = np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        _check_distinct(model, sizes, offsets, model, models, _Rows(display(votes), 1))
        prompt, prompt_ids = about.result()
    judge, judges = _judges(*_unified([batch.judge for batch in batches]))
    ratings = _ratings_of(batches)
    rated = np.flatnonzero(~np.isnan(ratings))
    repeat = _repeats(batches, rated, prompt, judge, offsets, model)
    found = Shown(models.to_pylist(), judges, prompt_ids, prompt, judge, valid, offsets, model, ranks, ratings, repeat)
    return found if len(criteria) < 2 else _some(found, by_criterion == criteria.index(criterion or "").as_py())


def _in_order(arrays: list[pa.DictionaryArray]) -> tuple[Codes, pa.Array]:
    return _alphabetical(*unified(arrays))


def _some(shown: Shown, kept: Flags) -> Shown:
    slots, offsets = slots_of(kept, shown.offsets)
    return replace(
        shown,
        prompt=shown.prompt[kept],
        judge=shown.judge[kept],
        valid=shown.valid[kept],
        offsets=offsets,
        model=shown.model[slots],
        ranks=shown.ranks[slots],
        ratings=shown.ratings[kept],
        repeat=shown.repeat[kept],
    )


def _judges(codes: Codes, names: pa.Array) -> tuple[Codes, list[str]]:
    if len(names) == 1:
        return np.broadcast_to(np.int32(0), len(codes)), names.to_pylist()
    judge, judges = _alphabetical(codes, names)
    return judge, judges.to_pylist()


def _repeats(batches: list[_Batch], rated: Codes, prompt: Codes, judge: Codes, offsets: Codes, shown: Codes) -> Codes:
    repeat = np.concatenate([batch.repeat for batch in batches]) if len(rated) else rated
    if len(missing := rated[repeat[rated] < 0]):
        criterion, _ = _unified([batch.criterion for batch in batches])
        asked = [prompt[missing], judge[missing], criterion[missing]]
        repeat[missing] = occurrences(asked, missing, np.diff(offsets), offsets, shown)
    return _of_ratings(repeat, rated, len(prompt))


def _of_ratings(repeat: Codes, rated: Codes, votes: int) -> Codes:
    """Return repeats (V,), 0 but for ratings; where there are none, they take no memory."""
    if not len(rated):
        return np.broadcast_to(np.int64(0), votes)
    found = np.zeros(votes, np.int64)
    found[rated] = repeat[rated]
    return found


def _coded(names: pa.Array) -> tuple[Codes, pa.Array]:
    encoded = names.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def _alphabetical(codes: Codes, names: pa.Array) -> tuple[Codes, pa.Array]:
    order = pc.array_sort_indices(names)
    place: NDArray[Any] = np.empty(len(names), np.int32)
    place[order.to_numpy()] = np.arange(len(names), dtype=np.int32)
    return place.take(codes), names.take(order)
