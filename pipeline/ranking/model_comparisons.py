"""From votes on models to comparisons of models, many votes after another so that memory stays bounded."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .comparisons import Ballots, Pairs, pairs_of
from .prompt_groups import Comparisons
from .ratings import ballots_of_ratings
from .tally import Floats

Flags = NDArray[np.bool_]

CHUNK = 1 << 20
"""Comparisons that are made at a time."""


def compare_models(
    prompt: Codes,
    offsets: Codes,
    model: Codes,
    ranks: Codes,
    ratings: Floats,
    source: Codes,
    models: int,
    *,
    by_ballot: bool = False,
) -> tuple[Comparisons, Flags]:
    """Return the comparisons that V votes imply, and which votes (V,) imply any.

    A vote on k models gives k(k-1)/2 comparisons that weigh 3/(k+1) each, as in `pairs_of`; two answers of one model
    are not compared. Models that were rated one at a time are compared by their ratings.

    Args:
        prompt: (V,).
        offsets: (V+1,) the slots of vote v are `offsets[v]:offsets[v + 1]`.
        model: (S,) the model in each slot.
        ranks: (S,) 1 is best, 0 was not ranked.
        ratings: (V,) of votes on one model; NaN elsewhere.
        source: (V,) the judge and repeat of a rating.
        models: How many models there are.
        by_ballot: Whether comparisons weigh 1/(k-1) instead, so that all of a model in one vote weigh 1.
    """
    votes = len(prompt)
    everyone = np.broadcast_to(np.int64(0), votes)
    together = Ballots(
        prompt=prompt, source=everyone, placed=np.ones(votes, bool), offsets=offsets, items=model, ranks=ranks
    )
    rated = np.flatnonzero(~np.isnan(ratings))
    if not len(rated):
        return _compared(together, models, by_ballot=by_ballot)
    of_rated, by, sources = prompt[rated], source[rated], int(source.max(initial=0)) + 1
    alone = ballots_of_ratings(of_rated, by, model[offsets[rated]], ratings[rated], models)
    comparisons, compares = _compared(together.followed_by(alone), models, by_ballot=by_ballot)
    ballots = alone.prompt * np.int64(sources) + alone.source
    compares[rated] = compares[votes:][np.searchsorted(ballots, of_rated * np.int64(sources) + by)]
    return comparisons, compares[:votes]


def _compared(ballots: Ballots, models: int, *, by_ballot: bool) -> tuple[Comparisons, Flags]:
    sizes = ballots.sizes
    if ballots.placed.all() and (sizes == 2).all():
        return _of_pairs(ballots, models)
    compares = np.zeros(len(ballots.prompt), bool)
    parts = []
    for start, part in _chunks(ballots, sizes):
        pairs = pairs_of(part)
        pairs = pairs.where(pairs.first != pairs.second)
        compares[start + pairs.vote] = True
        parts.append(_comparisons(pairs, part, models, by_ballot=by_ballot))
    return _joined(parts, models), compares


def _of_pairs(ballots: Ballots, models: int) -> tuple[Comparisons, Flags]:
    """Return the same where every vote is on two models: the short way, for many votes."""
    first, second = ballots.items[::2], ballots.items[1::2]
    before, after = ballots.ranks[::2], ballots.ranks[1::2]
    compares = (first != second) & (before > 0) & (after > 0)
    cell = _cells(first, second, np.sign(after - before), models)
    if compares.all():
        return Comparisons(models, ballots.prompt, cell), compares
    return Comparisons(models, ballots.prompt[compares], cell[compares]), compares


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


def _comparisons(pairs: Pairs, ballots: Ballots, models: int, *, by_ballot: bool) -> Comparisons:
    count = np.where(ballots.placed[pairs.vote], 1.0, 0.5)
    ranked = 3 * count / pairs.weight - 1
    weight = count / (ranked - 1) if by_ballot else pairs.weight
    cell = _cells(pairs.first, pairs.second, pairs.outcome, models)
    lost = pairs.outcome < 0
    keys = np.concatenate([pairs.vote * models + of for of in (pairs.first, pairs.second)])
    _, codes, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shares = 1 / counts[codes].reshape(2, -1)
    return Comparisons(models, pairs.prompt, cell, weight, count, np.where(lost, shares[::-1], shares))


def _joined(parts: list[Comparisons], models: int) -> Comparisons:
    prompt, cell = (np.concatenate([getattr(part, name) for part in parts]) for name in ("prompt", "cell"))
    weight, count, shares = (
        np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in ("weight", "count", "shares")
    )
    return Comparisons(models, prompt, cell, weight, count, shares)
