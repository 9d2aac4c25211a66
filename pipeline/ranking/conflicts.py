"""Conflicts: pairs whose two orders name different winners, and what to make of them before candidates are scored."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .comparisons import Ballots
from .pairwise_consistency import Orders, PairVotes, orders_of, pair_votes
from .tally import Floats

CONFLICTS = ("both", "tie", "drop", "likelihood", "perplexity")

TOLERANCE = 0.05
"""How much likelier, on the mean of both orders, a verdict must be than the next one; below it, the pair is tied."""


def resolved(ballots: Ballots, prompts: int, items: int, conflicts: str) -> Ballots:
    """Return the votes with those in conflict as they should count: as they stand ("both"), as ties, or not at all.

    A conflict is between the votes of one judge at one repeat on one pair. As two opposite wins or as two ties they
    give the same points, but a model with ties sees ties. Dropped, they rank nothing any more.
    """
    if conflicts == "both":
        return ballots
    votes = in_conflict(ballots, prompts, items)
    ranks = ballots.ranks.copy()
    for slot in (0, 1):
        ranks[ballots.offsets[votes] + slot] = 1 if conflicts == "tie" else 0
    return replace(ballots, ranks=ranks)


def in_conflict(ballots: Ballots, prompts: int, items: int) -> Codes:
    """Return which votes are in conflict, ascending."""
    votes = pair_votes(ballots)
    orders = orders_of(votes, prompts, items)
    found: Codes = votes.vote[orders.conflict[orders.pair]]
    return found


def by_likelihood(ballots: Ballots, prompts: int, items: int, first: Floats, second: Floats) -> Ballots:
    """Return the votes with conflicts decided by what both orders together find likeliest.

    Each order gives a probability that the one candidate is better, that the other is, and that they tie. Their sums
    over the two orders decide: the verdict with the largest, or a tie where the lead is within `TOLERANCE`. Both votes
    then say so. A conflict that has a vote without probabilities (NaN) stands.

    Args:
        ballots: The votes.
        prompts: P.
        items: n.
        first: (V,) the probability that the first slot is the better one.
        second: (V,) likewise of the second slot.

    Source:
        "TrustJudge" (arXiv 2509.21117), its likelihood-aware aggregation.
    """
    votes = pair_votes(ballots)
    orders = orders_of(votes, prompts, items)
    forward = votes.first < votes.second
    one, other = first[votes.vote], second[votes.vote]
    low, high = np.where(forward, one, other), np.where(forward, other, one)
    sums = [_by_order(orders, forward, part).sum(1) for part in (low, high, np.maximum(1 - low - high, 0))]
    ascending = np.sort(np.stack(sums), axis=0)
    clear = (ascending[-1] - ascending[-2]) / 2 >= TOLERANCE
    winner = np.array([1, -1, 0])[np.argmax(np.stack(sums), axis=0)] * clear
    return _decided(ballots, votes, orders, winner, orders.conflict & ~np.isnan(ascending).any(0))


def by_perplexity(ballots: Ballots, prompts: int, items: int, perplexity: Floats) -> Ballots:
    """Return the votes with each conflict decided by the order in which the judge's answer has the lower perplexity.

    Both votes then name the winner of that order; equal perplexities are a tie. A conflict that has a vote without
    perplexity (NaN) stands.

    Args:
        ballots: The votes.
        prompts: P.
        items: n.
        perplexity: (V,) of the judge's answer.

    Source:
        "TrustJudge" (arXiv 2509.21117), its perplexity-based aggregation.
    """
    votes = pair_votes(ballots)
    orders = orders_of(votes, prompts, items)
    forward = votes.first < votes.second
    spoken = _by_order(orders, forward, perplexity[votes.vote])
    won = np.sign(_by_order(orders, forward, np.where(forward, votes.outcome, -votes.outcome)))
    surer = np.sign(spoken[:, 0] - spoken[:, 1])
    winner = np.where(surer > 0, won[:, 1], np.where(surer < 0, won[:, 0], 0))
    return _decided(ballots, votes, orders, winner, orders.conflict & ~np.isnan(spoken).any(1))


def _by_order(orders: Orders, forward: NDArray[np.bool_], values: Floats) -> Floats:
    """Return (K, 2): the mean of values of votes (N,) over each order of each pair; 0 where it has no votes."""
    cell = orders.pair * 2 + forward
    size = 2 * len(orders.prompt)
    mean: Floats = np.bincount(cell, values, minlength=size) / np.maximum(np.bincount(cell, minlength=size), 1)
    return mean.reshape(-1, 2)


def _decided(ballots: Ballots, votes: PairVotes, orders: Orders, winner: Floats, decided: NDArray[np.bool_]) -> Ballots:
    """Return the votes, those on decided pairs (K,) naming the winner: 1 for the lower candidate, -1, 0 for a tie."""
    mine = decided[orders.pair]
    vote, pair = votes.vote[mine], orders.pair[mine]
    first = np.where(votes.first[mine] < votes.second[mine], winner[pair], -winner[pair])
    ranks = ballots.ranks.copy()
    ranks[ballots.offsets[vote]] = np.where(first < 0, 2, 1)
    ranks[ballots.offsets[vote] + 1] = np.where(first > 0, 2, 1)
    return replace(ballots, ranks=ranks)
