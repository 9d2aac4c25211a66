"""From votes on models to comparisons of models, in chunks so that memory stays bounded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .comparisons import Ballots, Pairs, pairs_of
from .prompt_groups import Comparisons
from .ratings import ballots_of_ratings
from .tally import Floats

Flags = NDArray[np.bool_]

Counts = Callable[[Codes, Codes, Codes], Flags]
"""Which comparisons count, given the judge and the models in the earlier and in the later slot, (M,) each."""

CHUNK = 1 << 20
"""Comparisons that are made per chunk."""


def compare_models(
    prompt: Codes,
    offsets: Codes,
    model: Codes,
    ranks: Codes,
    ratings: Floats,
    repeat: Codes,
    models: int,
    *,
    judge: Codes | None = None,
    by_ballot: bool = False,
    counts: Counts | None = None,
) -> tuple[Comparisons, Flags]:
    """Return the comparisons that V votes imply, and which votes (V,) imply any.

    A vote on k models gives k(k-1)/2 comparisons with a weight of 3/(k+1) each, as in `pairs_of`; two answers of one
    model are not compared. Models that were rated one at a time are compared by their ratings.

    Args:
        prompt: (V,).
        offsets: (V+1,) the slots of vote v are `offsets[v]:offsets[v + 1]`.
        model: (S,) the model in each slot.
        ranks: (S,) 1 is best, 0 means not ranked.
        ratings: (V,) the rating by each vote on one model; NaN elsewhere.
        repeat: (V,) the repeat of each rating.
        models: How many models there are.
        judge: (V,) the judge of each vote; None if there is only one judge, whose code is then 0.
        by_ballot: Whether comparisons weigh 1/(k-1) instead, so that those of a model in one vote add up to 1.
        counts: Which comparisons count; None for all.
    """
    votes = len(prompt)
    by = np.broadcast_to(np.int32(0), votes) if judge is None else judge
    together = Ballots(prompt=prompt, source=by, placed=np.ones(votes, bool), offsets=offsets, items=model, ranks=ranks)
    how = _How(models, by_ballot=by_ballot, several=judge is not None, counts=counts)
    rated = np.flatnonzero(~np.isnan(ratings))
    if not len(rated):
        return _compared(together, how)
    repeats = int(repeat.max(initial=0)) + 1
    of_rated, source = prompt[rated], by[rated].astype(np.int64) * repeats + repeat[rated]
    sources = int(source.max(initial=0)) + 1
    alone = ballots_of_ratings(of_rated, source, model[offsets[rated]], ratings[rated], models)
    comparisons, compares = _compared(together.followed_by(replace(alone, source=alone.source // repeats)), how)
    ballots = alone.prompt * np.int64(sources) + alone.source
    compares[rated] = compares[votes:][np.searchsorted(ballots, of_rated * np.int64(sources) + source)]
    return comparisons, compares[:votes]


@dataclass(frozen=True)
class _How:
    """Number of models, weighting of comparisons, whether judges are kept apart, and which comparisons count."""

    models: int
    by_ballot: bool
    several: bool
    counts: Counts | None


def _compared(ballots: Ballots, how: _How) -> tuple[Comparisons, Flags]:
    sizes = ballots.sizes
    if ballots.placed.all() and (sizes == 2).all():
        return _of_pairs(ballots, how)
    compares = np.zeros(len(ballots.prompt), bool)
    parts = []
    for start, part in _chunks(ballots, sizes):
        pairs = pairs_of(part)
        chosen = pairs.first != pairs.second
        if how.counts is not None:
            chosen &= how.counts(part.source[pairs.vote], pairs.first, pairs.second)
        pairs = pairs.where(chosen)
        compares[start + pairs.vote] = True
        parts.append(_comparisons(pairs, part, how))
    return _joined(parts, how.models), compares


def _of_pairs(ballots: Ballots, how: _How) -> tuple[Comparisons, Flags]:
    """Return the same if every vote is on two models: a shortcut for many votes."""
    first, second = ballots.items[::2], ballots.items[1::2]
    before, after = ballots.ranks[::2], ballots.ranks[1::2]
    compares = (first != second) & (before > 0) & (after > 0)
    if how.counts is not None:
        compares &= how.counts(ballots.source, first, second)
    cell = _cells(first, second, np.sign(after - before), how.models)
    comparisons = Comparisons(how.models, ballots.prompt, cell, judge=ballots.source if how.several else None)
    return (comparisons if compares.all() else comparisons.where(compares)), compares


def _cells(first: Codes, second: Codes, outcome: Codes, models: int) -> Codes:
    lost = outcome < 0
    winner = np.where(lost, second, first)
    kind = np.where(outcome == 0, np.int32(2), lost.view(np.int8))
    cells: Codes = (kind * np.int32(models) + winner) * np.int32(models) + (first + second - winner)
    return cells


def _chunks(ballots: Ballots, sizes: Codes) -> Iterator[tuple[int, Ballots]]:
    number = np.cumsum(sizes * (sizes - 1) // 2) // CHUNK
    edges = np.flatnonzero(np.diff(number, prepend=-1, append=-1))
    for start, end in pairwise(edges.tolist()):
        slots = slice(int(ballots.offsets[start]), int(ballots.offsets[end]))
        yield (
            start,
            replace(
                ballots,
                prompt=ballots.prompt[start:end],
                source=ballots.source[start:end],
                placed=ballots.placed[start:end],
                offsets=ballots.offsets[start : end + 1] - slots.start,
                items=ballots.items[slots],
                ranks=ballots.ranks[slots],
            ),
        )


def _comparisons(pairs: Pairs, ballots: Ballots, how: _How) -> Comparisons:
    models = how.models
    count = np.where(ballots.placed[pairs.vote], 1.0, 0.5)
    ranked = 3 * count / pairs.weight - 1
    weight = count / (ranked - 1) if how.by_ballot else pairs.weight
    cell = _cells(pairs.first, pairs.second, pairs.outcome, models)
    lost = pairs.outcome < 0
    keys = np.concatenate([pairs.vote * models + of for of in (pairs.first, pairs.second)])
    _, codes, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shares = 1 / counts[codes].reshape(2, -1)
    judge = ballots.source[pairs.vote] if how.several else None
    return Comparisons(models, pairs.prompt, cell, weight, count, np.where(lost, shares[::-1], shares), judge)


def _joined(parts: list[Comparisons], models: int) -> Comparisons:
    prompt, cell = (np.concatenate([getattr(part, name) for part in parts]) for name in ("prompt", "cell"))
    weight, count, shares = (
        np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in ("weight", "count", "shares")
    )
    judges = [part.judge for part in parts if part.judge is not None]
    judge = np.concatenate(judges) if judges else None
    return Comparisons(models, prompt, cell, weight, count, shares, judge)
