"""Votes read as votes on models instead of answers: the input of leaderboards."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..reading import display
from .codes import Coded, Codes, ends_of, joined, occurrences, slots_of, unified
from .models import models_of
from .vote_batches import Flags, VoteBatch, check_criterion, vote_batches
from .votes import read_votes


@dataclass(frozen=True)
class Shown:
    """V votes that show models; the S slots of all votes lie one after another.

    Models, judges and prompts are coded in alphabetical order, so that codes do not depend on the order of the votes.

    Attributes:
        models: Their names, in alphabetical order.
        judges: The names of those who voted, in alphabetical order.
        prompt_ids: (P,) in alphabetical order.
        prompt: (V,) each vote's prompt.
        judge: (V,) its judge; takes no memory if there is only one judge.
        valid: (V,) whether it is usable.
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
            to be names of models.
        criterion: The criterion whose votes to keep, if there are several.

    Raises:
        UsageError: A file is not what it should be, a row contradicts itself, an answer is not among the responses, or
            the votes are by several criteria and none is named.
    """
    return _as_shown(votes, criterion) if responses is None else _as_written(votes, responses, criterion)


def _as_written(votes: str | Path, responses: str | Path, criterion: str | None) -> Shown:
    read = read_votes(votes, criterion)
    written, models = _alphabetical(Coded.of(models_of(responses, read).dictionary_encode()))
    prompt, prompt_ids = _alphabetical(Coded(read.prompt, read.prompt_ids))
    model = written[np.repeat(read.candidates[read.prompt], read.sizes) + read.items]
    judge, judges = _judges(Coded(read.judge, pa.array(read.judges, pa.string())))
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
        _of_ratings(read.repeat, rated),
    )


def _as_shown(votes: str | Path, criterion: str | None) -> Shown:
    batches = list(vote_batches(votes))
    criteria = unified([batch.criterion for batch in batches])
    check_criterion(display(votes), criteria.names.to_pylist(), criterion)
    with ThreadPoolExecutor(1) as beside:  # both look at strings and copy, so neither keeps the other waiting
        about = beside.submit(_in_order, [batch.prompt for batch in batches])
        model, models = _in_order([batch.response for batch in batches])
        valid, sizes, ranks, ratings = (
            joined([getattr(batch, name) for batch in batches]) for name in ("valid", "sizes", "ranks", "ratings")
        )
        prompt, prompt_ids = about.result()
    offsets = ends_of(sizes)
    judge, judges = _judges(unified([batch.judge for batch in batches]))
    rated = np.flatnonzero(~np.isnan(ratings))
    repeat = _repeats(batches, rated, [prompt, judge, criteria.codes], offsets, model)
    found = Shown(models.to_pylist(), judges, prompt_ids, prompt, judge, valid, offsets, model, ranks, ratings, repeat)
    if len(criteria.names) < 2:
        return found
    return _some(found, criteria.codes == criteria.names.index(criterion or "").as_py())


def _in_order(parts: list[Coded]) -> tuple[Codes, pa.Array]:
    return _alphabetical(unified(parts))


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


def _judges(judge: Coded) -> tuple[Codes, list[str]]:
    if len(judge.names) == 1:
        return judge.codes, judge.names.to_pylist()
    codes, names = _alphabetical(judge)
    return codes, names.to_pylist()


def _repeats(batches: list[VoteBatch], rated: Codes, about: list[Codes], offsets: Codes, shown: Codes) -> Codes:
    """Return the repeats (V,) of ratings, counting those that a file does not number."""
    if not len(rated):
        return np.broadcast_to(np.int64(0), len(offsets) - 1)
    repeat = joined([batch.repeat for batch in batches]).astype(np.int64)
    if len(missing := rated[repeat[rated] < 0]):
        asked = [codes[missing] for codes in about]
        repeat[missing] = occurrences(asked, missing, np.diff(offsets), offsets, shown)
    return _of_ratings(repeat, rated)


def _of_ratings(repeat: Codes, rated: Codes) -> Codes:
    """Return repeats (V,), 0 but for ratings."""
    found = np.zeros(len(repeat), np.int64)
    found[rated] = repeat[rated]
    return found


def _alphabetical(strings: Coded) -> tuple[Codes, pa.Array]:
    order = pc.array_sort_indices(strings.names)
    place: NDArray[Any] = np.empty(len(strings.names), np.int32)
    place[order.to_numpy()] = np.arange(len(strings.names), dtype=np.int32)
    return place.take(strings.codes), strings.names.take(order)
