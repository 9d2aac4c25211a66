"""The Bradley–Terry model of leaderboards: many models, many votes, the position effect fitted with the scores.

The model in the earlier slot, i, beats the one in the later slot, j, with probability s(θ_i - θ_j + β). A tie counts as
half a win for each. Unlike in the small tournaments of `bradley_terry`, where a jointly fitted β would be biased, each
leaderboard has enough votes to estimate its own.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from .bradley_terry import HIGHEST_LOGIT, STEP_LIMIT
from .tally import Floats, Tally

TOLERANCE = 1e-8
MOST_STEPS = 100
MOST_SHORT_STEPS = 40


@dataclass(frozen=True)
class GlobalFit:
    """Scores of D leaderboards.

    Attributes:
        scores: (D, n) in logits, summing to zero on each leaderboard.
        position: (D,) β, in logits in favour of the earlier slot.
        information: (D, n + 1, n + 1) the negative Hessian in scores and β, with the mean score fixed by a term 1/n; if
            β is given, its row and column are those of the identity.
    """

    scores: Floats
    position: Floats
    information: Floats

    @cached_property
    def inverse(self) -> Floats:
        """(D, n + 1, n + 1), the inverse of the information."""
        return np.linalg.inv(self.information).astype(np.float64, copy=False)

    @property
    def covariance(self) -> Floats:
        """(D, n + 1, n + 1), of the centred scores and β, treating votes as independent."""
        return self.inverse - level(self.scores.shape[1])


def fit_leaderboards(tally: Tally, *, position: float | None = None) -> GlobalFit:
    """Return the maximum-likelihood scores, by Newton's method.

    Conflicting votes count on both sides, and missing pairs not at all.

    Args:
        tally: (D, n, n); in each, wins must connect all models in both directions, as pseudo-votes ensure.
        position: β if it is known; None estimates it for each leaderboard.

    Source:
        Bradley and Terry (1952), Biometrika 39; Davidson and Beaver (1977), Biometrics 33, for β.

    Raises:
        ArithmeticError: The likelihood has no maximum.
    """
    draws, models, _ = tally.first_wins.shape
    unknowns = np.zeros((draws, models + 1))
    unknowns[:, -1] = position or 0.0
    information = np.zeros((draws, models + 1, models + 1))
    wins, losses = points_by_slot(tally)
    active = np.arange(draws)
    for _ in range(MOST_STEPS):
        slope = Slope.of(wins[active], losses[active], unknowns[active], free=position is None)
        information[active] = slope.curvature + level(models)
        step = np.linalg.solve(information[active], slope.gradient[:, :, None])[:, :, 0]
        unknowns[active] += np.clip(step, -STEP_LIMIT, STEP_LIMIT)
        active = active[np.abs(step).max(1) > TOLERANCE]
        if not len(active):
            return GlobalFit(_centred(unknowns[:, :-1]), unknowns[:, -1], information)
    raise ArithmeticError(f"{len(active)} leaderboards have not converged in {MOST_STEPS} steps")


def refit(tally: Tally, near: GlobalFit, *, position: float | None = None) -> Floats:
    """Return (D, n + 1): scores and β of leaderboards that resemble one already fitted, such as draws of its votes.

    Its curvature is used for all, which is much faster if there are many models; those that do not converge with it are
    fitted by Newton's method.
    """
    draws = len(tally.first_wins)
    unknowns = np.tile(np.append(near.scores[0], near.position[0]), (draws, 1))
    wins, losses = points_by_slot(tally)
    active = np.arange(draws)
    for _ in range(MOST_SHORT_STEPS):
        slope = Slope.of(wins[active], losses[active], unknowns[active], free=position is None)
        step = slope.gradient @ near.inverse[0]
        unknowns[active] += np.clip(step, -STEP_LIMIT, STEP_LIMIT)
        active = active[np.abs(step).max(1) > TOLERANCE]
        if not len(active):
            break
    else:
        rest = Tally(tally.first_wins[active], tally.second_wins[active], tally.first_ties[active])
        fit = fit_leaderboards(rest, position=position)
        unknowns[active] = np.column_stack([fit.scores, fit.position])
    unknowns[:, :-1] = _centred(unknowns[:, :-1])
    return unknowns


def _centred(scores: Floats) -> Floats:
    centred: Floats = scores - scores.mean(1, keepdims=True)
    return centred


def level(models: int) -> Floats:
    """Return (n + 1, n + 1): 1/n for each pair of scores, which fixes the mean that comparisons leave free."""
    constant = np.full((models + 1, models + 1), 1 / models)
    constant[-1], constant[:, -1] = 0, 0
    return constant


def points_by_slot(tally: Tally) -> tuple[Floats, Floats]:
    """Return the points of i against j and of j against i, both (D, n, n), with i in the earlier slot."""
    halves = tally.first_ties / 2
    return tally.first_wins + halves, tally.second_wins.transpose(0, 2, 1) + halves


@dataclass(frozen=True)
class Slope:
    """The log likelihood of D leaderboards near one point.

    Attributes:
        gradient: (D, n + 1) with respect to scores and position effect.
        weight: (D, n, n) the variance of the points of i, in the earlier slot, against j.
        free: Whether the position effect is fitted.
    """

    gradient: Floats
    weight: Floats
    free: bool

    @classmethod
    def of(cls, wins: Floats, losses: Floats, unknowns: Floats, *, free: bool) -> Self:
        """Return the slope at scores and position effects (D, n + 1)."""
        theta, beta = unknowns[:, :-1], unknowns[:, -1]
        odds = np.exp(np.minimum(theta[:, None] - theta[:, :, None] - beta[:, None, None], HIGHEST_LOGIT))
        chance = 1 / (1 + odds)
        other = odds * chance
        residual = wins * other - losses * chance
        gradient = np.zeros(unknowns.shape)
        gradient[:, :-1] = residual.sum(2) - residual.sum(1)
        if free:
            gradient[:, -1] = residual.sum((1, 2))
        return cls(gradient, (wins + losses) * chance * other, free)

    @property
    def curvature(self) -> Floats:
        """(D, n + 1, n + 1); if the position effect is not fitted, its row and column are those of the identity."""
        draws, models, _ = self.weight.shape
        early, late = self.weight.sum(2), self.weight.sum(1)
        curvature = np.zeros((draws, models + 1, models + 1))
        curvature[:, :-1, :-1] = -self.weight - self.weight.transpose(0, 2, 1)
        diagonal = np.arange(models)
        curvature[:, diagonal, diagonal] += early + late
        curvature[:, -1, -1] = 1
        if self.free:
            curvature[:, :-1, -1] = curvature[:, -1, :-1] = early - late
            curvature[:, -1, -1] = early.sum(1)
        return curvature
