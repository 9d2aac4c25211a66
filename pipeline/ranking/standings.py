"""Confidence intervals from an estimate and its draws, and which models differ significantly."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .places import ROUNDING
from .special import beta_cdf
from .tally import Floats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Standings:
    """Uncertainty of scores; with fewer than two draws or two groups of prompts, NaN, and all ranks are possible.

    Attributes:
        standard_errors: (n,).
        low: (n,) the lower end of the 95 % interval.
        high: (n,) the upper end.
        over_next: (n,) the p-value of the difference between this model and the next best, Holm-adjusted over all
            neighbours; NaN for the last.
        best: (n,) the best rank that a model may have: one more than the number of models that are significantly
            better.
        worst: (n,) the worst.
    """

    standard_errors: Floats
    low: Floats
    high: Floats
    over_next: Floats
    best: NDArray[np.int64]
    worst: NDArray[np.int64]


def standings(scores: Floats, drawn: Floats, *, groups: int, resolution: float = 0.0) -> Standings:
    """Return errors, intervals and comparisons of scores (n,) from draws of them (D, n).

    The draws on each side of the estimate give the standard error on that side, so that the interval of a model that
    nearly always won reaches further up than down; with 100 draws, the ends vary less than half as much as quantiles
    would. Errors are multiplied by the quantile of Student's t distribution whose degrees of freedom allow for the
    number of groups of prompts and of draws. Two models are compared by their difference in each draw. The rank
    intervals follow from Holm-adjusted tests of all pairs, so that they hold simultaneously with a confidence of 95 %.

    Args:
        scores: (n,).
        drawn: (D, n).
        groups: How many groups of prompts were drawn.
        resolution: The step of the scores where they move in steps.

    Source:
        Holm (1979), Scandinavian Journal of Statistics 6.
    """
    models = len(scores)
    if len(drawn) < 2 or groups < 2:
        unknown, ranks = np.full(models, np.nan), np.ones(models, np.int64)
        return Standings(unknown, unknown, unknown, unknown, ranks, ranks * models)
    freedom = _freedom(len(drawn), groups)
    low, high = interval(scores, drawn, groups=groups, resolution=resolution)
    p_values = t_tail(_ratios(scores, drawn, resolution), freedom)
    order = np.argsort(-scores, kind="stable")
    over_next = np.full(models, np.nan)
    over_next[order[:-1]] = holm(p_values[order[:-1], order[1:]])
    upper = np.triu_indices(models, 1)
    adjusted = np.ones((models, models))
    adjusted[upper] = holm(p_values[upper])
    differ = np.minimum(adjusted, adjusted.T) < 1 - CONFIDENCE
    better = differ & (scores[:, None] > scores)
    return Standings(
        np.maximum(drawn.std(0, ddof=1), resolution / 2),
        low,
        high,
        over_next,
        1 + better.sum(0),
        models - better.sum(1),
    )


def interval(scores: Floats, drawn: Floats, *, groups: int, resolution: float = 0.0) -> tuple[Floats, Floats]:
    """Return the ends of 95 % intervals, as in `standings`."""
    if len(drawn) < 2 or groups < 2:
        return np.full(scores.shape, np.nan), np.full(scores.shape, np.nan)
    below, above = _errors(drawn - scores, resolution)
    reach = t_quantile(CONFIDENCE, _freedom(len(drawn), groups))
    return scores - reach * below, scores + reach * above


def _freedom(draws: int, groups: int) -> float:
    return 1 / (1 / (groups - 1) + 2 / draws)


def _ratios(scores: Floats, drawn: Floats, resolution: float) -> Floats:
    """Return (n, n), symmetric: the difference of two models by its error towards zero."""
    ratios = np.zeros((len(scores), len(scores)))
    for model in range(len(scores) - 1):
        lead = scores[model] - scores[model + 1 :]
        below, above = _errors(drawn[:, model, None] - drawn[:, model + 1 :] - lead, resolution)
        error = np.where(lead > 0, below, above)
        certain = (error == 0) & (np.abs(lead) > ROUNDING)
        ratio = np.where(certain, np.inf, np.abs(lead) / np.where(error > 0, error, 1.0))
        ratios[model, model + 1 :] = ratios[model + 1 :, model] = ratio
    return ratios


def _errors(moved: Floats, resolution: float) -> tuple[Floats, Floats]:
    """Return the root mean square of the moves (D, n) downwards and upwards, half a step at least."""
    sides = []
    for side in (moved <= 0, moved >= 0):
        square = np.where(side, moved**2, 0.0).sum(0) / np.maximum(side.sum(0), 1)
        sides.append(np.sqrt(np.maximum(square, (resolution / 2) ** 2)))
    return sides[0], sides[1]


def holm(p_values: Floats) -> Floats:
    """Return p-values adjusted so that the chance of any false claim among them is bounded."""
    order = np.argsort(p_values, kind="stable")
    raised = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def t_tail(ratios: Floats, freedom: float) -> Floats:
    """Return the two-sided p-values of Student's t."""
    shares = freedom / (freedom + ratios**2)
    return beta_cdf(shares, np.full(shares.shape, freedom / 2), np.full(shares.shape, 0.5))


@lru_cache(maxsize=64)
def t_quantile(confidence: float, freedom: float) -> float:
    """Return how many standard errors to each side cover a share of Student's distribution."""
    low, high = 1e-3, 1e9
    while high / low > 1 + 1e-12:
        middle = (low * high) ** 0.5
        if t_tail(np.array([middle]), freedom)[0] > 1 - confidence:
            low = middle
        else:
            high = middle
    return high
