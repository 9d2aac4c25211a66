"""How likely each candidate is to beat another one of its prompt, for models whose scores imply it.

Such a model has a link: the probability that a candidate wins, given its lead in score and that the two do not tie. The
scores are treated as exact; their uncertainty is left to their standard errors.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from .bradley_terry import logistic
from .davidson import EXTREME_TIE
from .special import normal_cdf
from .tally import Floats

Link = Callable[[Floats], Floats]
"""Turns leads, of any shape, into probabilities; those of a lead and of its negative add up to 1."""

ELO_LOGIT = 400 / math.log(10)
"""A lead of one logit in Elo points."""

PERFORMANCE_SD = math.sqrt(2) * 25 / 6
"""The standard deviation of the difference of two performances, by Weng and Lin's and TrueSkill's beta."""

TIED_WITHIN = NormalDist().inv_cdf(0.55)
"""TrueSkill's draw margin in these units, where equal items draw once in ten."""


def chances_against_others(scores: Floats, link: Link) -> Floats:
    """Return the probability (P, n) that each candidate beats another of its prompt, drawn at random.

    It is the mean over all others of the probability of beating each, without a position effect and given that the two
    do not tie. A prompt's probabilities add up to n / 2, and are in the order of its scores. NaN if there is no other
    candidate, and in prompts with an unknown score.

    Args:
        scores: (P, n), higher is better.
        link: The link of the model whose scores they are.
    """
    columns = np.ascontiguousarray(scores.T)
    items = len(columns)
    total = np.zeros_like(columns)
    for item in range(1, items):
        chance = link(columns[item] - columns[:item])
        total[item] += chance.sum(0)
        total[:item] += 1 - chance
    return total.T / (items - 1) if items > 1 else np.full(scores.shape, np.nan)


def elo_link(lead: Floats) -> Floats:
    """Return the chance by Elo's model, 1 / (1 + 10^(-lead / 400))."""
    return logistic(lead / ELO_LOGIT)


def rao_kupper_link(lead: Floats, tie: float) -> Floats:
    """Return the chance by Rao and Kupper's model, with nu = e^alpha the tie parameter.

    A win has probability s(lead - alpha) and a loss s(-lead - alpha), s being the logistic function. Unlike in
    Davidson's model, their odds depend on alpha: from e^lead without ties up to e^(2 lead) if nearly everything ties.

    Source: Rao and Kupper (1967), JASA 62.
    """
    alpha = min(math.log(max(tie, 1.0)), -math.log(EXTREME_TIE))
    return logistic(np.logaddexp(0, alpha + lead) - np.logaddexp(0, alpha - lead))


def weng_lin_link(lead: Floats) -> Floats:
    """Return the chance by Weng and Lin's Bradley-Terry model of two known skills.

    Source: Weng and Lin (2011), JMLR 12.
    """
    return logistic(lead / PERFORMANCE_SD)


def trueskill_link(lead: Floats) -> Floats:
    """Return the chance by TrueSkill's model of two known skills: the better performance wins beyond the draw margin.

    Source: Herbrich, Minka and Graepel (2006), NIPS 19.
    """
    ahead = lead / PERFORMANCE_SD
    win, loss = normal_cdf(ahead - TIED_WITHIN), normal_cdf(-ahead - TIED_WITHIN)
    return win / (win + loss)
