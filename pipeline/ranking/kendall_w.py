"""Kendall's coefficient of concordance: how far several rankings of the same candidates agree."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import over_blocks
from .chance import Sums, agreement_p_values, chance_of_agreement, full_length
from .tally import Floats
from .tied_chance import HEAVILY_TIED, MOST_ITEMS, MOST_RANKINGS, tied_p_values

BLOCK = 8192
"""Prompts processed together."""


@dataclass(frozen=True)
class Concordance:
    """How far the rankings of each prompt agree; NaN where undefined.

    Attributes:
        w: (P,) Kendall's W: 1 for equal rankings; random ones average 1/m.
        consistency: (P,) (mW-1)/(m-1), the mean Spearman correlation between rankings without ties: 1 for equal
            rankings, 0 on average for random ones, whatever their number m.
        p_value: (P,) the probability that random rankings agree at least as much.
    """

    w: Floats
    consistency: Floats
    p_value: Floats


def kendall_w(rankings: NDArray[Any], present: NDArray[np.bool_] | None = None) -> Concordance:
    """Return W with mid-ranks and tie correction, its chance-corrected form and its p-value.

    Only the order within each ranking counts, so ranks of any convention can be given, and so can scores; int8 is
    fastest. The centred and doubled mid-rank of item i is d_i = Σ_j sign(x_i - x_j). With that, W is Σ_i (Σ_k d_ki)² /
    (m Σ_k Σ_i d_ki²), the usual 12S/(m²(n³-n) - mΣT) with the ties' T in its denominator. It is undefined if there are
    fewer than two rankings or fewer than two candidates, or if every ranking is all-tied.

    Args:
        rankings: (P, m, n).
        present: (P, m), which of them to count; all if left out.

    Source:
        Kendall and Babington Smith (1939), Annals of Mathematical Statistics 10, 275–287.
    """
    prompts, _, items = rankings.shape
    sums = Sums(*(np.zeros(prompts, np.int64) for _ in range(4)))
    given = np.zeros(prompts, np.int64)

    def add_up(block: slice) -> None:
        there = None if present is None else present[block]
        given[block] = rankings.shape[1] if there is None else there.sum(1)
        sums.put(block, _doubled(rankings[block], there))

    over_blocks(prompts, BLOCK, add_up)
    bound = given * sums.total
    w = np.divide(sums.spread, bound, out=np.full(prompts, np.nan), where=(bound > 0) & (given > 1))
    p_value = agreement_p_values(sums, items)
    _enumerate_ties(p_value, rankings, present, sums)
    p_value[np.isnan(p_value) & ~np.isnan(w)] = 1.0
    return Concordance(w, (given * w - 1) / np.maximum(given - 1, 1), np.where(np.isnan(w), np.nan, p_value))


def _doubled(rankings: NDArray[Any], present: NDArray[np.bool_] | None) -> NDArray[np.signedinteger[Any]]:
    """Return (n, m, P): twice the centred mid-ranks; 0 for a ranking that is not present."""
    items = rankings.shape[2]
    columns = np.ascontiguousarray(rankings.transpose(2, 1, 0))
    doubled = np.zeros(columns.shape, np.int8 if items <= np.iinfo(np.int8).max else np.int32)
    for item in range(1, items):
        column, others = columns[item], columns[:item]
        sign = (column > others).view(np.int8) - (column < others).view(np.int8)
        doubled[item] += sign.sum(0, dtype=doubled.dtype)
        doubled[:item] -= sign
    if present is not None:
        doubled *= present.T
    return doubled


def _enumerate_ties(p_value: Floats, rankings: NDArray[Any], present: NDArray[np.bool_] | None, sums: Sums) -> None:
    """Fill in exact p-values of rankings with ties where they are cheap."""
    items = rankings.shape[2]
    if items > MOST_ITEMS:
        return
    untied = sums.counted * full_length(items)
    few = (sums.counted <= MOST_RANKINGS.get(items, 0)) | (sums.total <= HEAVILY_TIED * untied)
    rows = np.flatnonzero((sums.counted > 1) & (sums.total < untied) & few)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        doubled = _doubled(rankings[some], None if present is None else present[some])
        exact = tied_p_values(doubled, sums.spread[some])
        p_value[some] = np.where(np.isnan(exact), p_value[some], exact)


def pass_rate_of_random_judge(rankings: int, items: int, least_w: float) -> float:
    """Return the probability that m random rankings, without ties, reach a threshold of W.

    A threshold c on the chance-corrected form is a threshold (c(m-1)+1)/m on W.

    >>> round(pass_rate_of_random_judge(2, 2, 0.7), 3)
    0.5
    """
    return chance_of_agreement(rankings, items, least_w)
