"""PageRank and rank centrality: scores as the time that a walk from losers to winners spends with each item."""

from dataclasses import dataclass

import numpy as np

from .tally import Floats, Tally


@dataclass(frozen=True)
class PageRank:
    """What the walk found.

    Attributes:
        scores: (P, n), the share of time, positive where damping is below 1; each prompt's sum is 1.
        damping: The chance of following a loss rather than jumping anywhere.
    """

    scores: Floats
    damping: float


@dataclass(frozen=True)
class RankCentrality:
    """What the walk found.

    Attributes:
        scores: (P, n), the log of the share of time, in logits; each prompt's sum is zero.
        pseudo_wins: The wins that were added to either side of every compared pair.
        restart: The chance of jumping anywhere in a step.
    """

    scores: Floats
    pseudo_wins: float
    restart: float


def pagerank(tally: Tally, *, damping: float = 0.85) -> PageRank:
    """Return the stationary law of a walk from an item to one that beat it, in proportion to the losses.

    With chance 1 - damping the walk jumps anywhere, and from an item that never lost it always does, so the scores are
    positive and exist for every input; items that never met are told apart by what is around them alone. A tie is half
    a loss for each, conflicting votes count on both sides, missing pairs are no edges. All-tied items that were
    compared equally, and those of an empty prompt, have 1 / n. Found by one linear solve, not by iteration.

    Source: Page et al. (1999); in its use for comparisons, evalica (Ustalov 2025).

    Raises:
        ValueError: if `damping` is below 0 or not below 1.
    """
    if not 0 <= damping < 1:
        raise ValueError(f"damping must be at least 0 and below 1, not {damping}")
    losses = tally.points.transpose(0, 2, 1)
    n = losses.shape[1]
    total = losses.sum(axis=2, keepdims=True)
    steps = np.where(total > 0, losses / np.where(total > 0, total, 1.0), 1 / max(n, 1))
    return PageRank(_stationary(steps, 1 - damping), damping)


def rank_centrality(tally: Tally, *, pseudo_wins: float = 0.5, restart: float = 1e-6) -> RankCentrality:
    """Return the log of the stationary law of a walk that moves from i to j with the chance that j beats i.

    A step picks one of the items, each with chance 1 / d where d is the largest number of opponents any item has, and
    moves there by the share of the pair's points that it won, or stays. Under Bradley-Terry with equally many votes for
    each pair the scores estimate theta, without a fit.

    Two regularisations keep them finite. `pseudo_wins` are added to either side of every pair that was compared, so
    that one unanimous pair does not hold the walk for ever; 0 is the plain method. With chance `restart` the walk jumps
    anywhere: parts that never met each get time in proportion to their number of items, an item without votes stands at
    the mean of the shares, and an item that is never left (possible with 0 pseudo-wins) is ahead by about -ln(restart).
    A tie is half a win for each, conflicting votes count on both sides. All-tied items, and those of an empty prompt,
    have 0.

    Source: Negahban, Oh and Shah (2017), Operations Research 65.

    Raises:
        ValueError: if `restart` is not above 0 and at most 1, or `pseudo_wins` is negative.
    """
    if not 0 < restart <= 1:
        raise ValueError(f"restart must be above 0 and at most 1, not {restart}")
    if pseudo_wins < 0:
        raise ValueError(f"pseudo_wins must not be negative, not {pseudo_wins}")
    points = tally.points
    n = points.shape[1]
    votes = points + points.transpose(0, 2, 1)
    met = votes > 0
    lost = np.where(met, (points.transpose(0, 2, 1) + pseudo_wins) / np.where(met, votes + 2 * pseudo_wins, 1.0), 0.0)
    degree = met.sum(axis=2).max(axis=1, initial=1)
    steps = lost / degree[:, None, None]
    diagonal = np.arange(n)
    steps[:, diagonal, diagonal] = 1 - steps.sum(axis=2)
    logs = np.log(_stationary(steps, restart))
    return RankCentrality(logs - logs.mean(axis=1, keepdims=True) if n else logs, pseudo_wins, restart)


def _stationary(steps: Floats, restart: float) -> Floats:
    """Return the stationary law (P, n) of steps (P, n, n), rows summing to 1, mixed with a jump anywhere."""
    prompts, n, _ = steps.shape
    system = np.eye(n) - (1 - restart) * steps.transpose(0, 2, 1)
    law = np.linalg.solve(system, np.full((prompts, n, 1), restart / max(n, 1)))[:, :, 0]
    shares: Floats = law / law.sum(axis=1, keepdims=True)
    return shares
