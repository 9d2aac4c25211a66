"""From scores to places and ranks, with ties."""

import numpy as np

from .codes import Codes
from .tally import Floats

ROUNDING = 1e-9
"""Scores that differ by no more are equal: sums of the same votes in another order differ by 1e-15."""


def places(scores: Floats) -> tuple[Codes, Codes]:
    """Return the item in each place, best first, and the rank of each place, both (P, n).

    Ranks are competition ranks, such as 1, 2, 2, 4. Equal scores are in order of their codes. A score of NaN comes
    last.

    Args:
        scores: (P, n), higher is better.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    sorted_scores = np.take_along_axis(scores, order, axis=1)
    with np.errstate(invalid="ignore"):
        lower = ~(sorted_scores[:, :-1] - sorted_scores[:, 1:] <= ROUNDING)
    level = np.concatenate([np.zeros((len(scores), 1), np.int64), np.cumsum(lower, axis=1)], axis=1)
    rearranged = np.argsort(level * scores.shape[1] + order, axis=1)
    begins = np.concatenate([np.ones((len(scores), 1), bool), lower], axis=1)
    ranks = np.maximum.accumulate(np.where(begins, np.arange(1, scores.shape[1] + 1), 1), axis=1)
    return np.take_along_axis(order, rearranged, axis=1), ranks
