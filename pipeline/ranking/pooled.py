"""What all tournaments share: the position effect and the spread of scores, estimated from all of them at once.

Estimating a shared parameter jointly with the scores of many small tournaments is biased, however many there are
(Neyman and Scott 1948): with 42 votes a tournament a position effect of 0.40 comes out between 0.35 and 0.47, depending
on the prior. If most pairs were shown in both orders, the effect is therefore estimated from those, independently of
the scores. Otherwise the scores are integrated out by Laplace's approximation, which maximises over β and τ = 1/σ²

    Σ_p [ log likelihood(θ_p, β) - τ|θ_p|²/2 + (n/2) log τ - (1/2) log det H_p ],

where θ_p is the mode of the scores given β and τ, and H_p = L_p + τI the curvature there. Its slopes follow from dθ/dβ
= -H⁻¹c and dθ/dlog τ = -τH⁻¹θ, c being the mixed curvature. In simulations with one order per pair and a σ of 0.5 to 4,
β is then within 8 % and σ within 25 % of the truth if a candidate is in four comparisons or more; with two or three,
both are a tenth to a half too small; with one, σ cannot be separated from chance and keeps its default.

Source:
    Tierney and Kadane (1986), JASA 81, 82–86, for the approximation.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np

from .blocks import on_all_cores
from .bradley_terry import BLOCK, PRIOR_SD, STEP_LIMIT, Likelihood, Slope, slot_points
from .connectivity import strongly_connected
from .judge_effects import JudgeEffects
from .matrices import inverse, product
from .swaps import effect_of_swaps
from .tally import Floats, Tally

WIDENING = 1.5
"""How much wider than the estimated spread the prior is made.

The posterior mode is nearer to zero than the posterior mean if a candidate won nearly all or nothing. With a prior as
wide as the spread, 95 % intervals cover 82 to 95 % in simulations; with one half as wide again, 92 to 97 %.
"""

LEAST_SPREAD, MOST_SPREAD = 0.5, 5.0
"""Bounds of the spread: a judge without opinion would drive it to 0, and one who never wavers to infinity."""

LOG_SPREAD_ERROR = 0.75
"""The prior standard deviation of the log spread about its default; matters only for a handful of tournaments."""

LEAST_COMPARISONS = 2.0
"""The fewest comparisons per candidate from which a tournament informs the estimate of the spread."""

ENOUGH_SWAPS = 0.5
"""The share of comparisons with a counterpart in the other order from which β is taken from those alone."""

POSITION_SD = 2.0
"""The prior of β; matters only for a judge who always names the same slot."""

TOLERANCE = 1e-4
MOST_STEPS = 60

DIGITS = 6
"""Decimals of shared parameters: with more, the order in which sums are formed would show in every score."""


@dataclass(frozen=True)
class Shared:
    """Parameters that all tournaments share.

    Attributes:
        position_effect: β, in logits in favour of the earlier slot, as if all judges had the same.
        position_error: Its standard error, treating votes as independent; 0 if β was given.
        prior_sd: The standard deviation of the prior of scores.
        tie: How readily a tie is called, in a model with ties; its own parameter.
        of_judges: β of each judge; None if all share one.
    """

    position_effect: float
    position_error: float
    prior_sd: float
    tie: float = 0.0
    of_judges: JudgeEffects | None = None


@dataclass
class _State:
    """Where the search stands: β of each judge (J,), log τ, and the scores of each block of tournaments (n, P)."""

    beta: Floats
    log_precision: float
    theta: list[Floats]


@dataclass
class _Slopes:
    """Slope and information of the quantity maximised, by β and by log τ."""

    beta: float = 0.0
    beta_information: float = 0.0
    spread: float = 0.0
    spread_information: float = 0.0

    def __add__(self, other: "_Slopes") -> "_Slopes":
        return _Slopes(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


class _Move(NamedTuple):
    """A block's part of the slopes, its Newton step, and how its scores (n, P) change with β and log τ."""

    slopes: _Slopes
    newton: Floats
    by_beta: Floats
    by_spread: Floats


def estimate_shared(
    tallies: Iterable[Tally], *, position_effect: float | None = None, prior_sd: float | None = None
) -> Shared:
    """Return the shared parameters, estimating those that are not given.

    Args:
        tallies: The tournaments, those of each size together.
        position_effect: β if it is known.
        prior_sd: The prior's standard deviation if it is known. If it is infinite, β and the scores are estimated
            jointly by maximum likelihood, from the tournaments in which the maximum exists.
    """
    if position_effect is not None and prior_sd is not None:
        return Shared(position_effect, 0.0, prior_sd)
    blocks = [block for tally in tallies for block in _blocks([tally], everything=prior_sd != math.inf)]
    error = 0.0
    if position_effect is None and prior_sd != math.inf:
        swaps = effect_of_swaps((block.spread(*block.wins[0]), block.spread(*block.losses[0])) for block in blocks)
        if swaps.share >= ENOUGH_SWAPS:
            position_effect, error = swaps.effect, swaps.error
    spread = PRIOR_SD / WIDENING if prior_sd is None else prior_sd
    beginning = [block.beginning() for block in blocks]
    state = _State(np.array([position_effect or 0.0]), -2 * math.log(spread), beginning)
    slopes = _climb(blocks, state, find_beta=position_effect is None, find_spread=prior_sd is None)
    if position_effect is None:
        error = slopes.beta_information**-0.5
    if prior_sd is None:
        prior_sd = WIDENING * math.exp(-state.log_precision / 2)
    return Shared(round(float(state.beta[0]), DIGITS), round(error, DIGITS), round(prior_sd, DIGITS))


