"""Conflicts: pairs whose two orders name different winners, and how they are resolved before scoring."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .comparisons import Ballots
from .pairwise_consistency import Orders, PairVotes, orders_of, pair_votes
from .tally import Floats

CONFLICTS = ("both", "tie", "drop", "likelihood", "perplexity")

TOLERANCE = 0.05
"""The least lead in probability, averaged over both orders, of a verdict over the next one; below it, the pair is
tied."""


def resolved(ballots: Ballots, prompts: int, items: int, conflicts: str) -> Ballots:
    """Return the votes with conflicts resolved: conflicting votes stand ("both"), become ties, or are dropped.

    A conflict is between the votes of one judge at one repeat on one pair. Two opposite wins and two ties give the same
    points, but a model with ties sees the ties. Dropped votes no longer rank anything.
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
    """Return the votes with conflicts resolved by the most likely verdict of both orders together.

    Each order gives the probability that one candidate is better, that the other is, and that they tie. The verdict
    with the largest mean over the two orders wins, or a tie if its lead is within `TOLERANCE`. Both votes then get that
    verdict. A conflict with a vote without probabilities (NaN) stands.

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
    """Return the votes with each conflict resolved by the order in which the judge's answer has the lower perplexity.

    Both votes then name the winner of that order; equal perplexities are a tie. A conflict with a vote without
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
    """Return (K, 2): the mean of the votes' values (N,) over each order of each pair; 0 if it has no votes."""
    cell = orders.pair * 2 + forward
    size = 2 * len(orders.prompt)
    mean: Floats = np.bincount(cell, values, minlength=size) / np.maximum(np.bincount(cell, minlength=size), 1)
    return mean.reshape(-1, 2)


def _decided(ballots: Ballots, votes: PairVotes, orders: Orders, winner: Floats, decided: NDArray[np.bool_]) -> Ballots:
    """Return the votes; decided pairs (K,) name the winner: 1 the lower candidate, -1 the other, 0 a tie."""
    mine = decided[orders.pair]
    vote, pair = votes.vote[mine], orders.pair[mine]
    first = np.where(votes.first[mine] < votes.second[mine], winner[pair], -winner[pair])
    ranks = ballots.ranks.copy()
    ranks[ballots.offsets[vote]] = np.where(first < 0, 2, 1)
    ranks[ballots.offsets[vote] + 1] = np.where(first > 0, 2, 1)
    return replace(ballots, ranks=ranks)
