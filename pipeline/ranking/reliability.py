"""How reliable one ranking is, and how reliable many are together.

A ranking of n candidates is their true ranking, as this judge sees it, plus noise. Reliability is the share of the
variance of mid-ranks that is not noise: the covariance of two rankings of the same candidates divided by their
variance. For the mean of m rankings it is mρ/(1 + (m-1)ρ), whatever the distribution of the noise, as long as rankings
are made independently and in the same way.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .prompt_bootstrap import prompt_weights
from .standings import interval
from .tally import Floats

MOST_GROUPS = 4096
ROUNDING = 1e-9


@dataclass(frozen=True)
class Reliability:
    """The reliability of a single ranking.

    Attributes:
        value: ρ; 0 for random rankings, 1 for equal ones.
        low: The lower end of its 95 % interval; NaN with fewer than two prompts.
        high: The upper end.
    """

    value: float
    low: float
    high: float


def shared_variance(rankings: NDArray[Any], present: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the covariance of two rankings of a prompt and the variance of one, both (P,).

    Without ties, the variance is 1, and the covariance is the chance-corrected W, the mean correlation of two rankings.
    NaN where fewer than two rankings are present, or fewer than two candidates.

    Args:
        rankings: (P, m, n) twice the mid-ranks.
        present: (P, m) which of them to count.
    """
    items = rankings.shape[2]
    centred = (rankings - (items + 1.0)) * present[:, :, None]
    count = present.sum(1)
    norms = (centred**2).sum((1, 2))
    together = (centred.sum(1) ** 2).sum(1)
    full = (items**3 - items) / 3
    known = (count > 1) & (items > 1)
    pairs = np.where(known, count * (count - 1) * full, np.nan)
    return (together - norms) / pairs, norms / np.where(known, count * full, np.nan)


def reliability_of_one(shared: Floats, total: Floats, *, draws: int, seed: int) -> Reliability:
    """Return the reliability of a single ranking, from the (co)variances of P prompts, by resampling prompts.

    Raises:
        ValueError: No ranking distinguishes any candidates.
    """
    if not total.sum() > 0:
        raise ValueError("all rankings are ties")
    value = shared.sum() / total.sum()
    random = np.random.default_rng(seed)
    if len(shared) > MOST_GROUPS:  # groups of prompts are as independent as prompts
        group = random.permutation(len(shared)) % MOST_GROUPS
        shared, total = (np.bincount(group, part).astype(np.float64) for part in (shared, total))
    weights = prompt_weights(len(shared), draws if len(shared) > 1 else 0, random)
    drawn = (weights @ shared) / (weights @ total)
    low, high = interval(np.array([value]), drawn[:, None], groups=len(shared))
    return Reliability(float(value), max(float(low[0]), -1.0), min(float(high[0]), 1.0))


def together(reliability: float, rankings: int) -> float:
    """Return the reliability of m rankings together; 0 if one ranking has none.

    >>> together(0.5, 9)
    0.9

    Source:
        Spearman (1910) and Brown (1910), British Journal of Psychology 3.
    """
    one = max(reliability, 0.0)
    return rankings * one / (1 + (rankings - 1) * one)


def needed(reliability: float, wanted: float) -> int | None:
    """Return how many rankings together reach a wanted reliability; None if no number does.

    >>> needed(0.5, 0.9)
    9
    """
    if not reliability > 0:
        return None
    if reliability >= wanted:
        return 1
    return math.ceil(wanted * (1 - reliability) / (reliability * (1 - wanted)) - ROUNDING)
