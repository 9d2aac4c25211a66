"""Kendall's coefficient of concordance: how far several rankings of the same candidates agree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chance import agreement_p_values, chance_of_agreement
from .tally import Floats


@dataclass(frozen=True)
class Concordance:
    """How far the rankings of each prompt agree; NaN where that is not defined.

    Attributes:
        w: (P,) Kendall's W: 1 for equal rankings; random ones average 1/m.
        consistency: (P,) (mW-1)/(m-1), the mean Spearman correlation between rankings without ties: 1 for equal
            rankings, 0 on average for random ones, whatever their number m.
        p_value: (P,) the chance that random rankings agree as much.
    """

    w: Floats
    consistency: Floats
    p_value: Floats


def kendall_w(rankings: NDArray[Any], present: NDArray[np.bool_] | None = None) -> Concordance:
    """Return W with mid-ranks and correction for ties, its chance-corrected form and its p-value.

    Only the order within each ranking counts, so ranks of any convention serve, and so do scores; int8 is fastest.
    The mid-rank of item i, less its mean and doubled, is d_i = Σ_j sign(x_i - x_j). With that, W is
    Σ_i (Σ_k d_ki)² / (m Σ_k Σ_i d_ki²), the usual 12S/(m²(n³-n) - mΣT) with the ties' T in its denominator.
    It is undefined where fewer than two rankings are present, where there are fewer than two candidates, and where
    every ranking is one tie.

    Args:
        rankings: (P, m, n).
        present: (P, m), which of them to count; all where it is left out.

    Source:
        Kendall and Babington Smith (1939), Annals of Mathematical Statistics 10, 275–287.
    """
    prompts, most, items = rankings.shape
    columns = np.ascontiguousarray(rankings.transpose(2, 1, 0))
    small = np.int8 if items <= np.iinfo(np.int8).max else np.int32
    doubled = np.zeros((items, most, prompts), small)
    for i in range(items):
        for j in range(i):
            sign = (columns[i] > columns[j]).view(np.int8) - (columns[i] < columns[j]).view(np.int8)
            doubled[i] += sign
            doubled[j] -= sign
    if present is None:
        counted = np.full(prompts, most)
    else:
        doubled *= present.T
        counted = present.sum(1)
    spread, norms = np.zeros(prompts), np.zeros((most, prompts))
    for column in doubled:
        spread += column.sum(0, dtype=np.int64).astype(np.float64) ** 2 / 4
        norms += np.square(column, dtype=np.float64) / 4
    bound = counted * norms.sum(0)
    w = np.divide(spread, bound, out=np.full(prompts, np.nan), where=(bound > 0) & (counted > 1))
    consistency = (counted * w - 1) / np.maximum(counted - 1, 1)
    p_value = agreement_p_values(spread, norms.T, items)
    return Concordance(w, consistency, np.where(np.isnan(w), np.nan, np.where(np.isnan(p_value), 1.0, p_value)))


def pass_rate_of_random_judge(rankings: int, items: int, least_w: float) -> float:
    """Return how often m rankings drawn at random, without ties, reach a threshold of W.

    A threshold on the chance-corrected form c is one of (c(m-1)+1)/m on W.

    >>> round(pass_rate_of_random_judge(2, 2, 0.7), 3)
    0.5
    """
    return chance_of_agreement(rankings, items, least_w)
