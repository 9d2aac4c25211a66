"""Bradley–Terry with Firth's correction: finite scores for items that always win, with nothing to tune."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .connectivity import reachable
from .tally import Floats, Tally

MAX_STEPS = 200
MAX_HALVINGS = 30
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Firth:
    """The bias-reduced Bradley–Terry fit.

    Attributes:
        scores: (P, n) in logits, higher is better; the scores of items that comparisons connect sum to zero.
        standard_errors: (P, n), of scores that sum to zero in a prompt; infinite for all items of a prompt whose
            comparisons do not connect them, since no vote relates its groups to each other.
        covariance: (P, n, n), within connected items; the variance of a difference of two connected items is
            `c[i, i] + c[j, j] - 2 * c[i, j]`.
        iterations: The number of steps for the slowest prompt.
        converged: (P,).
    """

    scores: Floats
    standard_errors: Floats
    covariance: Floats
    iterations: int
    converged: NDArray[np.bool_]


def firth(tally: Tally) -> Firth:
    """Fit P(i beats j) = 1 / (1 + e^(theta_j - theta_i)) with the Jeffreys prior on the scores.

    The prior, half the log-determinant of the information, removes the first-order bias of maximum likelihood and makes
    every estimate finite, even for an item that never won or never lost. A tie counts as half a win for each side:
    scores are then the logits of expected points, closer together than those of `davidson`, and their standard errors
    are a little too wide. Conflicting votes count on both sides, missing pairs not at all. Slots make no difference, so
    a position effect also draws scores together. An item without votes has score 0, as do all items of an empty prompt.

    In simulations with six items, 95 % intervals contain the true value in 96 % of cases with thirty votes per item,
    and in 97 to 98 % with ten.

    Source: Firth (1993), Biometrika 80; the leverage form is that of Heinze and Schemper (2002), Stat. Med. 21.
    """
    points = tally.points
    votes = points + points.transpose(0, 2, 1)
    joined = reachable(votes > 0).astype(float)
    level = joined / np.maximum(joined.sum(axis=2, keepdims=True), 1)  # projects onto what the votes leave free
    prompts, n, _ = points.shape
    scores, converged = np.zeros((prompts, n)), np.zeros(prompts, dtype=bool)
    open_prompts = np.arange(prompts)
    iterations = 0
    while open_prompts.size and iterations < MAX_STEPS:
        iterations += 1
        now, here, there, flat = scores[open_prompts], points[open_prompts], votes[open_prompts], level[open_prompts]
        step = _step(now, here, there, flat)
        before = _objective(now, here, there, flat)
        share = np.ones((len(now), 1))
        for _ in range(MAX_HALVINGS):
            worse = _objective(now + share * step, here, there, flat) < before - 1e-10 * (1 + np.abs(before))
            if not worse.any():
                break
            share[worse] /= 2
        scores[open_prompts] = now + share * step
        settled = np.abs(share * step).max(axis=1, initial=0.0) < TOLERANCE
        converged[open_prompts[settled]] = True
        open_prompts = open_prompts[~settled]
    covariance = np.linalg.inv(_information(scores, votes) + level) - level
    errors = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    errors[~joined.all(axis=(1, 2))] = math.inf
    return Firth(scores, errors, covariance, iterations, converged)


def _odds(scores: Floats) -> Floats:
    """Return the probabilities (P, n, n) that i beats j."""
    return 0.5 + 0.5 * np.tanh((scores[:, :, None] - scores[:, None, :]) / 2)


def _information(scores: Floats, votes: Floats) -> Floats:
    chance = _odds(scores)
    between = votes * chance * (1 - chance)
    information = -between
    diagonal = np.arange(scores.shape[1])
    information[:, diagonal, diagonal] += between.sum(axis=2)
    return information


def _step(scores: Floats, points: Floats, votes: Floats, level: Floats) -> Floats:
    """Return a scoring step on votes to which each pair's leverage is added, half to each side."""
    inverse = np.linalg.inv(_information(scores, votes) + level)
    own = np.diagonal(inverse, axis1=1, axis2=2)
    chance = _odds(scores)
    leverage = votes * chance * (1 - chance) * (own[:, :, None] + own[:, None, :] - 2 * inverse)
    gradient = (points + leverage / 2 - (votes + leverage) * chance).sum(axis=2)
    step: Floats = (inverse @ gradient[:, :, None])[:, :, 0]
    return step


def _objective(scores: Floats, points: Floats, votes: Floats, level: Floats) -> Floats:
    """Return the penalised log-likelihood (P,)."""
    margins = scores[:, :, None] - scores[:, None, :]
    _, volume = np.linalg.slogdet(_information(scores, votes) + level)
    found: Floats = -(points * np.logaddexp(0, -margins)).sum(axis=(1, 2)) + volume / 2
    return found
