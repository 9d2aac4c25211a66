"""Rao and Kupper's model of comparisons with ties: a winner must lead by more than a threshold."""

import math
from collections.abc import Sequence

import numpy as np

from .davidson import EXTREME_TIE, Slopes, TieFit, fit_pooled
from .tally import Floats, Tally


def rao_kupper(tally: Tally, *, prior_sd: float = 2.5, position: bool = False) -> TieFit:
    """Fit Rao and Kupper's model: P(i beats j) = pi_i / (pi_i + nu pi_j), with pi = e^theta and nu = e^alpha >= 1.

    A vote is a tie when the noisy margin stays within +-alpha, so this is a proportional-odds logit; the "TOBT" model
    of the TODO paper is the same. The estimate is the posterior mode under theta ~ Normal(0, prior_sd^2) for the scores
    of every prompt, with one nu for the batch and, with `position`, one beta that is added to the first item's theta. A
    `prior_sd` of 1e4 gives the maximum-likelihood estimate wherever it exists. Two equal items tie with probability (nu
    - 1) / (nu + 1). Scores are in logits. Votes that contradict each other count on both sides.

    The answer is finite for every input, in the same way as for `davidson`. Without ties nu is 1; with nothing but ties
    it is infinite and the scores are 0. With few votes per prompt it is biased likewise: with 42 votes and scores of
    standard deviation 1.5, beta is as for `davidson`, and alpha a twelfth too large under the default prior.

    Source: Rao and Kupper (1967), JASA 62.

    Raises:
        ValueError: if `prior_sd` is not a positive finite number.
    """
    return fit_pooled([tally], _rao_kupper, start=0.5, no_ties=0.0, prior_sd=prior_sd, position=position)


def rao_kupper_given(
    *tallies: Tally, tie: float | None, position: float | Sequence[float], prior_sd: float = 2.5
) -> TieFit:
    """Fit Rao and Kupper's model with beta known, and nu too unless it is None, as `davidson_given` does."""
    log_tie = None if tie is None else min(max(math.log(max(tie, 1.0)), EXTREME_TIE), -math.log(EXTREME_TIE))
    return fit_pooled(
        tallies,
        _rao_kupper,
        start=0.5,
        no_ties=0.0,
        prior_sd=prior_sd,
        position=True,
        log_tie=log_tie,
        beta=position,
    )


def rao_kupper_stretch(tie: float) -> float:
    """Return how many times further apart its scores are than Bradley–Terry scores, near equality."""
    return (tie + 2 + 1 / tie) / 4


def _rao_kupper(margin: Floats, tie: float, first: Floats, second: Floats, tied: Floats) -> Slopes:
    """Use that P(tie) = (nu^2 - 1) P(i beats j) P(j beats i): a tie is a win for both, and a factor in nu."""
    wins, losses = first + tied, second + tied
    lost_first = 0.5 - 0.5 * np.tanh((margin - tie) / 2)
    lost_second = 0.5 - 0.5 * np.tanh((-margin - tie) / 2)
    bend_first, bend_second = wins * lost_first * (1 - lost_first), losses * lost_second * (1 - lost_second)
    value = -wins * np.logaddexp(0, tie - margin) - losses * np.logaddexp(0, tie + margin)
    tie_slope = -wins * lost_first - losses * lost_second
    tie_bend = bend_first + bend_second
    if tied.any():
        if tie <= 0:  # impossible once there are ties: the step that led here is halved
            return Slopes(np.full_like(value, -math.inf), *(np.zeros_like(value),) * 5)
        shrink = -math.expm1(-2 * tie)
        value += tied * (2 * tie + math.log(shrink))
        tie_slope += tied * 2 / shrink
        tie_bend += tied * 4 * math.exp(-2 * tie) / shrink**2
    return Slopes(
        value=value,
        margin=wins * lost_first - losses * lost_second,
        tie=tie_slope,
        margin_margin=bend_first + bend_second,
        margin_tie=bend_second - bend_first,
        tie_tie=tie_bend,
    )
