"""How similar two rankings of the same items are: tau-b, Spearman's rho, Kendall's distance and the footrule.

All functions take two arrays (P, n) of ranks, or of scores, as long as both have the same direction; equal values are
ties, and an item that is nan in either array is left out. They return one number for each of P pairs of rankings, or
nan if it is undefined, because fewer than two items are left or, for the correlations, because either ranking ties them
all.
"""

import numpy as np
from numpy.typing import NDArray

from .tally import Floats


def kendall_tau(x: Floats, y: Floats) -> Floats:
    """Return Kendall's tau-b (P,), -1 to 1: pairs in the same order less pairs in opposite order, corrected for ties.

    It divides by the geometric mean of the numbers of pairs that each ranking does not tie.

    Source: Kendall (1945), Biometrika 33.
    """
    ahead, other = _signs(x, y)
    agreement = (ahead * other).sum(axis=(1, 2))
    scale = np.sqrt((ahead**2).sum(axis=(1, 2)) * (other**2).sum(axis=(1, 2)))
    return _ratio(agreement, scale)


def kendall_distance(x: Floats, y: Floats) -> Floats:
    """Return the number (P,) of pairs in opposite order, plus half of those that only one ranking ties.

    Source: Fagin et al. (2004), PODS, with penalty 1/2.
    """
    ahead, other = _signs(x, y)
    return np.where(_common(x, y).sum(axis=1) > 1, np.abs(ahead - other).sum(axis=(1, 2)) / 4, np.nan)


def spearman(x: Floats, y: Floats) -> Floats:
    """Return Spearman's rho (P,), -1 to 1: the correlation of the mid-ranks.

    Source: Spearman (1904), with mid-ranks for ties as in Kendall (1945).
    """
    ahead, other = _signs(x, y)
    mine, theirs = ahead.sum(axis=2), other.sum(axis=2)  # twice the mid-ranks, centred
    return _ratio((mine * theirs).sum(axis=1), np.sqrt((mine**2).sum(axis=1) * (theirs**2).sum(axis=1)))


def footrule(x: Floats, y: Floats) -> Floats:
    """Return Spearman's footrule (P,), the sum of how many places each item moves; ties are at their mid-rank.

    Its largest value is half the square of the number of items, rounded down; it lies between once and twice
    `kendall_distance`.

    Source: Diaconis and Graham (1977), JRSS B 39; Fagin et al. (2004), PODS, for ties.
    """
    ahead, other = _signs(x, y)
    moved = np.abs(ahead.sum(axis=2) - other.sum(axis=2)).sum(axis=1) / 2
    return np.where(_common(x, y).sum(axis=1) > 1, moved, np.nan)


def _signs(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return who is ahead of whom in each ranking (P, n, n): -1, 0 or 1, and 0 if an item is left out."""
    common = _common(x, y)
    both = common[:, :, None] & common[:, None, :]
    return _sign(x, both), _sign(y, both)


def _sign(values: Floats, both: NDArray[np.bool_]) -> Floats:
    # Comparing, not subtracting: infinite scores are scores too.
    above = values[:, :, None] > values[:, None, :]
    return (above.astype(float) - above.transpose(0, 2, 1)) * both


def _common(x: Floats, y: Floats) -> NDArray[np.bool_]:
    return ~(np.isnan(x) | np.isnan(y))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
