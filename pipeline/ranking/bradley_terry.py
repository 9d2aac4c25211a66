"""The Bradley–Terry model of many small tournaments at once, with a prior and a position effect.

The candidate in the earlier slot, i, beats the one in the later slot, j, with probability s(θ_i - θ_j + β), s being the
logistic function. Scores θ are logits: a lead of 1 means odds of e. β is the judge's position effect. A tie counts as
half a win for each, which makes standard errors a little too wide if there are many ties.

With few votes, the likelihood of a tournament often has no maximum: a candidate that won all its comparisons would get
an infinite score. The prior θ ~ N(0, prior_sd²) keeps every score finite, and the result is the posterior mode with the
covariance of its normal approximation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .connectivity import strongly_connected
from .matrices import inverse, product, solution
from .tally import Floats, Tally

PRIOR_SD = 1.5
"""The default standard deviation of scores.

It is the spread at which a judge prefers the better of two typical candidates four times out of five.
"""

BLOCK = 4096
"""Tournaments fitted together.

With fewer, threads wait longer for the interpreter than numpy works; with more, matrices leave the processor's cache.
"""

HIGHEST_LOGIT = 700.0
"""Beyond it the exponential overflows."""

STEP_LIMIT = 2.0
TOLERANCE = 1e-7
MOST_STEPS = 100
NEGLIGIBLE_GAIN = 1e-6
"""In log likelihood: with a prior as wide as 10,000 the last digits of the scores may never converge."""


@dataclass(frozen=True)
class BradleyTerry:
    """Fitted scores, and the parameters that made them.

    Attributes:
        scores: (P, n) in logits, centred to sum zero; NaN if there is no prior and the likelihood has no maximum.
        covariance: (P, n, n) of the centred scores. The variance of a lead is `c[i, i] + c[j, j] - 2 c[i, j]`.
        position_effect: β of each judge, in logits in favour of the earlier slot.
        prior_sd: The prior's standard deviation, infinite if there was none.
    """

    scores: Floats
    covariance: Floats
    position_effect: tuple[float, ...]
    prior_sd: float

    @property
    def standard_errors(self) -> Floats:
        """(P, n), of the centred scores."""
        diagonal = np.diagonal(self.covariance, axis1=1, axis2=2)
        errors: Floats = np.sqrt(np.maximum(diagonal, 0))
        return errors


def bradley_terry(
    *tallies: Tally,
    prior_sd: float = PRIOR_SD,
    position_effect: float | Sequence[float] = 0.0,
    position_error: float | Sequence[float] = 0.0,
) -> BradleyTerry:
    """Return the posterior mode of each tournament's scores, by Newton's method.

    Args:
        tallies: The comparisons of the same tournaments, one tally for each judge, or one for all judges together.
        prior_sd: The prior's standard deviation; `math.inf` for maximum likelihood.
        position_effect: β, known or estimated by `pooled.estimate_shared`; one for all judges, or one for each.
        position_error: The standard error of β, which widens those of the scores; again one for all judges, or one for
            each.

    Source:
        Bradley and Terry (1952), Biometrika 39; Davidson and Beaver (1977), Biometrics 33, for β.
    """
    prompts, items, _ = tallies[0].first_wins.shape
    beta, error = (
        np.broadcast_to(np.asarray(given, float), len(tallies)) for given in (position_effect, position_error)
    )
    scores, covariance = np.zeros((prompts, items)), np.zeros((prompts, items, items))
    blocks = max(math.ceil(prompts * len(tallies) / BLOCK), 1)
    for part in range(blocks):
        block = slice(prompts * part // blocks, prompts * (part + 1) // blocks)
        points = [slot_points(tally, block) for tally in tallies]
        impossible = None
        if not math.isfinite(prior_sd):
            met = sum((tally.points[block] for tally in tallies), np.zeros(()))
            impossible = ~strongly_connected(met > 0)
            for wins, losses in points:
                wins[:, :, impossible] = losses[:, :, impossible] = 0.5
        theta, spread = _fit(Likelihood.of(points), prior_sd, beta, error)
        if impossible is not None:
            theta[:, impossible] = spread[:, :, impossible] = np.nan
        scores[block], covariance[block] = theta.T, spread.transpose(2, 0, 1)
    return BradleyTerry(scores, covariance, tuple(beta.tolist()), prior_sd)


def win_probabilities(scores: Floats, position_effect: float = 0.0) -> Floats:
    """Return (P, n, n): the probability that i, in the earlier slot, beats j."""
    lead = scores[:, :, None] - scores[:, None, :] + position_effect
    return logistic(lead)


def logistic(x: Floats) -> Floats:
    """Return 1 / (1 + e^-x)."""
    result: Floats = 1 / (1 + np.exp(np.minimum(-x, HIGHEST_LOGIT)))
    return result


def slot_points(tally: Tally, block: slice) -> tuple[Floats, Floats]:
    """Return the points of i against j and of j against i, both (n, n, P), with i in the earlier slot."""
    first, second, tied = (
        part[block].transpose(1, 2, 0) for part in (tally.first_wins, tally.second_wins, tally.first_ties)
    )
    return first + tied / 2, second.transpose(1, 0, 2) + tied / 2


@dataclass(frozen=True)
class Likelihood:
    """The comparisons of P tournaments, with the tournaments along the last axis.

    There are J judges, and K = n(n-1)/2 pairs of items, low and high. Part 0 has the low item in the earlier slot, part
    1 the high one.

    Attributes:
        items: n.
        wins: (J, 2, K, P) wins, ties as halves, of the item in the earlier slot.
        losses: (J, 2, K, P) likewise of the one in the later slot.
    """

    items: int
    wins: Floats
    losses: Floats

    @classmethod
    def of(cls, points: Sequence[tuple[Floats, Floats]]) -> Self:
        """Build it from each judge's points of i against j and of j against i, (n, n, P), with i shown earlier."""
        items = len(points[0][0])
        low, high = _pairs(items)
        wins, losses = (
            np.stack([[side[low, high], side[high, low]] for side in sides]) for sides in zip(*points, strict=True)
        )
        return cls(items, wins, losses)

    @property
    def pairs(self) -> tuple[Codes, Codes]:
        """The low and the high item of each pair, both (K,)."""
        return _pairs(self.items)

    def some(self, chosen: NDArray[np.bool_]) -> "Likelihood":
        """Return the comparisons of some of the tournaments."""
        places = np.flatnonzero(chosen)
        return Likelihood(self.items, self.wins.take(places, 3), self.losses.take(places, 3))

    def beginning(self) -> Floats:
        """Return (n, P): starting scores, from the share of its points that each item won."""
        wins, losses = self.wins.sum(0), self.losses.sum(0)
        points = self.spread(wins[0] + losses[1], losses[0] + wins[1])
        won, lost = points.sum(1), points.sum(0)
        theta = np.clip(np.log((won + 0.5) / (lost + 0.5)), -STEP_LIMIT, STEP_LIMIT)
        centred: Floats = theta - theta.mean(0)
        return centred

    def spread(self, low: Floats, high: Floats) -> Floats:
        """Return (n, n, P), zero on its diagonal, from the values (K, P) of pairs at [low, high] and at [high, low]."""
        lows, highs = self.pairs
        square = np.zeros((self.items, self.items, low.shape[-1]))
        square[lows, highs] = low
        square[highs, lows] = high
        return square

    def at(self, theta: Floats, beta: Floats, precision: float) -> "Slope":
        """Return the slope and curvature of the log posterior at scores (n, P) and position effects (J,)."""
        lows, highs = self.pairs
        # Both probabilities are computed to full precision, and never added to a count: otherwise rounding would
        # drown the slope where a candidate won millions of comparisons and lost none.
        lead = theta[lows] - theta[highs]
        odds = np.empty(self.wins.shape)
        np.subtract(-beta[:, None, None], lead, out=odds[:, 0])
        np.subtract(lead, beta[:, None, None], out=odds[:, 1])
        np.exp(np.minimum(odds, HIGHEST_LOGIT, out=odds), out=odds)
        chance = 1 / (1 + odds)
        other = np.multiply(odds, chance, out=odds)
        residual = self.wins * other
        residual -= self.losses * chance
        weight = self.wins + self.losses
        weight *= chance
        weight *= other
        both = -weight.sum((0, 1))
        curvature = self.spread(both, both)
        curvature[range(self.items), range(self.items)] = precision - curvature.sum(1)
        if not precision:
            curvature += 1 / self.items
        low = (residual[:, 0] - residual[:, 1]).sum(0)
        gradient = self.spread(low, -low).sum(1) - precision * theta
        return Slope(self, chance, other, residual, weight, gradient, curvature)


