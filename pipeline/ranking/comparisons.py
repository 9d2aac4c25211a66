"""From votes to pairwise comparisons, and from those to the tally that every aggregator reads.

A vote that ranks k candidates implies k(k-1)/2 comparisons, which are not independent: they come from one ordering.
Each is weighted by 3/(k+1), which is 1 for a pair. With this weight the inverse curvature of the Bradley–Terry
likelihood is the true sampling variance of its estimator if the candidates are equally strong. In that case, the slope
of the likelihood in one candidate's score is (k+1)/2 minus its rank, which has variance (k²-1)/12, and covariance
-(k+1)/12 with another: on contrasts J = k(k+1)/12. The curvature is H = k/4. The true variance is the sandwich J/H² =
(k+1)/3 · 4/k, whereas unweighted comparisons would claim 1/H = 4/k; the weight makes the two equal.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, spans
from .tally import Floats, Tally


@dataclass(frozen=True)
class Ballots:
    """V votes, flattened: vote v showed `items[offsets[v]:offsets[v + 1]]`, in slot order.

    Attributes:
        prompt: (V,) the tournament of each vote.
        source: (V,) the source of each vote: one code for each combination of judge and repeat.
        placed: (V,) whether the order of the slots could have had an effect; False for candidates rated one at a time.
        offsets: (V+1,) where the slots of each vote begin.
        items: (S,) the candidate in each slot, as its code within its tournament.
        ranks: (S,) 1 is best, equal ranks are a tie, 0 means not ranked.
        weight: (V,) the weight of each vote; None for 1 each.
    """

    prompt: Codes
    source: Codes
    placed: NDArray[np.bool_]
    offsets: Codes
    items: Codes
    ranks: Codes
    weight: Floats | None = None

    @property
    def sizes(self) -> Codes:
        """(V,) how many candidates each vote showed."""
        return np.diff(self.offsets)

    @classmethod
    def gathered(cls, votes: Codes, prompt: Codes, source: Codes, offsets: Codes, items: Codes, ranks: Codes) -> Self:
        """Return some of the votes of a larger collection, all of them placed; narrow integers are widened.

        Args:
            votes: (V,) which votes to take, ascending.
            prompt: (V,) the tournament of each of them.
            source: The source of each vote of the collection.
            offsets: Where its slots begin.
            items: The candidate in each slot.
            ranks: Its rank.
        """
        placed = np.ones(len(votes), bool)
        if len(votes) and votes[-1] - votes[0] == len(votes) - 1:
            run: Codes | slice = slice(int(votes[0]), int(votes[-1]) + 1)
            ends = offsets[int(votes[0]) : int(votes[-1]) + 2]
            slots: Codes | slice = slice(int(ends[0]), int(ends[-1]))
            ends = ends - ends[0]
        else:
            begins = offsets[votes]
            sizes = offsets[votes + 1] - begins
            slots, run = spans(begins, sizes), votes
            ends = np.concatenate([[0], np.cumsum(sizes)])
        return cls(prompt, source[run], placed, ends, items[slots].astype(np.int32), ranks[slots].astype(np.int32))

    def followed_by(self, other: Self) -> Self:
        """Return these votes and then the others, all with weight 1."""
        return type(self)(
            np.r_[self.prompt, other.prompt],
            np.r_[self.source, other.source],
            np.r_[self.placed, other.placed],
            np.r_[self.offsets, other.offsets[1:] + self.offsets[-1]],
            np.r_[self.items, other.items],
            np.r_[self.ranks, other.ranks],
        )


@dataclass(frozen=True)
class Pairs:
    """M comparisons of two candidates each.

    Attributes:
        vote: (M,) the vote that implies the comparison.
        prompt: (M,) its tournament.
        first: (M,) the candidate in the earlier slot.
        second: (M,) the candidate in the later slot.
        outcome: (M,) 1 where the first won, -1 where the second did, 0 for a tie.
        weight: (M,) the weight of the comparison.
    """

    vote: Codes
    prompt: Codes
    first: Codes
    second: Codes
    outcome: Codes
    weight: Floats

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return some of the comparisons."""
        return type(self)(
            self.vote[chosen],
            self.prompt[chosen],
            self.first[chosen],
            self.second[chosen],
            self.outcome[chosen],
            self.weight[chosen],
        )


