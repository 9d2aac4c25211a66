"""Bradley-Terry over many prompts that finds the pairs of models whose votes do not fit, and ranks without them.

Votes about pairs of models that share scores must fit together: if A leads B and B leads C, A leads C by the sum, which
is to say that the matrix of log-odds has rank two. A few corrupted pairs stand out against it, and the more so the more
models there are. With the four to eight responses of one prompt there is too little to hold them against; pool prompts.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from .bradley_terry import bradley_terry, win_probabilities
from .special import beta_cdf
from .tally import Floats, Tally

PRIOR_SD = 10.0
"""Weak: it only keeps models finite that always won."""

HUBER = 1.345
FIRST_LOOKS = 20
FREE_ROUNDS, MOST_ROUNDS = 10, 50
LEAST_FREEDOM = 0.05


@dataclass(frozen=True)
class RobustFit:
    """Scores from the pairs that fit together, and the pairs that do not.

    Attributes:
        scores: (P, n) in logits, each sum is zero, higher is better.
        standard_errors: (P, n), from the votes that were kept, widened by the dispersion and the selection of pairs.
        expected: (P, n, n), the share of points of i against j that the scores predict.
        p_values: (P, n, n), symmetric: how likely an honest pair is to be as far off; 1 where there are no votes.
        flagged: (P, n, n), true where the votes for i over j are more than honest ones would be.
        suspicion: (P, n, n), for flagged votes the estimated share that is corrupted, else 0.
        dispersion: (P,), how many times the variance of independent votes the kept pairs show; at least 1.
        false_flag_rate: The rate that was asked for.
        rounds: How many times pairs were flagged anew.
        converged: Whether the last round flagged the same pairs again; after ten rounds none is taken back.
    """

    scores: Floats
    standard_errors: Floats
    expected: Floats
    p_values: Floats
    flagged: NDArray[np.bool_]
    suspicion: Floats
    dispersion: Floats
    false_flag_rate: float
    rounds: int
    converged: bool


def robust_bradley_terry(tally: Tally, *, false_flag_rate: float = 0.01) -> RobustFit:
    """Fit Bradley-Terry scores to pairs of models, flag the pairs that contradict the rest, and fit without them.

    The tally has one tournament over n models, with the votes of all prompts added up, or several, each by itself. A
    first fit gives pairs far from it less weight (Huber). Then, until nothing changes, the scores are fitted to the
    pairs that are not flagged, and each pair is tested against them, a flagged one as a newcomer: exact binomial,
    two-sided, allowing for the uncertainty of the scores and for extra variance that the kept pairs show.

    An honest pair is flagged with a chance of at most `false_flag_rate`, up to the first order in the counts; in
    simulations it is four to nine tenths of it. Divide the rate by the number of pairs to bound a whole fit. A flag
    says that votes contradict the scores, not why: corruption, or models that are each other's foil, look the same.
    Corrupted pairs are found as long as they are a minority among the pairs of each model; where a model has only one
    opponent nothing can be found. `suspicion` is one less the ratio of expected and seen odds, the share of the votes
    for i that would have to be made up.

    A tie is half a win for each, which makes pairs with many ties a little less likely to be flagged; conflicting votes
    count on both sides, missing pairs not at all. Models without votes have score 0 and an error of about 10.

    Source: Huber (1964) and Cook's deletion residuals; the use is that of "CURATRON" (arXiv 2403.02745), by deletion
    instead of its robust principal components, whose theory needs many more models.

    Raises:
        ValueError: if `false_flag_rate` is not between 0 and 1.
    """
    if not 0 < false_flag_rate < 1:
        raise ValueError(f"false_flag_rate must be between 0 and 1, not {false_flag_rate}")
    points = tally.points
    votes = points + points.transpose(0, 2, 1)
    weights = np.ones_like(votes)
    for _ in range(FIRST_LOOKS):
        fit = _Fit.of(points, votes, weights)
        scale = np.maximum(_scale(fit.residuals, votes > 0), 1.0)[:, None, None]
        weights = np.minimum(1.0, HUBER * scale / np.maximum(np.abs(fit.residuals), 1e-12))
    kept = np.abs(fit.residuals) < 3 * scale
    rounds, converged = 0, False
    while not converged and rounds < MOST_ROUNDS:
        rounds += 1
        fit = _Fit.of(points, votes, kept.astype(float))
        dispersion = _dispersion(fit, kept & (votes > 0))
        p_values = _p_values(points, votes, fit, kept, dispersion)
        fits = p_values >= false_flag_rate
        if rounds > FREE_ROUNDS:  # two pairs can take turns for ever
            fits &= kept
        converged = bool((fits == kept).all())
        kept = fits
    fit = _Fit.of(points, votes, kept.astype(float))
    flagged = ~kept & (points > votes * fit.expected)
    seen, odds = points / np.where(votes > 0, votes, 1.0), fit.expected
    suspicion = np.where(flagged, 1 - odds * (1 - seen) / np.where(flagged, (1 - odds) * seen, 1.0), 0.0)
    variance = np.maximum(np.diagonal(fit.covariance, axis1=1, axis2=2), 0.0)
    errors = np.sqrt(variance * (dispersion * _price_of_trimming(false_flag_rate))[:, None])
    return RobustFit(
        fit.scores, errors, fit.expected, p_values, flagged, suspicion, dispersion, false_flag_rate, rounds, converged
    )


@dataclass(frozen=True)
class _Fit:
    """Scores, their covariance, expected shares, standardised residuals, and how far a pair's lead is uncertain."""

    scores: Floats
    covariance: Floats
    expected: Floats
    residuals: Floats
    leverage: Floats

    @classmethod
    def of(cls, points: Floats, votes: Floats, weights: Floats) -> "_Fit":
        none = np.zeros_like(points)
        found = bradley_terry(Tally(weights * points, none, none), prior_sd=PRIOR_SD)
        expected = win_probabilities(found.scores)
        variance = votes * expected * (1 - expected)
        own = np.diagonal(found.covariance, axis1=1, axis2=2)
        leverage = variance * (own[:, :, None] + own[:, None, :] - 2 * found.covariance)
        residuals = (points - votes * expected) / np.sqrt(np.maximum(variance, 1e-12))
        return cls(found.scores, found.covariance, expected, residuals, leverage)