@cache
def _pairs(items: int) -> tuple[Codes, Codes]:
    low, high = np.triu_indices(items, 1)
    return low, high


@dataclass(frozen=True)
class Slope:
    """The log posterior near one point, with the tournaments along the last axis of every array.

    Attributes:
        likelihood: The likelihood that the slope belongs to.
        chance: (J, 2, K, P) the probability that the item in the earlier slot wins.
        other: (J, 2, K, P) the probability that the one in the later slot wins.
        residual: (J, 2, K, P) wins of the item in the earlier slot minus their expectation.
        weight: (J, 2, K, P) the variance of the wins.
        gradient: (n, P) with respect to the scores.
        curvature: (n, n, P) with respect to two scores, negated so that it is positive.
    """

    likelihood: Likelihood
    chance: Floats
    other: Floats
    residual: Floats
    weight: Floats
    gradient: Floats
    curvature: Floats

    @property
    def step(self) -> Floats:
        """(n, P): the Newton step towards the mode."""
        return solution(self.curvature, self.gradient)

    def mixed(self, weight: Floats) -> Floats:
        """Return (n, P): the curvature in a score and a position effect, from its judges' `weight` (2, K, P)."""
        low = weight[0] - weight[1]
        curvature: Floats = self.likelihood.spread(low, -low).sum(1)
        return curvature


