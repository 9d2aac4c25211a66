"""Votes on two candidates each, counted once for everything that is computed from them.

The outcomes of each pair are counted by prompt, judge, repeat and order of slots. The tally, the agreement between
orders and the rankings of repeats then follow by arithmetic on those counts, at a tenth of the cost of going through
the votes again for each.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, dense
from .comparisons import Ballots, pairs_of, tally
from .pairwise_consistency import PositionCounts, position_counts
from .repeats import Repeats, doubled_midranks, padded, rankings_of_repeats
from .tally import Floats, Tally

MOST_CELLS = 4
"""The most cells per vote for which counting is worth its memory: about a quarter of all pairs in both orders."""


@dataclass(frozen=True)
class Facts:
    """Facts about the votes on P prompts before scoring: who beat whom, and whether orders and repeats agree."""

    tally: Tally
    positions: PositionCounts
    repeats: Repeats


@dataclass(frozen=True)
class Duels:
    """G groups of votes on P prompts, each by one judge at one repeat on one prompt.

    Attributes:
        prompts: P.
        prompt: (G,) the prompt of each group, ascending.
        source: (G,) its judge and repeat.
        wins: (G, n, n); `[g, i, j]` is how often i, shown before j, beat it.
        losses: (G, n, n); how often i, shown before j, lost to it.
        ties: (G, n, n); how often they tied.
    """

    prompts: int
    prompt: Codes
    source: Codes
    wins: Codes
    losses: Codes
    ties: Codes

    def by_prompt(self, values: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
        """Return (P, ...): values of groups (G, ...), summed by prompt."""
        if np.array_equal(self.prompt, np.arange(self.prompts)):
            return values
        total = np.zeros((self.prompts, *values.shape[1:]), np.int64)
        if len(values):
            starts = np.flatnonzero(np.r_[True, self.prompt[1:] != self.prompt[:-1]])
            total[self.prompt[starts]] = np.add.reduceat(values, starts, axis=0, dtype=np.int64)
        return total

    def tally(self) -> Tally:
        """Return the comparisons of each prompt, each of weight 1."""
        wins, losses, ties = (self.by_prompt(part).astype(np.float64) for part in (self.wins, self.losses, self.ties))
        return Tally(wins, np.ascontiguousarray(losses.transpose(0, 2, 1)), ties)

    def position_counts(self) -> PositionCounts:
        """Return how often the two orders of a pair agree."""
        margin = np.sign(self.wins - self.losses).astype(np.int8)
        met = self.wins + self.losses + self.ties > 0
        both = met & met.transpose(0, 2, 1)
        other = -margin.transpose(0, 2, 1)
        consistent = both & (margin == other)
        conflict = both & (margin * other < 0)
        first_won, first_lost = (self.by_prompt(_total(part)) for part in (self.wins, self.losses))
        met_twice, agreed, opposed = (self.by_prompt(_total(part) // 2) for part in (both, consistent, conflict))
        return PositionCounts(met_twice, agreed, opposed, first_won + first_lost, first_won)

    def repeats(self) -> Repeats:
        """Return the ranking by each judge at each repeat, if it compared every pair."""
        items = self.wins.shape[1]
        lead = self.wins - self.losses
        lead = lead - lead.transpose(0, 2, 1)
        met = self.wins + self.losses + self.ties
        met = met + met.transpose(0, 2, 1)
        complete = _total(met > 0) == items * (items - 1)
        points: Floats = (lead / np.maximum(met, 1)).sum(2)[complete]
        incomplete = np.bincount(self.prompt[~complete], minlength=self.prompts)
        return padded(doubled_midranks(points), self.prompt[complete], self.source[complete], incomplete)


def duels_of(ballots: Ballots, prompts: int, items: int) -> Duels | None:
    """Return the counts of votes if all of them show two candidates in slots and rank both.

    None if there are other votes among them, if votes have weights, or if they are so few that going through them is
    cheaper.
    """
    votes = len(ballots.prompt)
    if ballots.weight is not None or len(ballots.items) != 2 * votes or not ballots.placed.all():
        return None
    if not (np.diff(ballots.offsets) == 2).all() or not ballots.ranks.all():
        return None
    sources = int(ballots.source.max(initial=0)) + 1
    group, keys = dense(ballots.prompt * np.int64(sources) + ballots.source, prompts * sources)
    cells = len(keys) * items * items
    if cells > MOST_CELLS * votes:
        return None
    slots, ranks = ballots.items.reshape(-1, 2), ballots.ranks.reshape(-1, 2)
    won, tied = ranks[:, 0] < ranks[:, 1], ranks[:, 0] == ranks[:, 1]
    cell = (group * items + slots[:, 0]) * items + slots[:, 1] + cells * (1 - won + tied)
    counts = np.bincount(cell, minlength=3 * cells).reshape(3, len(keys), items, items)
    return Duels(prompts, keys // sources, keys % sources, *counts)


def facts_of(ballots: Ballots, prompts: int, items: int) -> Facts:
    """Return the facts about votes, from one count of them if possible."""
    duels = duels_of(ballots, prompts, items)
    if duels is not None:
        return Facts(duels.tally(), duels.position_counts(), duels.repeats())
    pairs = pairs_of(ballots)
    return Facts(
        tally(pairs, prompts, items),
        position_counts(ballots, prompts, items),
        rankings_of_repeats(ballots, pairs, prompts, items),
    )


def tally_of(ballots: Ballots, prompts: int, items: int) -> Tally:
    """Return the comparisons that votes imply; all prompts have the same number of candidates."""
    duels = duels_of(ballots, prompts, items)
    return tally(pairs_of(ballots), prompts, items) if duels is None else duels.tally()


def _total(cells: NDArray[np.signedinteger] | NDArray[np.bool_]) -> Codes:
    total: Codes = cells.sum(axis=(1, 2), dtype=np.int64)
    return total
