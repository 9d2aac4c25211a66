"""Standard errors of Bradley–Terry scores that remain valid if votes on the same prompt are correlated.

The curvature of the likelihood treats votes as independent, and half a win as half of an independent vote. The sandwich
assumes neither: with A the curvature and s_g the score vector (gradient) of the votes on prompt g, it is A⁻¹ Σ s_g s_g'
A⁻¹.
"""

import numpy as np

from .bradley_terry import logistic
from .global_bradley_terry import GlobalFit
from .prompt_groups import Grouped
from .pseudo_votes import HALF, shares_of_opponents
from .tally import Floats, Tally


def clustered_covariance(fit: GlobalFit, grouped: Grouped, tally: Tally, *, position_known: bool = False) -> Floats:
    """Return the covariance (n + 1, n + 1) of the scores and the position effect.

    It is multiplied by G/(G-1), and NaN with one group. The pseudo-votes count as random as they are in
    `prompt_bootstrap`, so that a model that won everything does not have a standard error of zero.

    Args:
        fit: One leaderboard, fitted with pseudo-votes.
        grouped: Its comparisons.
        tally: The same, counted.
        position_known: Whether the position effect was given.

    Source:
        White (1982), Econometrica 50; Liang and Zeger (1986), Biometrika 73, for clusters.
    """
    models, groups = grouped.models, grouped.groups
    if groups < 2:
        return np.full((models + 1, models + 1), np.nan)
    theta = fit.scores[0]
    chance = logistic(theta[:, None] - theta + fit.position[0])
    # What a win in the first slot, one in the second, and a tie of i and j add to the slope by the margin of i over j.
    gain = np.stack([1 - chance, chance.T, 0.5 - chance])
    to_first = np.array([1, -1, 1])[:, None, None] * gain
    slopes = np.zeros((groups, models + 1))
    for part, counts in grouped.blocks():
        slopes[part, :-1] = np.einsum("gkij,kij->gi", counts, gain) - np.einsum("gkij,kij->gj", counts, gain)
        slopes[part, -1] = np.einsum("gkij,kij->g", counts, to_first)
    meat = groups / (groups - 1) * slopes.T @ slopes + _of_pseudo_votes(chance, shares_of_opponents(tally)[0])
    if position_known:
        meat[-1], meat[:, -1] = 0, 0
    bread = fit.inverse[0]
    covariance: Floats = bread @ meat @ bread
    return covariance


def _of_pseudo_votes(chance: Floats, spread: Floats) -> Floats:
    """Return the variance (n + 1, n + 1) of the slope that pseudo-votes of variance 1/2 make."""
    models = len(chance)
    variance = np.zeros((models + 1, models + 1))
    # A pseudo-vote lies half in either slot.
    expected = (chance + 1 - chance.T) / 2
    leaning = (chance - (1 - chance.T)) / 2
    for gain, by_position in ((1 - expected, -leaning), (-expected, -leaning)):
        moved = np.zeros((models, models + 1))
        moved[:, :-1] = -spread * gain
        moved[:, :-1][np.diag_indices(models)] += (spread * gain).sum(1)
        moved[:, -1] = (spread * by_position).sum(1)
        variance += HALF * moved.T @ moved
    return variance
