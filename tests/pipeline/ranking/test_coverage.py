"""Intervals of 95 % hold the truth as often, for every method with standard errors, on votes of its own model.

A small part of the simulations of which docs/methods.md has the table.
"""

from itertools import permutations

import numpy as np
import pytest

from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of, tally
from prefpipe.pipeline.ranking.methods import METHODS, scorer_of
from prefpipe.pipeline.ranking.pooled import Shared, estimate_shared
from prefpipe.pipeline.ranking.shared_ties import estimate_ties
from prefpipe.pipeline.ranking.special import NORMAL_95
from prefpipe.pipeline.ranking.tally import Floats, Tally

PROMPTS, ITEMS, REPEATS, TIMES = 60, 5, 3, 10
EFFECT, NU = 0.6, 0.5

Chances = tuple[Floats, Floats]
"""Of a win of the first slot, and of a tie."""


def without_ties(margin: Floats) -> Chances:
    return 1 / (1 + np.exp(-margin)), np.zeros_like(margin)


def as_davidson(margin: Floats) -> Chances:
    total = np.exp(margin / 2) + np.exp(-margin / 2) + NU
    return np.exp(margin / 2) / total, NU / total


def as_rao_and_kupper(margin: Floats) -> Chances:
    won, lost = (1 / (1 + (1 + NU) * np.exp(-side)) for side in (margin, -margin))
    return won, 1 - won - lost


def on_pairs(theta: Floats, margins: Floats, random: np.random.Generator, method: str) -> Ballots:
    """Votes on all pairs in both orders, several times."""
    model = {"davidson": as_davidson, "rao-kupper": as_rao_and_kupper}.get(method, without_ties)
    shown = np.array(list(permutations(range(ITEMS), 2)) * REPEATS)
    won, tied = model(margins[:, shown[:, 0], shown[:, 1]])
    luck = random.random(won.shape)
    ranks = np.where((luck < won)[..., None], [1, 2], np.where((luck < won + tied)[..., None], [1, 1], [2, 1]))
    prompt = np.repeat(np.arange(len(theta)), len(shown))
    offsets = np.arange(0, 2 * len(prompt) + 1, 2)
    items = np.tile(shown.ravel(), len(theta))
    return Ballots(prompt, np.zeros_like(prompt), prompt >= 0, offsets, items, ranks.ravel())


def on_lists(theta: Floats, random: np.random.Generator) -> Ballots:
    """Lists of all, drawn from the top, in slots at random."""
    lists = 2 * REPEATS
    luck = theta[:, None, :] + random.gumbel(size=(len(theta), lists, ITEMS))
    ranks = (-luck).argsort(axis=2).argsort(axis=2) + 1
    items = random.permuted(np.broadcast_to(np.arange(ITEMS), ranks.shape), axis=2)
    prompt = np.repeat(np.arange(len(theta)), lists)
    offsets = np.arange(0, ITEMS * len(prompt) + 1, ITEMS)
    ranks = np.take_along_axis(ranks, items, axis=2)
    return Ballots(prompt, np.zeros_like(prompt), prompt >= 0, offsets, items.ravel(), ranks.ravel())


def shared(method: str, counted: Tally) -> Shared:
    known = METHODS[method]
    if not known.has_prior:
        return Shared(0.0, 0.0, 1.0)
    found = estimate_shared([counted], position_effect=None if known.corrects_position else 0.0)
    if known.ties is None:
        return found
    ties = estimate_ties(known.ties, [counted], None, prior_sd=found.prior_sd, stretch=True)
    return Shared(ties.position_effect, ties.position_error, ties.prior_sd, ties.tie)


@pytest.mark.parametrize(
    "method", ["bradley-terry", "davidson", "rao-kupper", "firth", "plackett-luce", "win-rate", "borda"]
)
def test_intervals_hold_the_truth_as_often_as_they_say(method: str) -> None:
    held, told = 0, 0
    for seed in range(TIMES):
        random = np.random.default_rng([1, seed])
        theta = random.normal(0, 1.2, (PROMPTS, ITEMS))
        effect = EFFECT if METHODS[method].corrects_position else 0.0
        margins = theta[:, :, None] - theta[:, None, :] + effect
        truth = theta - theta.mean(1, keepdims=True)
        if method in {"win-rate", "borda"}:
            won = without_ties(margins)[0] * ~np.eye(ITEMS, dtype=bool)
            truth = won.sum(2) / (ITEMS - 1 if method == "win-rate" else 1)
        ballots = on_lists(theta, random) if method == "plackett-luce" else on_pairs(theta, margins, random, method)
        counted = tally(pairs_of(ballots), PROMPTS, ITEMS)
        scores, errors = scorer_of(method, shared(method, counted))(ballots, counted)
        known = np.isfinite(errors)
        assert known.mean() > 0.95
        held += int((np.abs(scores - truth)[known] < NORMAL_95 * errors[known]).sum())
        told += int(known.sum())
    assert 0.93 <= held / told <= 0.975
