"""Comparisons of models, counted by groups of prompts: the input of leaderboards and their standard errors.

Votes on one prompt are correlated, because it suits one model more than another, so prompts and not votes are resampled
to see how far a leaderboard is due to chance. If there are many prompts, they are put into random groups that are drawn
as one: groups of independent prompts are as independent as the prompts, and the variance between 500 groups is known
within 6 % (a standard error within 3 %), whatever the number of votes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .tally import Floats, Tally

CELLS = 1 << 24
"""Cells of the tallies of all groups, which limits the number of groups; 500 for a hundred models."""

LEAST_GROUPS, MOST_GROUPS = 200, 1 << 14

BLOCK = 1 << 21
"""Cells that are counted at a time: 16 MB, small enough to be used again without asking for new memory."""


@dataclass(frozen=True)
class Comparisons:
    """M comparisons of two of n models each.

    A comparison is kept as the cell of a tally that it belongs to, the three arrays of a tally lying one after another:
    `(kind * n + i) * n + j`, with kind 0 where i won in the earlier slot, 1 where i won in the later one, and 2 where
    i, in the earlier slot, tied with j.

    Attributes:
        models: n.
        prompt: (M,) the prompt, as a code that does not depend on the order of the votes.
        cell: (M,).
        weight: (M,) its weight in a fit; None for 1 each.
        count: (M,) how many comparisons it counts as, one half if it is entered in both orders; None for 1 each.
        shares: (2, M) the fraction of a vote on i, and of one on j, that it makes up; None for a whole one each.
        judge: (M,) the judge; None if there is only one.
    """

    models: int
    prompt: Codes
    cell: Codes
    weight: Floats | None = None
    count: Floats | None = None
    shares: Floats | None = None
    judge: Codes | None = None

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return some of the comparisons."""
        weight, count, shares = (
            None if part is None else part[..., chosen] for part in (self.weight, self.count, self.shares)
        )
        judge = None if self.judge is None else self.judge[chosen]
        return type(self)(self.models, self.prompt[chosen], self.cell[chosen], weight, count, shares, judge)

    def among(self, members: Codes) -> Self:
        """Return the comparisons among some of the models, which are renumbered."""
        if len(members) == self.models:
            return self
        place = np.full((3, self.models, self.models), -1, np.int32)
        place[:, members[:, None], members] = np.arange(3 * len(members) ** 2).reshape(3, len(members), -1)
        cell = place.ravel()[self.cell]
        return replace(self, models=len(members), cell=cell).where(cell >= 0)


@dataclass(frozen=True)
class Grouped:
    """Comparisons of n models on prompts that fall into G groups.

    Attributes:
        models: n.
        groups: G.
        prompts: How many prompts there are, at least G.
        group: (M,) the group of each comparison, ascending where not all groups are counted at once.
        cell: (M,) the cell of a tally to which it belongs.
        weight: (M,) its weight; None for 1 each.
        judge: (M,) its judge; None if there is only one.
    """

    models: int
    groups: int
    prompts: int
    group: NDArray[np.uint16]
    cell: Codes
    weight: Floats | None
    judge: Codes | None = None

    @classmethod
    def of(cls, comparisons: Comparisons, seed: int = 0) -> Self:
        """Put each prompt into a group, its own if there are not too many prompts."""
        size = 3 * comparisons.models**2
        present = np.bincount(comparisons.prompt) > 0
        prompts = int(present.sum())
        groups = min(prompts, MOST_GROUPS, max(LEAST_GROUPS, CELLS // max(size, 1)))
        of_prompt = np.zeros(len(present), np.uint16)  # which is sorted in a sixth of the time
        each = np.arange(prompts) if groups == prompts else np.random.default_rng(seed).permutation(prompts) % groups
        of_prompt[present] = each
        group, cell = of_prompt[comparisons.prompt], comparisons.cell
        weight, judge = comparisons.weight, comparisons.judge
        if groups * size > BLOCK:
            order = np.argsort(group, kind="stable")
            group, cell = group[order], cell[order]
            weight = None if weight is None else weight[order]
            judge = None if judge is None else judge[order]
        return cls(comparisons.models, groups, prompts, group, cell, weight, judge)

    def portions(self) -> Iterator[tuple[slice, slice]]:
        """Yield slices of groups that fit into memory, and their comparisons."""
        width = max(1, BLOCK // max(3 * self.models**2, 1))
        for start in range(0, self.groups, width):
            end = min(start + width, self.groups)
            rows = slice(None)
            if width < self.groups:
                rows = slice(*np.searchsorted(self.group, [start, end]))
            yield slice(start, end), rows

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Yield slices of groups that fit into memory, and their counts (B, 3, n, n)."""
        size = 3 * self.models**2
        for part, rows in self.portions():
            key = (self.group[rows].astype(np.int64) - part.start) * size + self.cell[rows]
            weight = None if self.weight is None else self.weight[rows]
            counts = np.bincount(key, weight, minlength=(part.stop - part.start) * size)
            yield part, counts.reshape(-1, 3, self.models, self.models).astype(np.float64, copy=False)

    def drawn(self, weights: Floats) -> tuple[Tally, Tally]:
        """Return the tally of all groups together, and one (D, n, n) for each of D weightings of them (D, G)."""
        shape = (3, self.models, self.models)
        total, drawn = np.zeros(shape), np.zeros((len(weights), math.prod(shape)))
        for part, counts in self.blocks():
            total += counts.sum(0)
            drawn += weights[:, part].astype(np.float32) @ counts.reshape(len(counts), -1).astype(np.float32)
        parts = drawn.reshape(-1, *shape)
        return Tally(*total[:, None]), Tally(parts[:, 0], parts[:, 1], parts[:, 2])
