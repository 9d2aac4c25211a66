"""Davidson's model of comparisons with ties, and the Newton fit that it shares with the Rao–Kupper model.

In both models a comparison of i, shown first, with j, shown second, has three outcomes: i wins, j wins, or they tie.
The probabilities depend on the margin theta_i - theta_j + beta and on one tie parameter, ln nu. Each prompt has its own
scores theta; nu and the position effect beta are pooled over the whole batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .tally import Floats, Tally

POSITION_PRIOR_SD = 5.0
"""Prior of the position effect in logits: too wide to matter, unless a judge always names one slot."""

EXTREME_TIE = 1e-6
"""The smallest nu with which scores are fitted (and 1 over the largest): one vote in two million is then a tie."""

MAX_STEPS = 100
MAX_HALVINGS = 40
GAIN_LEFT = 1e-10
"""A step with a smaller predicted gain in log-likelihood is the last: the remaining error is of the order of its
square."""


@dataclass(frozen=True)
class TieFit:
    """The fit of a model with ties.

    Attributes:
        scores: (P, n) in logits, summing to zero in each prompt, higher is better.
        standard_errors: (P, n), of the scores under that constraint; they include the uncertainty of nu and beta.
            Weights count as numbers of votes.
        covariance: (P, n, n); the variance of a difference is `c[i, i] + c[j, j] - 2 * c[i, j]`.
        tie: nu, shared by the batch.
        tie_error: The standard error of ln nu; infinite if nu is at an end of its range.
        position: beta in logits, how much the first slot is favoured; the mean over judges if each has its own; None if
            not fitted.
        position_error: Its standard error.
        log_likelihood: The log-likelihood of all votes, without the prior.
        prior_sd: The standard deviation of the prior of the scores.
        iterations: The number of Newton steps.
        converged: False if the maximum number of steps was reached.
    """

    scores: Floats
    standard_errors: Floats
    covariance: Floats
    tie: float
    tie_error: float
    position: float | None
    position_error: float | None
    log_likelihood: float
    prior_sd: float
    iterations: int
    converged: bool


class Slopes(NamedTuple):
    """The log-likelihood of every pair (P, K) and its slopes; curvatures are negated, so that they are information."""

    value: Floats
    margin: Floats
    tie: Floats
    margin_margin: Floats
    margin_tie: Floats
    tie_tie: Floats


class Curve(Protocol):
    """A model of three outcomes: margins and counts of first wins, second wins and ties, all (P, K), give slopes."""

    def __call__(self, margin: Floats, tie: float, first: Floats, second: Floats, tied: Floats) -> Slopes: ...


def davidson(tally: Tally, *, prior_sd: float = 2.5, position: bool = False) -> TieFit:
    """Fit Davidson's model: win, loss and tie have probabilities pi_i : pi_j : nu sqrt(pi_i pi_j), with pi = e^theta.

    The estimate is the posterior mode under theta ~ Normal(0, prior_sd^2) for the scores of every prompt, with one nu
    for the batch and, with `position`, one beta: the first item's pi is multiplied by e^beta. A `prior_sd` of 1e4 gives
    the maximum-likelihood estimate wherever it exists. Two equal items tie with probability nu / (2 + nu). Votes that
    contradict each other count on both sides.

    The answer is finite for every input: an item without votes has score 0 and a standard error as wide as the prior (0
    if it is alone), the prior keeps an item that always wins finite and centres groups that never met on 0 each,
    all-tied items are equal, and a missing pair carries no information. Without ties nu is 0; with nothing but ties it
    is infinite and the scores are 0.

    Scores of Davidson's model are further apart than those of a model in which a tie is half a win for each: near
    equality, by a factor of (2 + nu) / 2.

    With few votes per prompt, a joint fit is biased in nu and beta, because every prompt adds its own scores: with 42
    votes and scores of standard deviation 1.5 both estimates are a tenth too small under a prior of that width, about
    right under the default, and a fifth too large under a very wide one.

    Source: Davidson (1970), JASA 65; Davidson and Beaver (1977), Biometrics 33.

    Raises:
        ValueError: if `prior_sd` is not a positive finite number.
    """
    return fit_pooled([tally], _davidson, start=0.0, no_ties=-math.inf, prior_sd=prior_sd, position=position)


def _davidson(margin: Floats, tie: float, first: Floats, second: Floats, tied: Floats) -> Slopes:
    top = np.maximum(np.abs(margin) / 2, tie)
    odds_first, odds_second, odds_tie = np.exp(margin / 2 - top), np.exp(-margin / 2 - top), np.exp(tie - top)
    total = odds_first + odds_second + odds_tie
    lead, ties = (odds_first - odds_second) / total, odds_tie / total
    count = first + second + tied
    value = (first - second) * margin / 2 - count * (top + np.log(total))
    if tied.any():  # tie is minus infinity if there are no ties
        value += tied * tie
    return Slopes(
        value=value,
        margin=(first - second - count * lead) / 2,
        tie=tied - count * ties,
        margin_margin=count * (1 - ties - lead**2) / 4,
        margin_tie=-count * lead * ties / 2,
        tie_tie=count * ties * (1 - ties),
    )


def davidson_given(
    *tallies: Tally, tie: float | None, position: float | Sequence[float], prior_sd: float = 2.5
) -> TieFit:
    """Fit Davidson's model with beta known, and nu too unless it is None, for example from many other prompts.

    There may be separate tallies for several judges, each with its own beta. The standard errors treat the known
    parameters as certain. Everything else is as in `davidson`, but a known nu is kept finite and above zero, so that a
    tie has a likelihood even if there were none before.
    """
    log_tie = None if tie is None else min(math.log(max(tie, EXTREME_TIE)), -math.log(EXTREME_TIE))
    return fit_pooled(
        tallies,
        _davidson,
        start=0.0,
        no_ties=-math.inf,
        prior_sd=prior_sd,
        position=True,
        log_tie=log_tie,
        beta=position,
    )


def davidson_stretch(tie: float) -> float:
    """Return how many times further apart its scores are than Bradley–Terry scores, near equality."""
    return 1 + tie / 2


def fit_pooled(
    tallies: Sequence[Tally],
    curve: Curve,
    *,
    start: float,
    no_ties: float,
    prior_sd: float,
    position: bool,
    log_tie: float | None = None,
    beta: float | Sequence[float] | None = None,
) -> TieFit:
    """Maximise the concave log-posterior of a model of three outcomes by Newton's method with backtracking.

    The scores of different prompts are linked only through the pooled parameters, so each step solves P systems of size
    n and one of size two, their Schur complement. `start` is the initial value of ln nu, `no_ties` its value if ties
    never happen. ln nu and beta are not fitted if `log_tie` and `beta` are given; the tallies of several judges differ
    only in the beta that is given for each.
    """
    if not 0 < prior_sd < math.inf:
        raise ValueError(f"prior_sd must be positive and finite, not {prior_sd}")
    prompts, n, _ = tallies[0].first_wins.shape
    i, j = np.nonzero(~np.eye(n, dtype=bool)) if position else np.triu_indices(n, 1)
    counts = zip(*(_counts(tally, i, j, position=position) for tally in tallies), strict=True)
    first, second, tied = (np.concatenate(of_judges, axis=1) for of_judges in counts)
    known = np.broadcast_to(np.asarray(0.0 if beta is None else beta, float), len(tallies))
    has_ties, has_decisions = bool(tied.any()), bool(first.any() or second.any())
    if not has_decisions and log_tie is None:
        tied = np.zeros_like(tied)  # nu is infinite, and a certain tie says nothing about the scores
    free = np.array([has_ties and has_decisions and log_tie is None, position and beta is None])
    design = _Design(i, j, n, prior_sd, free)

    def look(scores: Floats, pooled: Floats) -> tuple[Slopes, float]:
        lead = np.tile(scores[:, i] - scores[:, j], len(tallies))
        slopes = curve(lead + np.repeat(known, len(i)) + pooled[1], float(pooled[0]), first, second, tied)
        penalty = (scores**2).sum() / prior_sd**2 + (pooled[1] / POSITION_PRIOR_SD) ** 2
        return slopes, float(slopes.value.sum() - penalty / 2)

    begin = start if has_ties and has_decisions else no_ties
    pooled = np.array([begin if log_tie is None else log_tie, 0.0])
    scores = np.zeros((prompts, n))
    slopes, objective = look(scores, pooled)
    iterations, converged = 0, False
    while not converged and iterations < MAX_STEPS:
        iterations += 1
        score_step, pooled_step, gain = design.step(slopes, scores, pooled)
        converged = gain < GAIN_LEFT
        for halvings in range(MAX_HALVINGS):
            trial = scores + score_step / 2**halvings, pooled + pooled_step / 2**halvings
            trial_slopes, trial_objective = look(*trial)
            if trial_objective >= objective - 1e-12 * abs(objective):
                (scores, pooled), slopes, objective = trial, trial_slopes, trial_objective
                break
    covariance, errors = design.uncertainty(slopes)
    return TieFit(
        scores=scores,
        standard_errors=np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)),
        covariance=covariance,
        tie=math.inf if has_ties and not has_decisions and log_tie is None else math.exp(pooled[0]),
        tie_error=float(errors[0]),
        position=float(known.mean() + pooled[1]) if position else None,
        position_error=float(errors[1]) if position else None,
        log_likelihood=float(slopes.value.sum()),
        prior_sd=prior_sd,
        iterations=iterations,
        converged=converged,
    )


def _counts(tally: Tally, i: NDArray[np.intp], j: NDArray[np.intp], *, position: bool) -> tuple[Floats, Floats, Floats]:
    if position:
        return tally.first_wins[:, i, j], tally.second_wins[:, j, i], tally.first_ties[:, i, j]
    return tally.wins[:, i, j], tally.wins[:, j, i], tally.ties[:, i, j]


@dataclass(frozen=True)
class _Design:
    """Which items the K pairs compare, and which of the pooled parameters (ln nu, beta) are estimated."""

    i: NDArray[np.intp]
    j: NDArray[np.intp]
    n: int
    prior_sd: float
    free: NDArray[np.bool_]

    def step(self, slopes: Slopes, scores: Floats, pooled: Floats) -> tuple[Floats, Floats, float]:
        """Return the Newton step of the scores and of the pooled parameters, and its predicted gain."""
        gradient = self._net(slopes.margin) - scores / self.prior_sd**2
        pooled_gradient = np.array([slopes.tie.sum(), slopes.margin.sum() - pooled[1] / POSITION_PRIOR_SD**2])
        information, cross, schur = self._blocks(slopes)
        solved = np.linalg.solve(information, np.concatenate([gradient[:, :, None], cross], axis=2))
        alone, through = solved[:, :, 0], solved[:, :, 1:]
        pooled_step = np.zeros(2)
        left = pooled_gradient[self.free] - np.einsum("pik,pi->k", cross, alone)
        pooled_step[self.free] = np.linalg.solve(schur - np.einsum("pik,pil->kl", cross, through), left)
        step = alone - through @ pooled_step[self.free]
        return step, pooled_step, float((gradient * step).sum() + pooled_gradient @ pooled_step)

    def uncertainty(self, slopes: Slopes) -> tuple[Floats, Floats]:
        """Return the covariance of the scores (P, n, n) and the standard errors of ln nu and beta."""
        information, cross, schur = self._blocks(slopes)
        inverse = np.linalg.inv(information)
        through = inverse @ cross
        pooled = np.linalg.inv(schur - np.einsum("pik,pil->kl", cross, through))
        # The mean of a prompt's scores is fixed, so its part of the inverse is not uncertainty.
        level = 1 / (self.n * (1 + self.prior_sd**-2)) if self.n else 0.0
        covariance = inverse - level + through @ pooled @ through.transpose(0, 2, 1)
        diagonal = np.arange(self.n)
        covariance[:, diagonal, diagonal] = np.maximum(covariance[:, diagonal, diagonal], 0.0)
        errors = np.full(2, math.inf)
        errors[self.free] = np.sqrt(np.diagonal(pooled))
        return covariance, errors

    def _blocks(self, slopes: Slopes) -> tuple[Floats, Floats, Floats]:
        """Return the information of scores (P, n, n), of scores and pooled (P, n, k), of the pooled (k, k)."""
        between = np.zeros((len(slopes.value), self.n, self.n))
        between[:, self.i, self.j] = self._of_all_judges(slopes.margin_margin)
        between += between.transpose(0, 2, 1)
        diagonal = np.arange(self.n)
        information = 1 / max(self.n, 1) - between  # the constant fixes the mean, which the data leave free
        information[:, diagonal, diagonal] += between.sum(axis=2) + self.prior_sd**-2
        cross = np.stack([self._net(slopes.margin_tie), self._net(slopes.margin_margin)], axis=2)
        mixed = slopes.margin_tie.sum()
        pooled = np.array([[slopes.tie_tie.sum(), mixed], [mixed, slopes.margin_margin.sum() + POSITION_PRIOR_SD**-2]])
        return information, cross[:, :, self.free], pooled[np.ix_(self.free, self.free)]

    def _of_all_judges(self, pairs: Floats) -> Floats:
        """Return (P, K): the sums over judges of values of pairs (P, J * K), stored judge by judge."""
        if pairs.shape[1] == len(self.i):
            return pairs
        total: Floats = pairs.reshape(len(pairs), -1, len(self.i)).sum(1)
        return total

    def _net(self, pairs: Floats) -> Floats:
        """Return (P, n): an item's sum over pairs (P, J * K) where it is first, minus those where it is second."""
        square = np.zeros((len(pairs), self.n, self.n))
        square[:, self.i, self.j] = self._of_all_judges(pairs)
        net: Floats = square.sum(axis=2) - square.sum(axis=1)
        return net
