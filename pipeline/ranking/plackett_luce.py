"""The Plackett-Luce model of rankings: from the top, each place is drawn from the remaining items."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .tally import Floats

LARGEST_TIE = 12
MAX_STEPS = 100
MAX_HALVINGS = 30
GAIN_LEFT = 1e-12
BLOCK = 1 << 22
"""Entries of the widest intermediate array: 32 MB, whatever the number of rankings."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class PlackettLuce:
    """The fit of a Plackett-Luce model.

    Attributes:
        scores: (P, n) in logits, summing to zero in each prompt, higher is better.
        standard_errors: (P, n), of the scores under that constraint.
        covariance: (P, n, n); the variance of a difference is `c[i, i] + c[j, j] - 2 * c[i, j]`.
        prior_sd: The standard deviation of the prior of the scores.
        iterations: Newton steps of the slowest prompt.
        converged: (P,).
    """

    scores: Floats
    standard_errors: Floats
    covariance: Floats
    prior_sd: float
    iterations: int
    converged: Bools


@dataclass(frozen=True)
class _Choices:
    """C choices per prompt, padded with weight 0: who was available (P, C, n), how often (P, C), who won (P, n)."""

    present: Bools
    weights: Floats
    chosen: Floats


def plackett_luce(ranks: Floats, *, weights: Floats | None = None, prior_sd: float = 2.5) -> PlackettLuce:
    """Fit Plackett-Luce scores to the m rankings of each of P prompts: an item is drawn with odds e^theta.

    `ranks` (P, m, n) holds each ranking's ranks, 1 best, equal where tied, nan where an item was not ranked; only their
    order counts. `weights` (P, m) counts a ranking several times, or not at all. Rankings of two items make this the
    Bradley-Terry model with ties as half a win for each.

    The estimate is the posterior mode under theta ~ Normal(0, prior_sd^2), found by Newton's method; a `prior_sd` of
    1e4 gives the maximum-likelihood estimate wherever it exists. Tied items enter with the mean log-likelihood over all
    their orders, half the weight for each order of two. An item that was not ranked is not in the choice, so it neither
    wins nor loses; if no ranking has it, its score is 0 and its standard error as wide as the prior (0 if it is alone).
    Rankings that contradict each other are averaged.

    Source: Luce (1959); Plackett (1975), Applied Statistics 24; Hunter (2004), Annals of Statistics 32.

    Raises:
        UsageError: if more than 12 items share a rank, since the orders of k tied items take 2^k terms.
        ValueError: if `prior_sd` is not a positive finite number.
    """
    if not 0 < prior_sd < math.inf:
        raise ValueError(f"prior_sd must be positive and finite, not {prior_sd}")
    prompts, m, n = ranks.shape
    weights = np.ones((prompts, m)) if weights is None else weights
    choices = _choices(ranks, weights)
    scores, converged = np.zeros((prompts, n)), np.zeros(prompts, dtype=bool)
    objective = _look(choices, scores, prior_sd)
    iterations = 0
    while not converged.all() and iterations < MAX_STEPS:
        iterations += 1
        gradient, information = _slopes(choices, scores, prior_sd)
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        converged |= (gradient * step).sum(axis=1) < GAIN_LEFT
        share = np.ones((prompts, 1))
        for _ in range(MAX_HALVINGS):
            trial = _look(choices, scores + share * step, prior_sd)
            worse = trial < objective - 1e-12 * (1 + np.abs(objective))
            if not worse.any():
                break
            share[worse] /= 2
        scores, objective = scores + share * step, trial
    _, information = _slopes(choices, scores, prior_sd)
    # The mean of a prompt's scores is fixed, so its part of the inverse is not uncertainty.
    covariance = np.linalg.inv(information) - (1 / (n * (1 + prior_sd**-2)) if n else 0.0)
    errors = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    return PlackettLuce(scores, errors, covariance, prior_sd, iterations, converged)


def _look(choices: _Choices, scores: Floats, prior_sd: float) -> Floats:
    """Return the log-posterior (P,) up to a constant."""
    found: Floats = (choices.chosen * scores).sum(axis=1) - (scores**2).sum(axis=1) / 2 / prior_sd**2
    for weights, _, total in _shares(choices, scores):
        found -= (weights * total).sum(axis=1)
    return found


