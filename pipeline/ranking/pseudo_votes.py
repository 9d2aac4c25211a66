"""Half a win and half a loss for every model: they keep one that won everything finite, and its interval realistic."""

import numpy as np

from .tally import Floats, Tally

HALF = 0.5
"""The size of a pseudo-win and a pseudo-loss: Jeffreys' prior of a share, whose logit is then nearly unbiased."""


def with_pseudo_votes(tally: Tally, wins: Floats | float = HALF, losses: Floats | float = HALF) -> Tally:
    """Return the tally with pseudo-votes added, spread over a model's opponents as its votes are.

    Half of them count for each slot. With them, the Bradley–Terry likelihood has a maximum whenever comparisons connect
    all models.

    Args:
        tally: (D, n, n).
        wins: (D, n) pseudo-wins of each model.
        losses: (D, n) pseudo-losses.

    Source:
        Firth (1993), Biometrika 80, for what it does to the bias.
    """
    spread = shares_of_opponents(tally)
    won = np.broadcast_to(wins, spread.shape[:2])[:, :, None] * spread
    lost = np.broadcast_to(losses, spread.shape[:2])[:, :, None] * spread
    added = (won + lost.transpose(0, 2, 1)) / 2
    return Tally(tally.first_wins + added, tally.second_wins + added, tally.first_ties)


def shares_of_opponents(tally: Tally) -> Floats:
    """Return (D, n, n): the share of the votes on i that are against j; 0 if there are none."""
    points = tally.points
    votes = points + points.transpose(0, 2, 1)
    total = votes.sum(2, keepdims=True)
    shares: Floats = np.divide(votes, total, out=np.zeros_like(votes), where=total > 0)
    return shares
