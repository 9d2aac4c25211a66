"""How far pairwise verdicts can be trusted: do both orders agree, does one slot win, are there cycles?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, dense
from .comparisons import Ballots, by_size
from .tally import Floats, Tally

Flags = NDArray[np.bool_]

ROUNDING = 1e-9


@dataclass(frozen=True)
class PositionCounts:
    """Counts of how the two orders of pairs came out, by prompt (P,).

    A pair judged in both orders by the same judge at the same repeat is *consistent* if both orders name the same
    winner or both are ties, and in *conflict* if they name different winners. A winner in one order and a tie in the
    other is neither: the judge wavered, but did not contradict itself.

    Attributes:
        both_orders: Pairs with a valid vote in both orders.
        consistent: Those on which both orders agree.
        conflicts: Those on which they name different winners.
        decisive: Pairwise votes that name a winner.
        first_won: Those that name the candidate in the first slot.
    """

    both_orders: Codes
    consistent: Codes
    conflicts: Codes
    decisive: Codes
    first_won: Codes

    @property
    def consistency(self) -> Floats:
        """(P,): the share of pairs judged in both orders that are consistent; NaN without any."""
        return _share(self.consistent, self.both_orders)

    @property
    def first_slot_share(self) -> Floats:
        """(P,): the share of decisive votes that the first slot won; NaN without any."""
        return _share(self.first_won, self.decisive)


@dataclass(frozen=True)
class PairVotes:
    """The N valid votes that show two candidates: the index of each, its prompt, source and slots, and its outcome."""

    vote: Codes
    prompt: Codes
    source: Codes
    first: Codes
    second: Codes
    outcome: Codes


@dataclass(frozen=True)
class Orders:
    """The K pairs judged by one judge at one repeat, and whether their two orders agree.

    Attributes:
        pair: (N,) the pair of each vote.
        prompt: (K,) the prompt of each pair.
        both: (K,) whether it was judged in both orders.
        consistent: (K,) whether they agree.
        conflict: (K,) whether they name different winners.
    """

    pair: Codes
    prompt: Codes
    both: Flags
    consistent: Flags
    conflict: Flags


def pair_votes(ballots: Ballots) -> PairVotes:
    """Return the valid votes that show two candidates in slots, and rank both."""
    empty = np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64)
    votes, shown, ranks = next((block for block in by_size(ballots) if block[1].shape[1] == 2), empty)
    ranked = (ranks > 0).all(1) & ballots.placed[votes]
    if not ranked.all():
        votes, shown, ranks = votes[ranked], shown[ranked], ranks[ranked]
    outcome = np.sign(ranks[:, 1] - ranks[:, 0])
    return PairVotes(votes, ballots.prompt[votes], ballots.source[votes], shown[:, 0], shown[:, 1], outcome)


def orders_of(votes: PairVotes, prompts: int, items: int) -> Orders:
    """Compare the two orders of each pair that one judge judged at one repeat."""
    forward = votes.first < votes.second
    low, high = np.where(forward, votes.first, votes.second), np.where(forward, votes.second, votes.first)
    per_prompt = (int(votes.source.max(initial=0)) + 1) * items * items
    keys = ((votes.prompt * np.int64(per_prompt // items**2) + votes.source) * items + low) * items + high
    pair, values = dense(keys, prompts * per_prompt)
    cell = pair * 2 + forward
    met = np.bincount(cell, minlength=2 * len(values)).reshape(-1, 2) > 0
    won = np.where(forward, votes.outcome, -votes.outcome)
    winner = np.sign(np.bincount(cell, won, minlength=2 * len(values)).reshape(-1, 2))
    both: Flags = np.asarray(met.all(1))
    return Orders(
        pair,
        values // per_prompt,
        both,
        both & (winner[:, 0] == winner[:, 1]),
        both & (winner[:, 0] * winner[:, 1] < 0),
    )


def position_counts(ballots: Ballots, prompts: int, items: int) -> PositionCounts:
    """Count agreements between orders, from the valid votes that show two candidates."""
    votes = pair_votes(ballots)
    orders = orders_of(votes, prompts, items)
    return PositionCounts(
        np.bincount(orders.prompt[orders.both], minlength=prompts),
        np.bincount(orders.prompt[orders.consistent], minlength=prompts),
        np.bincount(orders.prompt[orders.conflict], minlength=prompts),
        np.bincount(votes.prompt[votes.outcome != 0], minlength=prompts),
        np.bincount(votes.prompt[votes.outcome > 0], minlength=prompts),
    )


def cyclic_triads(tally: Tally) -> Codes:
    """Return (P,): how many sets of three candidates form a cycle, each beaten by the next by a majority of points.

    A pair whose points are equal has no majority, and a triad that contains one is not a cycle. Each cycle is one
    closed walk of three steps in the graph of majorities, counted from each of its three corners.
    """
    points = tally.points
    beats = (points - points.transpose(0, 2, 1) > ROUNDING).astype(np.float64)
    walks = np.einsum("pij,pji->p", beats @ beats, beats)
    circles: Codes = np.rint(walks / 3).astype(np.int64)
    return circles


def _share(part: Codes, whole: Codes) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return share