def by_size(ballots: Ballots) -> list[tuple[Codes, Codes, Codes]]:
    """Return, for each number k of candidates shown, the votes that show k, and their items and ranks, both (V, k)."""
    sizes = ballots.sizes
    blocks = []
    for size in np.flatnonzero(np.bincount(sizes)) if len(sizes) else ():
        votes = np.flatnonzero(sizes == size)
        if len(votes) == len(sizes):
            slots: Codes | slice = slice(int(ballots.offsets[0]), int(ballots.offsets[-1]))
        else:
            slots = spans(ballots.offsets[votes], sizes[votes])
        blocks.append((votes, ballots.items[slots].reshape(-1, size), ballots.ranks[slots].reshape(-1, size)))
    return blocks


def pairs_of(ballots: Ballots) -> Pairs:
    """Return the comparisons that votes imply; a candidate that was not ranked is in none.

    If the slots could not have had an effect, a comparison counts half in each order, so that it says nothing about a
    position effect.
    """
    empty = np.zeros(0, np.int64)
    blocks = [Pairs(empty, empty, empty, empty, empty.astype(np.int8), np.zeros(0))]
    for votes, items, ranks in by_size(ballots):
        early, late = np.triu_indices(items.shape[1], 1)
        ranked = ranks > 0
        outcome = np.sign(ranks[:, late] - ranks[:, early]).astype(np.int8)
        share = 3 / (1 + ranked.sum(1))
        if ballots.weight is not None:
            share = share * ballots.weight[votes]
        weight = np.broadcast_to(share[:, None], outcome.shape)
        vote = np.broadcast_to(votes[:, None], outcome.shape)
        block = Pairs(
            vote.ravel(),
            ballots.prompt[vote].ravel(),
            items[:, early].ravel(),
            items[:, late].ravel(),
            outcome.ravel(),
            weight.ravel(),
        )
        blocks.append(block if ranked.all() else block.where((ranked[:, early] & ranked[:, late]).ravel()))
    pairs = _joined(blocks)
    return pairs if ballots.placed.all() else _halved(pairs, ballots.placed)


def _halved(pairs: Pairs, placed: NDArray[np.bool_]) -> Pairs:
    free = ~placed[pairs.vote]
    halved = replace(pairs, weight=np.where(free, pairs.weight / 2, pairs.weight))
    swapped = replace(halved, first=pairs.second, second=pairs.first, outcome=-pairs.outcome)
    return _joined([halved, swapped.where(free)])


def _joined(blocks: list[Pairs]) -> Pairs:
    filled = [block for block in blocks if len(block.vote)] or blocks[:1]
    if len(filled) == 1:
        return filled[0]
    columns = {part.name: np.concatenate([getattr(block, part.name) for block in filled]) for part in fields(Pairs)}
    return Pairs(**columns)


def tally(pairs: Pairs, prompts: int, items: int) -> Tally:
    """Count comparisons of tournaments with the same number of items.

    Returns:
        The tally of (P, n, n) weighted counts, P being `prompts` and n `items`.
    """
    winner = np.where(pairs.outcome < 0, pairs.second, pairs.first)
    loser = np.where(pairs.outcome < 0, pairs.first, pairs.second)
    kind = np.array([2, 0, 1])[pairs.outcome]
    cell = ((kind * prompts + pairs.prompt) * items + winner) * items + loser
    counts = np.bincount(cell, pairs.weight, minlength=3 * prompts * items * items)
    return Tally(*counts.reshape(3, prompts, items, items))
