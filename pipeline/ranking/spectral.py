"""PageRank, rank centrality and Luce spectral ranking: how long a walk from losers to winners stays with each item."""

from dataclasses import dataclass

import numpy as np

from .tally import Floats, Tally


@dataclass(frozen=True)
class PageRank:
    """The result of the walk.

    Attributes:
        scores: (P, n), the share of time, positive and summing to 1 in each prompt.
        damping: The probability of following a loss rather than jumping anywhere.
    """

    scores: Floats
    damping: float


@dataclass(frozen=True)
class LogShares:
    """The result of a walk whose shares of time estimate strengths.

    Attributes:
        scores: (P, n), the log of the share of time, in logits, summing to zero in each prompt.
        pseudo_wins: The wins that were added to either side of every compared pair.
        restart: How often the walk jumped anywhere instead of moving on.
    """

    scores: Floats
    pseudo_wins: float
    restart: float


def pagerank(tally: Tally, *, damping: float = 0.85) -> PageRank:
    """Return the stationary distribution of a walk from each item to those that beat it, in proportion to its losses.

    With probability 1 - damping the walk jumps anywhere, and from an item that never lost it always does, so the scores
    are positive and exist for every input; items that never met differ only through the other items that they met. A
    tie is half a loss for each, conflicting votes count on both sides, missing pairs are not edges. All-tied items that
    were compared equally, and those of an empty prompt, have 1 / n. Found by one linear solve, not by iteration.

    Source: Page et al. (1999); in its use for comparisons, evalica (Ustalov 2025).

    Raises:
        ValueError: if `damping` is below 0 or not below 1.
    """
    if not 0 <= damping < 1:
        raise ValueError(f"damping must be at least 0 and below 1, not {damping}")
    losses = tally.points.transpose(0, 2, 1)
    prompts, n, _ = losses.shape
    total = losses.sum(axis=2, keepdims=True)
    steps = np.where(total > 0, losses / np.where(total > 0, total, 1.0), 1 / max(n, 1))
    return PageRank(_stationary(damping * steps, np.full(prompts, 1 - damping)), damping)


def rank_centrality(tally: Tally, *, pseudo_wins: float = 0.5, restart: float = 1e-6) -> LogShares:
    """Return the log of the stationary distribution of a walk that moves from i to j as often as j beats i.

    A step picks one of the items, each with probability 1 / d, where d is the largest number of opponents any item has,
    and moves there by the share of the pair's points that it won, or stays. Every pair counts the same, however many
    votes it has. Under Bradley and Terry's model the scores estimate theta, without a fit.

    Two regularisations keep them finite. `pseudo_wins` are added to either side of every pair that was compared, so
    that one unanimous pair does not trap the walk; 0 is the plain method. With probability `restart` the walk jumps
    anywhere: groups that never met each get time in proportion to their number of items, an item without votes has the
    mean share, and an item that is never left (possible with 0 pseudo-wins) is ahead by about -ln(restart). A tie is
    half a win for each, conflicting votes count on both sides. All-tied items, and those of an empty prompt, have 0.

    Source: Negahban, Oh and Shah (2017), Operations Research 65.

    Raises:
        ValueError: if `restart` is not above 0 and at most 1, or `pseudo_wins` is negative.
    """
    lost = _lost(tally, pseudo_wins, restart)
    votes = lost + lost.transpose(0, 2, 1)
    met = votes > 0
    degree = met.sum(axis=2).max(axis=1, initial=1)
    steps = lost / np.where(met, votes, 1.0) / degree[:, None, None]
    shares = _stationary((1 - restart) * steps, np.full(len(steps), restart))
    return LogShares(_centred_logs(shares), pseudo_wins, restart)


def luce_spectral(tally: Tally, *, pseudo_wins: float = 0.5, restart: float = 1e-6) -> LogShares:
    """Return the log of the stationary distribution of a continuous-time walk from losers to winners.

    From i it moves to j at a rate of one for each vote that j won against i, so every vote counts the same, unlike in
    `rank_centrality`, where every pair does; if all pairs have equally many votes, the two methods agree. Under Bradley
    and Terry's model the scores estimate theta, without a fit: with rates divided by the sum of the strengths of i and
    j, and the strengths updated from the walk repeatedly, this converges to the maximum-likelihood estimate (which
    `bradley_terry` finds faster), and the scores are the first iteration of that.

    `pseudo_wins` are added to either side of every pair that was compared, for the same reason as there. The walk jumps
    anywhere at a rate of `restart` times the rate at which it leaves the item where it stays longest, so that groups
    that never met each get time in proportion to their number of items, and an item without votes has the mean share. A
    tie is half a vote each way, conflicting votes count both ways, a missing pair is no move. All-tied items that were
    compared equally, and those of an empty prompt, have 0.

    Source: Maystre and Grossglauser (2015), NIPS 28.

    Raises:
        ValueError: if `restart` is not above 0 and at most 1, or `pseudo_wins` is negative.
    """
    lost = _lost(tally, pseudo_wins, restart)
    leaving = lost.sum(axis=2)
    slowest = np.where(leaving > 0, leaving, np.inf).min(axis=1, initial=np.inf)
    jump = np.where(slowest < np.inf, restart * slowest, 1.0)
    return LogShares(_centred_logs(_stationary(lost, jump)), pseudo_wins, restart)


def _lost(tally: Tally, pseudo_wins: float, restart: float) -> Floats:
    """Return (P, n, n), the votes that i lost to j, and the pseudo-wins of j where the two met."""
    if not 0 < restart <= 1:
        raise ValueError(f"restart must be above 0 and at most 1, not {restart}")
    if pseudo_wins < 0:
        raise ValueError(f"pseudo_wins must not be negative, not {pseudo_wins}")
    points = tally.points
    met = points + points.transpose(0, 2, 1) > 0
    return np.where(met, points.transpose(0, 2, 1) + pseudo_wins, 0.0)


def _stationary(rates: Floats, jump: Floats) -> Floats:
    """Return the stationary distribution (P, n) of a walk with rates (P, n, n) that jumps anywhere at a rate (P,)."""
    prompts, n, _ = rates.shape
    system = -rates.transpose(0, 2, 1)
    diagonal = np.arange(n)
    system[:, diagonal, diagonal] += rates.sum(axis=2) + jump[:, None]
    arriving = np.broadcast_to(jump[:, None, None] / max(n, 1), (prompts, n, 1))
    law = np.linalg.solve(system, arriving)[:, :, 0]
    shares: Floats = law / law.sum(axis=1, keepdims=True)
    return shares


def _centred_logs(shares: Floats) -> Floats:
    logs = np.log(shares)
    centred: Floats = logs - logs.mean(axis=1, keepdims=True) if shares.shape[1] else logs
    return centred
