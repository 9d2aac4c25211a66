"""Elo ratings averaged over all orders of the votes, without simulating any of them.

One vote moves two ratings by K times the points minus their expectation. In a random order the ratings drift along the
gradient of the Bradley–Terry likelihood, each as far as its number of votes takes it: to the maximum after many votes,
less far after few. Following the gradient instead of the votes gives the average over orders, up to terms of the order
of K, at a cost that does not depend on the number of votes.
"""

import math

import numpy as np

from .global_bradley_terry import Slope, points_by_slot
from .tally import Floats, Tally

K = 4.0
SCALE = 400 / math.log(10)
"""Elo points of one logit."""

STEPS, GROWTH = 60, 1.2
"""The drift is integrated in growing steps: the first are short enough for a model with a million votes."""


def elo_limit(tally: Tally, *, like: Tally | None = None, k: float = K) -> Floats:
    """Return ratings (D, n), in logits with sum zero; 400/ln 10 times that are Elo points.

    Every vote is used once, starting from equal ratings. Slots make no difference; a tie is half a win for each,
    conflicting votes pull in opposite directions, a missing pair moves nothing. Models without votes keep the initial
    rating. For models that do not change it is a Bradley-Terry fit shrunk towards equality, more strongly for fewer
    votes and smaller K: it estimates where Elo ratings would be after so many votes, not the strengths.

    Args:
        tally: (D, n, n).
        like: (1, n, n), a tally that the others resemble, as draws of its votes do; its curvature is used for all. It
            may be left out if there is only one tally.
        k: How far a vote against a certain outcome moves a rating, in points.

    Source:
        "Elo Uncovered" (arXiv 2311.17295), for the average over orders; Hairer and Wanner (1996), chapter IV.7, for the
        linearly implicit steps.
    """
    models = tally.first_wins.shape[1]
    wins, losses = points_by_slot(tally)
    likes = points_by_slot(like or tally)
    theta, path = np.zeros((len(wins), models + 1)), np.zeros((1, models + 1))
    length = k / SCALE * (GROWTH - 1) / (GROWTH**STEPS - 1) * GROWTH ** np.arange(STEPS)
    for step in length:
        leader = Slope.of(*likes, path, free=False)
        reach = np.linalg.inv(leader.curvature[0] + np.eye(models + 1) / step)
        theta += Slope.of(wins, losses, theta, free=False).gradient @ reach
        path += leader.gradient @ reach
    ratings: Floats = theta[:, :-1] - theta[:, :-1].mean(1, keepdims=True)
    return ratings
