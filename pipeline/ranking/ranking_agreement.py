"""How similar the rankings of a prompt are, over all pairs: Kendall's tau, and agreement on the best and the worst."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tally import Floats

DIGITS = 12


@dataclass(frozen=True)
class RankingAgreement:
    """Means over all pairs of a prompt's rankings, (P,) each; NaN where fewer than two can be compared.

    Attributes:
        mean_tau: Kendall's tau-b. An all-tied ranking has none, and is left out.
        top: The share of pairs with the same best candidate; if several are best, both must name the same ones.
        top_bottom: The share of pairs that agree in this way on the best and on the worst.
    """

    mean_tau: Floats
    top: Floats
    top_bottom: Floats


def ranking_agreement(rankings: NDArray[Any], present: NDArray[np.bool_]) -> RankingAgreement:
    """Compare all pairs of each prompt's rankings.

    Tau-b of two rankings is the cosine of their vectors of signs, one for each pair of candidates. With the vectors
    scaled to length 1, the sum of all cosines follows from the length of their sum, so no two need be compared.

    Args:
        rankings: (P, m, n), lower is better.
        present: (P, m), which of them to count.

    Source:
        Kendall (1945), Biometrika 33, for tau-b; CREAM (arXiv 2410.12735) for the agreement on both ends.
    """
    prompts, most, items = rankings.shape
    if most < 2 or items < 2:
        return RankingAgreement(*(np.full(prompts, np.nan) for _ in range(3)))
    several = np.flatnonzero(present.sum(1) > 1)
    rankings, present = rankings[several], present[several]
    found = _mean_tau(rankings, present), *_ends(rankings, present)
    return RankingAgreement(*(_spread(values, several, prompts) for values in found))


def distinct_winners(rankings: NDArray[Any], present: NDArray[np.bool_]) -> Floats:
    """Return how many candidates came out best in at least one of a prompt's rankings, alone or tied; (P,).

    It is 1 if the same one always wins alone, and at most n; NaN if there is no ranking.

    Args:
        rankings: (P, m, n), lower is better.
        present: (P, m), which of them to count.
    """
    columns = np.ascontiguousarray(rankings.transpose(2, 1, 0))
    best = (columns == columns.min(axis=0)) & present.T
    return np.where(present.any(1), best.any(axis=1).sum(0), np.nan)


def _mean_tau(rankings: NDArray[Any], present: NDArray[np.bool_]) -> Floats:
    columns = np.ascontiguousarray(rankings.transpose(2, 1, 0))
    untied = np.zeros(present.T.shape, np.int64)
    for item in range(1, len(columns)):
        untied += (columns[:item] != columns[item]).sum(0)
    known = present.T & (untied > 0)
    scale = np.where(known, 1 / np.sqrt(np.maximum(untied, 1)), 0.0)
    length = np.zeros(len(rankings))
    for item in range(1, len(columns)):
        column, others = columns[item], columns[:item]
        sign = (column > others).view(np.int8) - (column < others).view(np.int8)
        length += ((sign * scale).sum(1) ** 2).sum(0)
    count = known.sum(0)
    mean = (length - count) / np.maximum(count * (count - 1), 1)
    # The last digits depend on the order of the rankings.
    return np.where(count > 1, np.round(np.clip(mean, -1, 1), DIGITS), np.nan)


def _ends(rankings: NDArray[Any], present: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    best = rankings == rankings.min(axis=2, keepdims=True)
    worst = rankings == rankings.max(axis=2, keepdims=True)
    same_best, same_both, compared = (np.zeros(len(rankings)) for _ in range(3))
    for apart in range(1, rankings.shape[1]):
        both = present[:, apart:] & present[:, :-apart]
        top = both & (best[:, apart:] == best[:, :-apart]).all(2)
        bottom = (worst[:, apart:] == worst[:, :-apart]).all(2)
        compared += both.sum(1)
        same_best += top.sum(1)
        same_both += (top & bottom).sum(1)
    return same_best / compared, same_both / compared


def _spread(values: Floats, rows: NDArray[np.signedinteger[Any]], count: int) -> Floats:
    spread = np.full(count, np.nan)
    spread[rows] = values
    return spread
