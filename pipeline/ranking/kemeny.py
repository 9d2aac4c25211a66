"""Kemeny's rule: the order that disagrees with the fewest votes, found exactly."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .tally import Floats, Tally

LARGEST = 10
ROUNDING = 1e-9
BLOCK = 1 << 22
"""Costs kept at a time, in numbers: 32 MB, whatever the number of prompts."""


@dataclass(frozen=True)
class Kemeny:
    """The result of the search.

    Attributes:
        scores: (P, n), how many items are ranked below each one, on average over all optimal orders: 0 to n - 1.
        orders: (P, n), one optimal order, the best item first; if several are optimal, the one that puts the highest
            number last, and so on upwards.
        disagreements: (P,), the points against that order; a tied vote is always half a point.
        support: (P,), the points in favour of it.
        optima: (P,), how many orders are optimal; 1 if the ranking is unique.
    """

    scores: Floats
    orders: NDArray[np.intp]
    disagreements: Floats
    support: Floats
    optima: Floats


def kemeny(tally: Tally) -> Kemeny:
    """Find all orders with the fewest disagreements, for up to ten items, by dynamic programming over subsets.

    The fewest disagreements within a subset follow from the best choice of its last item, given the best order of the
    rest. Tied votes count half against either order and missing pairs count nothing, so both leave orders tied;
    conflicting votes cancel. The scores average over all optimal orders, so items that the votes cannot separate are
    equal: all-tied items, and those of an empty prompt, have (n - 1) / 2. To fuse rankings, count them as pairs first
    (`fusion.tally_rankings`).

    Source: Kemeny (1959), Daedalus 88; the dynamic programme is in Betzler et al. (2009), TCS 410.

    Raises:
        UsageError: for more than ten items, because there are too many subsets.
    """
    points = tally.points
    prompts, n, _ = points.shape
    if n > LARGEST:
        raise UsageError(
            f"Kemeny's exact ranking takes at most {LARGEST} items, and here there are {n}.",
            "Use schulze, which needs no search, or borda.",
        )
    lattice = _Lattice.of(n)
    scores, orders = np.zeros((prompts, n)), np.zeros((prompts, n), dtype=np.intp)
    disagreements, optima = np.zeros(prompts), np.ones(prompts)
    width = max(1, BLOCK // (n * (1 << n) or 1))
    for start in range(0, prompts, width):
        part = slice(start, start + width)
        scores[part], orders[part], disagreements[part], optima[part] = _search(lattice, points[part])
    return Kemeny(scores, orders, disagreements, points.sum(axis=(1, 2)) - disagreements, optima)


@dataclass(frozen=True)
class _Lattice:
    """The subsets of n items as bit masks, grouped by size, and the members of each."""

    n: int
    subsets: list[NDArray[np.intp]]
    members: list[NDArray[np.intp]]

    @classmethod
    def of(cls, n: int) -> "_Lattice":
        masks, inside = np.arange(1 << n), _inside(n)
        by_size = [masks[inside.sum(axis=1) == size] for size in range(n + 1)]
        return cls(n, by_size, [np.nonzero(inside[found])[1].reshape(len(found), -1) for found in by_size])


def _inside(n: int) -> NDArray[np.bool_]:
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)


def _search(lattice: _Lattice, points: Floats) -> tuple[Floats, NDArray[np.intp], Floats, Floats]:
    n, prompts = lattice.n, len(points)
    everyone = (1 << n) - 1
    inside = _inside(n).astype(float)
    # against[i, s, p]: the points of i over the members of s, all lost if i stands below them
    against = np.einsum("pij,sj->isp", points, inside, optimize=True)
    slack = ROUNDING * (1 + points.sum(axis=(1, 2)))
    cost, ways = np.zeros((1 << n, prompts)), np.ones((1 << n, prompts))
    best: list[NDArray[np.bool_]] = [np.ones((1, 0, prompts), dtype=bool)]
    for subsets, members in zip(lattice.subsets[1:], lattice.members[1:], strict=True):
        rest = subsets[:, None] ^ (1 << members)
        options = cost[rest] + against[members, rest]
        cost[subsets] = options.min(axis=1)
        best.append(options <= cost[subsets][:, None] + slack)
        ways[subsets] = np.where(best[-1], ways[rest], 0.0).sum(axis=1)
    scores, orders = np.zeros((prompts, n)), np.zeros((prompts, n), dtype=np.intp)
    # how often a subset fills the top of an optimal order, from the whole downwards
    reached = np.zeros((1 << n, prompts))
    reached[everyone] = 1.0
    for size in range(n, 0, -1):
        subsets, members = lattice.subsets[size], lattice.members[size]
        for place in range(size):
            rest, last = subsets ^ (1 << members[:, place]), members[:, place]
            through = np.where(best[size][:, place], reached[subsets], 0.0)
            np.add.at(reached, rest, through)
            np.add.at(scores.T, last, through * ways[rest] * (n - size))
    scores /= ways[everyone][:, None]
    subset, every = np.full(prompts, everyone), np.arange(prompts)
    for size in range(n, 0, -1):
        row = np.searchsorted(lattice.subsets[size], subset)
        place = size - 1 - best[size][row, ::-1, every].argmax(axis=1)
        orders[:, size - 1] = lattice.members[size][row, place]
        subset ^= 1 << orders[:, size - 1]
    return scores, orders, cost[everyone], ways[everyone]
