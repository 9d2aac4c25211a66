"""Baldwin's rule: the item with the lowest Borda count is eliminated, again and again."""

from dataclasses import dataclass

import numpy as np

from .condorcet import ROUNDING
from .tally import Floats, Tally


@dataclass(frozen=True)
class Baldwin:
    """The result of the elimination.

    Attributes:
        scores: (P, n), how many items each one outlasted, plus half of those eliminated in the same round: 0 to n - 1.
        rounds: (P, n), the round in which each item was eliminated, from 1; the last to be eliminated ranks first.
    """

    scores: Floats
    rounds: Floats


def baldwin(tally: Tally) -> Baldwin:
    """Rank by iterated Borda elimination.

    In each round an item's Borda count is its points minus those of its opponents, over the remaining items. With
    equally many votes on each pair this is the classical count; with missing or uneven pairs an item is not punished
    for having met few others. The items with the lowest count are eliminated, together if they tie. An item that beats
    every other one has a positive count in every round while the counts sum to zero, so it always wins. Tied votes are
    half a point each way, conflicting ones cancel; all-tied items, and those of an empty prompt, are eliminated
    together with a score of (n - 1) / 2.

    Source: Baldwin (1926); "Vote'n'Rank" (arXiv 2210.05769).
    """
    points = tally.points
    net = points - points.transpose(0, 2, 1)
    slack = ROUNDING * points.sum(axis=(1, 2))[:, None]
    prompts, n, _ = points.shape
    rounds = np.zeros((prompts, n))
    for now in range(1, n + 1):
        there = rounds == 0
        counts = np.where(there, (net @ there[:, :, None].astype(float))[:, :, 0], np.inf)
        lowest = counts.min(axis=1, keepdims=True)
        rounds[there & (counts <= lowest + slack)] = now
    later = np.sign(rounds[:, :, None] - rounds[:, None, :]).sum(axis=2)
    return Baldwin((later + n - 1) / 2, rounds)
