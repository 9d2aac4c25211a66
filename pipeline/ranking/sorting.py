"""Rankings by sorting: the greedy rule of Cohen et al., and KwikSort averaged over random pivots."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .condorcet import ROUNDING
from .tally import Floats, Tally

BLOCK = 1 << 20


@dataclass(frozen=True)
class Greedy:
    """The greedy order.

    Attributes:
        scores: (P, n), how many items are ranked below each one, plus half of those tied with it: 0 to n - 1.
    """

    scores: Floats


@dataclass(frozen=True)
class KwikSort:
    """The average result of the sorts.

    Attributes:
        scores: (P, n), how many items were ranked below each one, averaged over the draws: 0 to n - 1.
        draw_errors: (P, n), the standard error of that average over draws; it is not a sampling error of the votes.
        draws: How many sorts were averaged.
        seed: The seed of the pivots.
    """

    scores: Floats
    draw_errors: Floats
    draws: int
    seed: int


def greedy(tally: Tally) -> Greedy:
    """Rank by repeatedly taking the item that is most preferred to the remaining ones.

    An item's potential is the sum, over the remaining others, of its share of the pair's points minus the other's
    share; the item with the largest potential is taken, several together if they tie (the source breaks ties
    arbitrarily). A pair with equally many points, with conflicting votes that cancel, with ties only, or never
    compared, adds nothing. All-tied items, and those of an empty prompt, have (n - 1) / 2. The order agrees with at
    least half as much preference as the best order does.

    Source: Cohen, Schapire and Singer (1999), JAIR 10.
    """
    lead = _lead(tally)
    prompts, n, _ = lead.shape
    rounds = np.zeros((prompts, n))
    for now in range(1, n + 1):
        there = rounds == 0
        potential = np.where(there, (lead @ there[:, :, None].astype(float))[:, :, 0], -np.inf)
        rounds[there & (potential >= potential.max(axis=1, keepdims=True) - ROUNDING * n)] = now
    earlier = np.sign(rounds[:, None, :] - rounds[:, :, None]).sum(axis=2)
    return Greedy((earlier + n - 1) / 2)


def kwiksort(tally: Tally, *, draws: int = 32, seed: int = 0) -> KwikSort:
    """Rank by quicksort on the majority of each pair, averaged over random pivots.

    A random pivot splits the items into those that beat it and those that it beats, and so on in each part; in
    expectation, the disagreements of one sort are within a constant factor of the fewest possible, and averaging
    removes most of the randomness. If majorities are transitive and complete, every sort gives the same order. A pair
    with equally many points, with conflicting votes that cancel, with ties only, or never compared, is decided by a
    coin flip in each draw, so items that nothing separates have (n - 1) / 2 up to `draw_errors`. The random numbers
    used for a prompt do not depend on the others.

    Source: Ailon, Charikar and Newman (2008), JACM 55.

    Raises:
        ValueError: if `draws` is below 1.
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    lead = _lead(tally)
    prompts, n, _ = lead.shape
    random = np.random.default_rng(seed)
    pivots = np.argsort(random.random((draws, n)), axis=1)
    coins = random.random((draws, n, n)) < 0.5
    scores, errors = np.zeros((prompts, n)), np.zeros((prompts, n))
    width = max(1, BLOCK // max(1, draws * n))
    for start in range(0, prompts, width):
        below = _sorted(lead[start : start + width], pivots, coins)
        scores[start : start + width] = below.mean(axis=1)
        errors[start : start + width] = below.std(axis=1, ddof=1) / np.sqrt(draws) if draws > 1 else np.inf
    return KwikSort(scores, errors, draws, seed)


def _sorted(lead: Floats, pivots: NDArray[np.intp], coins: NDArray[np.bool_]) -> Floats:
    """Return (P, D, n), how many items are ranked below each one after each of D sorts."""
    prompts, n, _ = lead.shape
    draws = len(pivots)
    # A part of the list is identified by the place where it begins, which no other part shares.
    begin = np.zeros((prompts, draws, n), dtype=np.int64)
    every = np.arange(draws)
    for turn in range(n):
        pivot = pivots[:, turn]
        place = begin[:, every, pivot]
        against = lead[:, :, pivot].transpose(0, 2, 1)
        wins = np.where(against == 0, coins[every, :, pivot], against > 0)
        with_pivot = begin == place[:, :, None]
        with_pivot[:, every, pivot] = False
        before = with_pivot & wins
        middle = place + before.sum(axis=2)
        begin = np.where(with_pivot & ~wins, middle[:, :, None] + 1, begin)
        begin[:, every, pivot] = middle
    below: Floats = (n - 1 - begin).astype(float)
    return below


def _lead(tally: Tally) -> Floats:
    """Return (P, n, n), the share of a pair's points that i has minus the share that j has; 0 if they never met."""
    points = tally.points
    votes = points + points.transpose(0, 2, 1)
    lead = (points - points.transpose(0, 2, 1)) / np.where(votes > 0, votes, 1.0)
    return np.where(np.abs(lead) > ROUNDING, lead, 0.0)
