"""Comparisons of models, counted by groups of prompts: what a leaderboard and all its errors are computed from.

Votes about one prompt are alike, because it suits one model more than another, so prompts and not votes are what is
drawn anew to see how far a leaderboard is due to chance. Where prompts are many, some are put together by chance and
drawn as one: groups of independent prompts are as independent as the prompts, and the variance between 500 groups is
known within 6 % (a standard error within 3 %), whatever the number of votes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, dense
from .tally import Floats, Tally

CELLS = 1 << 24
"""Counts that are held at a time: 128 MB, whatever the number of votes and models."""

LEAST_GROUPS, MOST_GROUPS = 200, 1 << 14


@dataclass(frozen=True)
class Comparisons:
    """M comparisons of two models each, one leaderboard's or many's.

    Attributes:
        prompt: (M,) the prompt, as a code that does not depend on the order of the votes.
        first: (M,) the model in the earlier slot.
        second: (M,) the model in the later slot.
        outcome: (M,) 1 where the first won, -1 where the second did, 0 for a tie.
        weight: (M,) what each counts in a fit; None for 1 each.
        count: (M,) how many comparisons it is, one half if it stands there in both orders; None for 1 each.
        first_share: (M,) which part of a vote on the first model it is; None for a whole one each.
        second_share: (M,) likewise for the second model.
    """

    prompt: Codes
    first: Codes
    second: Codes
    outcome: Codes
    weight: Floats | None = None
    count: Floats | None = None
    first_share: Floats | None = None
    second_share: Floats | None = None

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return some of the comparisons."""
        parts: dict[str, Any] = vars(self)
        return type(self)(**{name: None if part is None else part[chosen] for name, part in parts.items()})


@dataclass(frozen=True)
class Grouped:
    """Comparisons of n models on prompts that fall into G groups.

    Attributes:
        models: n.
        groups: G.
        prompts: How many prompts there are, at least G.
        group: (M,) the group of each comparison.
        cell: (M,) which count of a tally it belongs to, the three arrays of a tally lying one after another.
        weight: (M,) what it counts; None for 1 each.
    """

    models: int
    groups: int
    prompts: int
    group: Codes
    cell: Codes
    weight: Floats | None

    @classmethod
    def of(cls, comparisons: Comparisons, models: int, seed: int = 0) -> Self:
        """Put each prompt into a group, a group of its own where there are not too many."""
        size = 3 * models**2
        prompt, kept = dense(comparisons.prompt, int(comparisons.prompt.max(initial=-1)) + 1)
        groups = min(len(kept), MOST_GROUPS, max(LEAST_GROUPS, CELLS // max(size, 1)))
        assigned = np.random.default_rng(seed).permutation(len(kept)) % max(groups, 1)
        if groups == len(kept):
            assigned = np.arange(len(kept))
        lost = comparisons.outcome < 0
        kind = np.array([2, 0, 1], np.int32)[comparisons.outcome]
        winner = np.where(lost, comparisons.second, comparisons.first)
        loser = np.where(lost, comparisons.first, comparisons.second)
        cell = (kind * models + winner) * models + loser
        group, weight = assigned.astype(np.int32)[prompt], comparisons.weight
        if groups * size > CELLS:
            order = np.argsort(group, kind="stable")
            group, cell, weight = group[order], cell[order], None if weight is None else weight[order]
        return cls(models, groups, len(kept), group, cell, weight)

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Yield the counts of all groups, so many at a time as fit into memory: which, and their counts (B, 3, n, n)."""
        size = 3 * self.models**2
        width = max(1, CELLS // max(size, 1))
        for start in range(0, self.groups, width):
            end = min(start + width, self.groups)
            rows = slice(None)
            if width < self.groups:
                rows = slice(*np.searchsorted(self.group, [start, end]))
            key = (self.group[rows] - start) * np.int64(size) + self.cell[rows]
            weight = None if self.weight is None else self.weight[rows]
            counts = np.bincount(key, weight, minlength=(end - start) * size)
            yield slice(start, end), counts.reshape(-1, 3, self.models, self.models)

    def drawn(self, weights: Floats) -> tuple[Tally, Tally]:
        """Return the tally of all groups together, and one (D, n, n) for each of D weightings of them (D, G)."""
        shape = (3, self.models, self.models)
        total, drawn = np.zeros(shape), np.zeros((len(weights), math.prod(shape)))
        for part, counts in self.blocks():
            total += counts.sum(0)
            drawn += weights[:, part].astype(np.float32) @ counts.reshape(len(counts), -1).astype(np.float32)
        parts = drawn.reshape(-1, *shape)
        return Tally(*total[:, None]), Tally(parts[:, 0], parts[:, 1], parts[:, 2])