def _scale(residuals: Floats, met: NDArray[np.bool_]) -> Floats:
    """Return the robust standard deviation (P,) of the residuals of the pairs that met."""
    sizes = np.where(met, np.abs(residuals), np.nan)
    found = np.zeros(len(sizes))
    for prompt in np.flatnonzero(met.any(axis=(1, 2))):
        found[prompt] = np.nanmedian(sizes[prompt]) / 0.6745
    return found


def _dispersion(fit: _Fit, kept: NDArray[np.bool_]) -> Floats:
    """Return the variance (P,) of the kept residuals where it is more than chance makes it, else 1."""
    n = kept.shape[1]
    freedom = kept.sum(axis=(1, 2)) / 2 - (n - 1)
    total = np.where(kept, fit.residuals**2, 0.0).sum(axis=(1, 2)) / 2
    ratio = total / np.maximum(freedom, 1.0)
    return np.where((freedom >= 1) & (ratio > 1 + 2.33 * np.sqrt(2 / np.maximum(freedom, 1.0))), ratio, 1.0)


def _price_of_trimming(rate: float) -> float:
    """Return how much the variance grows because honest pairs far from the fit are left out, by the normal law."""
    reach = NormalDist().inv_cdf(1 - rate / 2)
    return (1 - rate) / (1 - rate - 2 * reach * NormalDist().pdf(reach))


def _p_values(points: Floats, votes: Floats, fit: _Fit, kept: NDArray[np.bool_], dispersion: Floats) -> Floats:
    """Return the two-sided p-values (P, n, n) of pairs, their counts shrunk by what widens the distribution."""
    prompts, i, j = np.nonzero(np.triu(votes > 0, 1))
    leverage = fit.leverage[prompts, i, j]
    inside = kept[prompts, i, j]
    widening = dispersion[prompts] * np.where(inside, np.maximum(1 - leverage, LEAST_FREEDOM), 1 + leverage)
    seen, total, share = points[prompts, i, j], votes[prompts, i, j], fit.expected[prompts, i, j]
    shift = (seen - total * share) / widening**0.5
    found = np.ones_like(votes)
    found[prompts, i, j] = found[prompts, j, i] = _binomial_p(np.clip(total * share + shift, 0, total), total, share)
    return found


def _binomial_p(seen: Floats, total: Floats, share: Floats) -> Floats:
    """Return how likely a binomial count is to be as extreme, twice the smaller tail; counts may be fractions."""
    least, most = seen <= 0, total - seen <= 0
    upper = np.where(least, 1.0, beta_cdf(share, np.where(least, 1.0, seen), np.where(least, 1.0, total - seen + 1)))
    lower = np.where(most, 1.0, 1 - beta_cdf(share, np.where(most, 1.0, seen + 1), np.where(most, 1.0, total - seen)))
    doubled: Floats = np.minimum(1.0, 2 * np.minimum(upper, lower))
    return doubled
