"""Baldwin's rule: the item with the lowest Borda count leaves, again and again."""

from dataclasses import dataclass

import numpy as np

from .condorcet import ROUNDING
from .tally import Floats, Tally


@dataclass(frozen=True)
class Baldwin:
    """What the elimination found.

    Attributes:
        scores: (P, n), how many items each one outlasted, plus half of those that left in the same round: 0 to n - 1.
        rounds: (P, n), the round in which each item left, from 1; the last to leave are first.
    """

    scores: Floats
    rounds: Floats


def baldwin(tally: Tally) -> Baldwin:
    """Rank by iterated Borda elimination.

    In each round an item's Borda count is its points less those of its opponents, over the items still there: with
    equally many votes on each pair that is the classical count, and with missing or uneven pairs an item is not
    punished for having met few others. The lowest leave, together where they tie. An item that beats every other one
    has a positive count in every round while the counts sum to zero, so it always wins. Tied votes are half a point
    each way, conflicting ones cancel; all-tied items, and those of an empty prompt, leave together with (n - 1) / 2.

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
