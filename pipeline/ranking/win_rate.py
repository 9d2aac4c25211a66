"""The win rate: the share of its comparisons that an item won."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from .tally import Floats, Tally

Over = Literal["comparisons", "opponents"]


@dataclass(frozen=True)
class WinRate:
    """Shares of comparisons won, and their standard errors.

    Attributes:
        scores: (P, n) between 0 and 1; 0.5 for an item that was never compared.
        standard_errors: (P, n); infinite for an item that was never compared, and never zero.
        comparisons: (P, n), the weight of all votes on the item.
        over: Whether each comparison or each opponent weighs the same.
    """

    scores: Floats
    standard_errors: Floats
    comparisons: Floats
    over: Over


def win_rate(tally: Tally, *, over: Over = "comparisons") -> WinRate:
    """Return the share of wins, a tie being half a win.

    Over "comparisons" it is points divided by votes, the probability of winning against an opponent drawn as they were
    drawn, and the standard error is that of a mean of independent votes. Over "opponents" it is the mean of the rates
    against each opponent that was met, so that a frequent opponent does not count more; the opponents are then treated
    as fixed, and the standard error includes only the noise of the votes. In both, the variance of a vote is estimated
    with one win and one loss added, so that an item that won or lost everything has a realistic standard error; with
    ten votes on an item that wins nine times out of ten, a 95 % interval may still contain the true value in only 85 %
    of cases, with thirty in 91 %. Conflicting votes count like any others. Missing pairs are left out, which makes
    rates hard to compare if items met opponents of different strength: prefer a model then.

    The correction is that of Agresti and Coull (1998), The American Statistician 52, on the variance only.

    Raises:
        ValueError: if `over` is neither of the two.
    """
    if over not in get_args(Over):
        raise ValueError(f"over must be one of {', '.join(get_args(Over))}, not {over!r}")
    points, squares = tally.points, tally.wins + tally.ties / 4
    votes = points + points.transpose(0, 2, 1)
    comparisons = votes.sum(axis=2)
    if over == "comparisons":
        met = comparisons > 0
        scores, errors = _mean(points.sum(axis=2), squares.sum(axis=2), comparisons)
    else:
        opponents = (votes > 0).sum(axis=2)
        met = opponents > 0
        rates, rate_errors = _mean(points, squares, votes)
        shared = np.maximum(opponents, 1)
        scores = np.where(votes > 0, rates, 0.0).sum(axis=2) / shared
        errors = np.sqrt(np.where(votes > 0, rate_errors**2, 0.0).sum(axis=2)) / shared
    return WinRate(np.where(met, scores, 0.5), np.where(met, errors, math.inf), comparisons, over)


def _mean(points: Floats, squares: Floats, votes: Floats) -> tuple[Floats, Floats]:
    """Return the mean of votes of 0, 1/2 and 1 and its standard error; 0 and that of one vote where there are none."""
    count = np.where(votes > 0, votes, 1.0)
    guess = (points + 1) / (votes + 2)
    variance = (squares + 1) / (votes + 2) - guess**2
    return points / count, np.sqrt(variance / count)