def _slopes(choices: _Choices, scores: Floats, prior_sd: float) -> tuple[Floats, Floats]:
    """Return the gradient (P, n) and the information (P, n, n)."""
    prompts, n = scores.shape
    gradient = choices.chosen - scores / prior_sd**2
    information = np.full((prompts, n, n), 1 / max(n, 1))  # the constant fixes the mean
    diagonal = np.arange(n)
    information[:, diagonal, diagonal] += prior_sd**-2
    for weights, shares, _ in _shares(choices, scores):
        weighted = weights[:, :, None] * shares
        expected = weighted.sum(axis=1)
        gradient -= expected
        information[:, diagonal, diagonal] += expected
        information -= shares.transpose(0, 2, 1) @ weighted
    return gradient, information


def _shares(choices: _Choices, scores: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield, for a block of choices at a time, their weights, every item's chance and the log of the sum of odds."""
    prompts, count, n = choices.present.shape
    width = max(1, BLOCK // max(1, prompts * n))
    for start in range(0, count, width):
        present, weights = choices.present[:, start : start + width], choices.weights[:, start : start + width]
        held = np.where(present, scores[:, None, :], -math.inf)
        top = np.where(weights > 0, held.max(axis=2), 0.0)  # padding has nobody to choose from
        odds = np.exp(held - top[:, :, None])
        total = np.where(weights > 0, odds.sum(axis=2), 1.0)
        yield weights, odds / total[:, :, None], np.log(total) + top


def _choices(ranks: Floats, weights: Floats) -> _Choices:
    """Return the choices that the rankings imply: one for each place, with ties spread over all their orders."""
    prompts, m, n = ranks.shape
    flat, weight, prompt = ranks.reshape(prompts * m, n), weights.reshape(-1), np.repeat(np.arange(prompts), m)
    used = weight > 0
    flat, weight, prompt = flat[used], weight[used], prompt[used]
    tied = flat[:, :, None] == flat[:, None, :]
    leads = tied.any(axis=2) & ~np.tril(tied, -1).any(axis=2)  # the first item of each group of tied ones
    row, item = np.nonzero(leads)
    group, size = tied[row, item], tied[row, item].sum(axis=1)
    below = flat[row] > flat[row, item][:, None]
    if size.size and size.max() > LARGEST_TIE:
        raise UsageError(
            f"The Plackett-Luce model takes at most {LARGEST_TIE} items at the same rank, and here are {size.max()}.",
            "Use borda or davidson, which take ties of any size.",
        )
    chosen = np.zeros((prompts, n))
    np.add.at(chosen, prompt, weight[:, None] * tied.any(axis=2))
    presents, counts, owners = [np.zeros((0, n), dtype=bool)], [np.zeros(0)], [np.zeros(0, dtype=np.intp)]
    for k in np.unique(size):
        these = size == k
        left = (np.arange(1, 1 << k)[:, None] >> np.arange(k) & 1).astype(bool)  # who of the tied is still there
        share = np.array([1 / math.comb(k, int(among.sum())) for among in left])
        members = np.nonzero(group[these])[1].reshape(-1, k)
        present = np.repeat(below[these][:, None, :], len(left), axis=1)
        rows, subsets, places = np.nonzero(np.broadcast_to(left, (len(members), *left.shape)))
        present[rows, subsets, members[rows, places]] = True
        presents.append(present.reshape(-1, n))
        counts.append((weight[row[these]][:, None] * share).reshape(-1))
        owners.append(np.repeat(prompt[row[these]], len(left)))
    present, count, owner = np.concatenate(presents), np.concatenate(counts), np.concatenate(owners)
    open_choice = present.sum(axis=1) > 1
    np.subtract.at(chosen, owner[~open_choice], count[~open_choice, None] * present[~open_choice])
    return _by_prompt(present[open_choice], count[open_choice], owner[open_choice], chosen)


def _by_prompt(present: Bools, count: Floats, owner: NDArray[np.intp], chosen: Floats) -> _Choices:
    order = np.argsort(owner, kind="stable")
    present, count, owner = present[order], count[order], owner[order]
    sizes = np.bincount(owner, minlength=len(chosen))
    place = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shape = (len(chosen), int(sizes.max(initial=0)))
    padded, weights = np.zeros((*shape, chosen.shape[1]), dtype=bool), np.zeros(shape)
    padded[owner, place], weights[owner, place] = present, count
    return _Choices(padded, weights, chosen)