def estimate_prior_sd(batches: Iterable[Sequence[Tally]], position_effects: Sequence[float]) -> float:
    """Return the prior's standard deviation, given the position effect of each judge.

    Args:
        batches: The tournaments, those of each size together, with one tally for each judge.
        position_effects: β of each judge.
    """
    blocks = [block for tallies in batches for block in _blocks(tallies, everything=True)]
    begin = -2 * math.log(PRIOR_SD / WIDENING)
    state = _State(np.array(position_effects), begin, [block.beginning() for block in blocks])
    _climb(blocks, state, find_beta=False, find_spread=True)
    return round(WIDENING * math.exp(-state.log_precision / 2), DIGITS)


def _blocks(tallies: Sequence[Tally], *, everything: bool) -> Iterator[Likelihood]:
    """Yield the tournaments in blocks: all of them, or those whose likelihood has a maximum."""
    size = max(BLOCK // len(tallies), 1)
    for start in range(0, len(tallies[0].first_wins), size):
        part = slice(start, start + size)
        block = Likelihood.of([slot_points(tally, part) for tally in tallies])
        if not everything:
            met = sum((tally.points[part] for tally in tallies), np.zeros(()))
            block = block.some(strongly_connected(met > 0))
        yield block


def _climb(blocks: list[Likelihood], state: _State, *, find_beta: bool, find_spread: bool) -> _Slopes:
    expected = -2 * math.log(PRIOR_SD / WIDENING)
    lowest, highest = -2 * math.log(MOST_SPREAD), -2 * math.log(LEAST_SPREAD)
    last: tuple[float, float] | None = None
    beta_step = spread_step = 0.0
    for _ in range(MOST_STEPS):
        moves = on_all_cores(_explore, blocks, state.theta, repeat(state))
        slopes = _Slopes(-float(state.beta.sum()) / POSITION_SD**2, 1 / POSITION_SD**2)
        for move in moves:
            slopes += move.slopes
        if find_beta:
            beta_step = min(max(slopes.beta / slopes.beta_information, -1.0), 1.0)
        if find_spread:
            pull = (2 * LOG_SPREAD_ERROR) ** -2
            slope = slopes.spread - pull * (state.log_precision - expected)
            information = _secant(last, (state.log_precision, slope), slopes.spread_information + pull)
            last = state.log_precision, slope
            step = min(max(slope / information, -0.7), 0.7)
            spread_step = min(max(state.log_precision + step, lowest), highest) - state.log_precision
        for index, move in enumerate(moves):
            step_of_scores = move.newton + beta_step * move.by_beta + spread_step * move.by_spread
            state.theta[index] = state.theta[index] + np.clip(step_of_scores, -STEP_LIMIT, STEP_LIMIT)
        state.beta = state.beta + beta_step
        state.log_precision += spread_step
        largest = max((float(np.abs(move.newton).max(initial=0)) for move in moves), default=0.0)
        if abs(beta_step) < TOLERANCE and abs(spread_step) < TOLERANCE and largest < STEP_LIMIT / 2:
            break
    return slopes


def _secant(last: tuple[float, float] | None, now: tuple[float, float], ceiling: float) -> float:
    """Return the information about the spread from how its slope changed; at most that of an EM step."""
    if last is None or abs(now[0] - last[0]) < 1e-12:
        return ceiling
    return min(max((last[1] - now[1]) / (now[0] - last[0]), ceiling / 8), ceiling)


def _explore(block: Likelihood, theta: Floats, state: _State) -> _Move:
    """Return what a block contributes."""
    slopes = _Slopes()
    precision = math.exp(state.log_precision)
    at = block.at(theta, state.beta, precision)
    covariance, mixed = inverse(at.curvature), at.mixed(at.weight.sum(0))
    newton, by_beta = product(covariance, at.gradient), -product(covariance, mixed)
    information = at.weight.sum() + (mixed * by_beta).sum()
    slopes.beta_information += float(information)
    slopes.beta += float(at.residual.sum() + (by_beta * at.gradient).sum())
    if not precision:
        return _Move(slopes, newton, by_beta, np.zeros_like(theta))
    by_spread = -precision * product(covariance, theta)
    by_lead = _slope_of_log_determinant(at, covariance)
    either, low = by_lead.sum((0, 1)), (by_lead[:, 0] - by_lead[:, 1]).sum(0)
    lows, highs = block.pairs
    slopes.beta -= float((either + low * (by_beta[lows] - by_beta[highs])).sum()) / 2
    known = 2 * (block.wins + block.losses).sum((0, 1, 2)) / len(theta) >= LEAST_COMPARISONS
    uncertain = precision * np.einsum("iip->p", covariance)
    penalty = precision * ((theta + newton) ** 2).sum(0)
    shift = (low * (by_spread[lows] - by_spread[highs])).sum(0)
    slopes.spread += float((len(theta) - penalty - uncertain - shift)[known].sum()) / 2
    slopes.spread_information += float((len(theta) - uncertain)[known].sum()) / 2
    return _Move(slopes, newton, by_beta, by_spread)


def _slope_of_log_determinant(at: Slope, covariance: Floats) -> Floats:
    """Return (J, 2, K, P): how the log determinant of the curvature changes with the lead of the item shown first."""
    lows, highs = at.likelihood.pairs
    variance = np.einsum("iip->ip", covariance)
    skewness = at.other - at.chance
    slope: Floats = at.weight * skewness * (variance[lows] + variance[highs] - 2 * covariance[lows, highs])
    return slope
