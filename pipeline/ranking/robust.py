"""Bradley–Terry over many prompts that finds votes on pairs of models that contradict the rest.

Votes on different pairs of models must be consistent: if A leads B and B leads C, A leads C by the sum, so the matrix
of log-odds has rank two. Corrupted votes of one judge on one pair stand out against this, the more clearly the more
models and judges there are. The four to eight responses of one prompt are too few for such a comparison; pool prompts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bradley_terry import bradley_terry, win_probabilities
from .codes import Codes
from .special import beta_cdf
from .tally import Floats, Tally

PRIOR_SD = 10.0
"""Weak: it only keeps the scores of models that always won finite."""

HUBER = 1.345
FIRST_LOOKS = 20
FREE_ROUNDS, MOST_ROUNDS = 10, 50
LEAST_FREEDOM = 0.05

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Cells:
    """K cells of votes about two of n models each, such as those of one judge on one pair.

    Attributes:
        models: n.
        first: (K,) the one model.
        second: (K,) the other.
        points: (K,) of the first, a tie being half a point.
        votes: (K,) above 0.
    """

    models: int
    first: Codes
    second: Codes
    points: Floats
    votes: Floats


@dataclass(frozen=True)
class RobustFit:
    """Which cells are consistent with each other, and which are not.

    Attributes:
        scores: (n,) in logits, their sum is zero, from the cells that fit.
        expected: (K,) the share of points of the first model that the scores predict.
        p_values: (K,) the probability that honest votes deviate as much.
        flagged: (K,).
        suspicion: (K,) for a flagged cell, the estimated share of the votes for the model with too many points that is
            corrupted; else 0.
        dispersion: The variance of the kept cells as a multiple of that of independent votes; at least 1.
        converged: Whether the last round flagged the same cells again; after ten rounds none is taken back.
    """

    scores: Floats
    expected: Floats
    p_values: Floats
    flagged: Flags
    suspicion: Floats
    dispersion: float
    converged: bool


def robust_bradley_terry(cells: Cells, *, false_flag_rate: float) -> RobustFit:
    """Fit Bradley–Terry scores to cells, flag the cells that contradict the rest, and fit without them.

    A first fit gives cells far from it less weight (Huber). Then, until nothing changes, the scores are fitted to the
    cells that are not flagged, and each cell is tested against them, a flagged one as a new observation, with an exact
    two-sided binomial test that allows for the uncertainty of the scores and for overdispersion of the kept cells.

    An honest cell is flagged with a probability of at most `false_flag_rate`, up to first order in the counts; in
    simulations it is four to nine tenths of that. A flag says that votes contradict the scores, not why: corruption, a
    judge with unusual preferences, and an interaction between two models look the same. Corrupted cells are found as
    long as they are a minority among the votes on each model; if a model has only one opponent and one judge, nothing
    can be found. `suspicion` is one minus the ratio of expected to observed odds.

    Source:
        Huber (1964) and Cook's deletion residuals; the use is that of "CURATRON" (arXiv 2403.02745), by deletion
        instead of its robust principal components, whose theory needs many more models.
    """
    weights = np.ones(len(cells.votes))
    for _ in range(FIRST_LOOKS):
        fit = _Fit.of(cells, weights)
        size = np.abs(fit.residuals)
        scale = max(float(np.median(size)) / 0.6745, 1.0) if len(size) else 1.0
        weights = np.minimum(1.0, HUBER * scale / np.maximum(size, 1e-12))
    kept = size < 3 * scale
    rounds, converged = 0, False
    while not converged and rounds < MOST_ROUNDS:
        rounds += 1
        fit = _Fit.of(cells, kept.astype(float))
        dispersion = _dispersion(fit, kept, cells.models)
        p_values = _p_values(cells, fit, kept, dispersion)
        fits = p_values >= false_flag_rate
        if rounds > FREE_ROUNDS:  # two cells can take turns for ever
            fits &= kept
        converged = bool((fits == kept).all())
        kept = fits
    fit = _Fit.of(cells, kept.astype(float))
    return RobustFit(fit.scores, fit.expected, p_values, ~kept, _suspicion(cells, fit, ~kept), dispersion, converged)


@dataclass(frozen=True)
class _Fit:
    """Scores, the expected shares, standardised residuals, and how far a cell's lead is uncertain."""

    scores: Floats
    expected: Floats
    residuals: Floats
    leverage: Floats

    @classmethod
    def of(cls, cells: Cells, weights: Floats) -> "_Fit":
        models, i, j = cells.models, cells.first, cells.second
        given = np.concatenate([weights * cells.points, weights * (cells.votes - cells.points)])
        points: Floats = np.zeros((1, models, models))
        np.add.at(points[0], (np.r_[i, j], np.r_[j, i]), given)
        none = np.zeros_like(points)
        found = bradley_terry(Tally(points, none, none), prior_sd=PRIOR_SD)
        expected = win_probabilities(found.scores)[0, i, j]
        variance = cells.votes * expected * (1 - expected)
        covariance = found.covariance[0]
        leverage = variance * (covariance[i, i] + covariance[j, j] - 2 * covariance[i, j])
        residuals = (cells.points - cells.votes * expected) / np.sqrt(np.maximum(variance, 1e-12))
        return cls(found.scores[0], expected, residuals, leverage)


def _dispersion(fit: _Fit, kept: Flags, models: int) -> float:
    """Return the variance of the kept residuals where it is more than chance makes it, else 1."""
    freedom = int(kept.sum()) - (models - 1)
    if freedom < 1:
        return 1.0
    ratio = float((fit.residuals[kept] ** 2).sum()) / freedom
    return ratio if ratio > 1 + 2.33 * (2 / freedom) ** 0.5 else 1.0


def _suspicion(cells: Cells, fit: _Fit, flagged: Flags) -> Floats:
    ahead = cells.points > cells.votes * fit.expected
    seen = np.where(ahead, cells.points, cells.votes - cells.points) / cells.votes
    share = np.where(ahead, fit.expected, 1 - fit.expected)
    odds = share * (1 - seen) / np.where(flagged, (1 - share) * seen, 1.0)
    return np.where(flagged, 1 - odds, 0.0)


def _p_values(cells: Cells, fit: _Fit, kept: Flags, dispersion: float) -> Floats:
    """Return the two-sided p-values (K,), counts shrunk by what widens their distribution."""
    widening = dispersion * np.where(kept, np.maximum(1 - fit.leverage, LEAST_FREEDOM), 1 + fit.leverage)
    mean = cells.votes * fit.expected
    seen = np.clip(mean + (cells.points - mean) / widening**0.5, 0, cells.votes)
    return _binomial_p(seen, cells.votes, fit.expected)


def _binomial_p(seen: Floats, total: Floats, share: Floats) -> Floats:
    """Return how likely a binomial count is to be as extreme, twice the smaller tail; counts may be fractions."""
    least, most = seen <= 0, total - seen <= 0
    upper = np.where(least, 1.0, beta_cdf(share, np.where(least, 1.0, seen), np.where(least, 1.0, total - seen + 1)))
    lower = np.where(most, 1.0, 1 - beta_cdf(share, np.where(most, 1.0, seen + 1), np.where(most, 1.0, total - seen)))
    doubled: Floats = np.minimum(1.0, 2 * np.minimum(upper, lower))
    return doubled
