"""Detecting votes of one judge on one pair of models that contradict all other votes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .prompt_groups import Comparisons
from .robust import Cells, robust_bradley_terry
from .tally import Floats

FALSE_ALARMS = 0.05
"""The probability that a leaderboard without corrupted votes has some flagged."""


@dataclass(frozen=True)
class Suspects:
    """K cells, each the votes of one judge on one pair, that contradict the others.

    Attributes:
        models: How many models there are.
        judge: (K,).
        winner: (K,) the model that won more often than the other votes predict.
        loser: (K,) the other one.
        comparisons: (K,).
        seen: (K,) the observed share of points of the winner.
        expected: (K,) the expected share.
        p_value: (K,).
        suspicion: (K,) the estimated share of the votes for the winner that is corrupted.
    """

    models: int
    judge: Codes
    winner: Codes
    loser: Codes
    comparisons: Floats
    seen: Floats
    expected: Floats
    p_value: Floats
    suspicion: Floats

    def cleared(self, judge: Codes, first: Codes, second: Codes) -> NDArray[np.bool_]:
        """Return which comparisons (M,) are in none of the cells."""
        cells = _key(self.judge, self.winner, self.loser, self.models)
        cleared: NDArray[np.bool_] = ~np.isin(_key(judge, first, second, self.models), cells)
        return cleared


def suspects(comparisons: Comparisons) -> Suspects:
    """Flag the cells that contradict the rest, the most suspicious first.

    The false flag rate is divided by the number of cells (Bonferroni), so that a leaderboard of honest votes has any
    flag with a probability of at most `FALSE_ALARMS`.
    """
    n, cell = comparisons.models, comparisons.cell
    better, worse = cell // n % n, cell % n
    weight = np.ones(len(cell)) if comparisons.weight is None else comparisons.weight
    count = np.ones(len(cell)) if comparisons.count is None else comparisons.count
    judge = np.broadcast_to(np.int32(0), len(cell)) if comparisons.judge is None else comparisons.judge
    keys, codes = np.unique(_key(judge, better, worse, n), return_inverse=True)
    low, high = keys // n % n, keys % n
    points = np.where(cell >= 2 * n * n, 0.5, better < worse)
    won, votes, made = (_summed(codes, part) for part in (weight * points, weight, count))
    cells = Cells(n, low, high, won, votes)
    fit = robust_bradley_terry(cells, false_flag_rate=FALSE_ALARMS / max(len(keys), 1))
    found = np.flatnonzero(fit.flagged)
    found = found[np.lexsort((keys[found], fit.p_values[found]))]
    seen, expected = cells.points[found] / votes[found], fit.expected[found]
    ahead = seen > expected
    return Suspects(
        n,
        keys[found] // (n * n),
        np.where(ahead, low[found], high[found]),
        np.where(ahead, high[found], low[found]),
        made[found],
        np.where(ahead, seen, 1 - seen),
        np.where(ahead, expected, 1 - expected),
        fit.p_values[found],
        fit.suspicion[found],
    )


def _summed(codes: Codes, values: Floats) -> Floats:
    sums: Floats = np.bincount(codes, values).astype(np.float64, copy=False)
    return sums


def _key(judge: Codes, one: Codes, other: Codes, models: int) -> Codes:
    keys: Codes = (judge * np.int64(models) + np.minimum(one, other)) * models + np.maximum(one, other)
    return keys
