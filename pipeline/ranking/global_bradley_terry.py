"""The Bradley–Terry model of leaderboards: many models, many votes, the position effect fitted together with the scores.

The model in the earlier slot, i, beats the one in the later slot, j, with probability s(θ_i - θ_j + β). A tie counts as
half a win for each. Unlike in the small tournaments of `bradley_terry`, where a shared β would be biased, each
leaderboard has votes enough to bring its own.
"""

from dataclasses import dataclass

import numpy as np

from .bradley_terry import HIGHEST_LOGIT, STEP_LIMIT
from .tally import Floats, Tally

TOLERANCE = 1e-8
MOST_STEPS = 100


@dataclass(frozen=True)
class GlobalFit:
    """Scores of D leaderboards.

    Attributes:
        scores: (D, n) in logits, each sum is zero.
        position: (D,) β, in logits in favour of the earlier slot.
        information: (D, n + 1, n + 1) the curvature by scores and β, the common level of the scores held by a term
            1/n; where β is given, its row and column are those of the identity.
    """

    scores: Floats
    position: Floats
    information: Floats

    @property
    def covariance(self) -> Floats:
        """(D, n + 1, n + 1), of the centred scores and β, taking votes as independent."""
        return np.linalg.inv(self.information) - level(self.scores.shape[1])


def fit_leaderboards(tally: Tally, *, position: float | None = None, start: Floats | None = None) -> GlobalFit:
    """Return the scores of maximum likelihood, by Newton's method.

    Args:
        tally: (D, n, n); in each, the wins join all models both ways, as pseudo-votes make sure of.
        position: β where it is known; None estimates it for each leaderboard.
        start: (n,) scores near which the maximum is expected.

    Raises:
        ArithmeticError: The likelihood has no maximum.
    """
    draws, models, _ = tally.first_wins.shape
    theta = np.zeros((draws, models)) if start is None else np.tile(start, (draws, 1))
    beta = np.full(draws, position or 0.0)
    active = np.arange(draws)
    information = np.zeros((draws, models + 1, models + 1))
    wins, losses = points_by_slot(tally)
    for _ in range(MOST_STEPS):
        gradient, curvature = slope(wins[active], losses[active], theta[active], beta[active])
        if position is not None:
            gradient[:, -1], curvature[:, -1], curvature[:, :, -1], curvature[:, -1, -1] = 0, 0, 0, 1
        curvature += level(models)
        information[active] = curvature
        step = np.clip(np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0], -STEP_LIMIT, STEP_LIMIT)
        theta[active] += step[:, :-1]
        beta[active] += step[:, -1]
        active = active[np.abs(step).max(1) > TOLERANCE]
        if not len(active):
            return GlobalFit(theta - theta.mean(1, keepdims=True), beta, information)
    raise ArithmeticError(f"{len(active)} leaderboards have not converged in {MOST_STEPS} steps")


def level(models: int) -> Floats:
    """Return (n + 1, n + 1): 1/n for each pair of scores, the term that holds what comparisons leave free."""
    constant = np.full((models + 1, models + 1), 1 / models)
    constant[-1], constant[:, -1] = 0, 0
    return constant


def points_by_slot(tally: Tally) -> tuple[Floats, Floats]:
    """Return points of i against j and of j against i, both (D, n, n), where i stood in the earlier slot."""
    halves = tally.first_ties / 2
    return tally.first_wins + halves, tally.second_wins.transpose(0, 2, 1) + halves


def slope(wins: Floats, losses: Floats, theta: Floats, beta: Floats) -> tuple[Floats, Floats]:
    """Return the gradient (D, n + 1) and the curvature of the log likelihood by scores and position effect."""
    draws, models = theta.shape
    odds = np.exp(np.minimum(theta[:, None] - theta[:, :, None] - beta[:, None, None], HIGHEST_LOGIT))
    chance = 1 / (1 + odds)
    other = odds * chance
    residual = wins * other - losses * chance
    weight = (wins + losses) * chance * other
    gradient = np.empty((draws, models + 1))
    gradient[:, :-1] = residual.sum(2) - residual.sum(1)
    gradient[:, -1] = residual.sum((1, 2))
    early, late = weight.sum(2), weight.sum(1)
    curvature = np.empty((draws, models + 1, models + 1))
    curvature[:, :-1, :-1] = -weight - weight.transpose(0, 2, 1)
    diagonal = np.arange(models)
    curvature[:, diagonal, diagonal] += early + late
    curvature[:, :-1, -1] = curvature[:, -1, :-1] = early - late
    curvature[:, -1, -1] = early.sum(1)
    return gradient, curvature
