"""Several rankings of the same items combined into one: reciprocal-rank and Borda fusion."""

from dataclasses import dataclass

import numpy as np

from .tally import Floats


@dataclass(frozen=True)
class Fusion:
    """The fused scores.

    Attributes:
        scores: (P, n), higher is better; the unit depends on the rule.
        ballots: (P, n), the total weight of the rankings that contain each item.
    """

    scores: Floats
    ballots: Floats


def reciprocal_rank_fusion(ranks: Floats, *, weights: Floats | None = None, k: float = 60.0) -> Fusion:
    """Score each item by the sum of 1 / (k + rank) over m rankings.

    `ranks` (P, m, n) are 1 for the best, equal if tied, nan for an item that was not ranked; only their order counts.
    `weights` (P, m) count a ranking several times, or not at all. Tied items share the mean of their places. A ranking
    that lacks an item gives it nothing, as if it came at the very end: this rule is for lists of the best. Items in no
    ranking have 0, and contradictory rankings are summed.

    Source: Cormack, Clarke and Buettcher (2009), SIGIR.

    Raises:
        ValueError: if `k` is negative.
    """
    if k < 0:
        raise ValueError(f"k must not be negative, not {k}")
    places, weights = _places(ranks), _weights(ranks, weights)
    ranked = ~np.isnan(places)
    gains = np.where(ranked, 1 / (k + np.where(ranked, places, 1.0)), 0.0)
    return Fusion((weights[:, :, None] * gains).sum(axis=1), (weights[:, :, None] * ranked).sum(axis=1))


def borda_fusion(ranks: Floats, *, weights: Floats | None = None) -> Fusion:
    """Score each item by the share of the other ranked items that it is ranked above, averaged over m rankings.

    `ranks` and `weights` are as for `reciprocal_rank_fusion`. Two tied items each count as half above the other. A
    ranking that lacks an item says nothing about it, and a ranking of one item gives 1/2; an item in no ranking also
    has 1/2. So scores are between 0 and 1, and do not depend on how many items a ranking has. Contradictory rankings
    are averaged.

    Source: Borda (1781), with shares for incomplete rankings as in Dwork et al. (2001), WWW 10.
    """
    places, weights = _places(ranks), _weights(ranks, weights)
    ranked = ~np.isnan(places)
    others = ranked.sum(axis=2, keepdims=True) - 1
    above = np.where(ranked, others + 1 - np.where(ranked, places, 0.0), 0.0)
    shares = np.where(others > 0, above / np.maximum(others, 1), 0.5)
    ballots = (weights[:, :, None] * ranked).sum(axis=1)
    total = (weights[:, :, None] * np.where(ranked, shares, 0.0)).sum(axis=1)
    return Fusion(np.where(ballots > 0, total / np.where(ballots > 0, ballots, 1.0), 0.5), ballots)


def _places(ranks: Floats) -> Floats:
    """Return the mid-ranks (P, m, n), nan if not ranked."""
    better = np.zeros_like(ranks)
    for item in range(ranks.shape[2]):
        other = ranks[:, :, item, None]
        better += (other < ranks) + (other == ranks) / 2
    return np.where(np.isnan(ranks), np.nan, better + 0.5)


def _weights(ranks: Floats, weights: Floats | None) -> Floats:
    return np.ones(ranks.shape[:2]) if weights is None else weights