def _fit(likelihood: Likelihood, prior_sd: float, beta: Floats, beta_error: Floats) -> tuple[Floats, Floats]:
    """Find each tournament's mode; converged ones stop, so that none depends on its neighbours."""
    items, prompts = likelihood.items, likelihood.wins.shape[3]
    precision = prior_sd**-2 if math.isfinite(prior_sd) else 0.0
    scores, covariance = np.zeros((items, prompts)), np.zeros((items, items, prompts))
    theta, left = likelihood.beginning(), np.arange(prompts)
    for steps in range(MOST_STEPS):
        slope = likelihood.at(theta, beta, precision)
        step = slope.step
        step -= step.mean(0)  # exactly zero but for rounding, which a wide prior would blow up
        theta = theta + np.clip(step, -STEP_LIMIT, STEP_LIMIT)
        done = np.abs(step).max(0, initial=0) < TOLERANCE
        if steps == MOST_STEPS - 1:
            done |= (slope.gradient * step).sum(0) < NEGLIGIBLE_GAIN
        if done.any():
            curvature = slope.curvature[:, :, done]
            # Only the prior fixes the common level, and a wide one hardly does: what is added fixes it as firmly as the
            # votes fix the differences, so that subtracting it keeps their digits.
            held = np.einsum("iip->p", curvature) / items
            inverted = inverse(curvature + held / items)
            scores[:, left[done]] = theta[:, done] - theta[:, done].mean(0)
            covariance[:, :, left[done]] = inverted - 1 / (items * ((precision or 1.0) + held))
            for judge in np.flatnonzero(beta_error):
                moved = product(inverted, slope.mixed(slope.weight[judge][:, :, done])) * beta_error[judge]
                covariance[:, :, left[done]] += moved[:, None] * moved
            likelihood, theta, left = likelihood.some(~done), theta[:, ~done], left[~done]
        if not len(left):
            return scores, covariance
    raise ArithmeticError(f"the Bradley-Terry fit has not converged in {MOST_STEPS} steps")
