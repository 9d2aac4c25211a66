"""Elo ratings: updated in the order of the votes, or averaged over many orders so that their order does not matter."""

import math
from dataclasses import dataclass

import numpy as np

from .codes import Codes, position_in_group
from .tally import Floats

BLOCK = 1 << 16


@dataclass(frozen=True)
class Elo:
    """The ratings after the last vote.

    Attributes:
        scores: (P, n), in Elo points, higher is better; their mean is `initial`.
        order_errors: (P, n), the standard error of the average over orders. It says whether there were enough
            permutations, and is not a sampling error of the votes. Infinite for a single order.
        permutations: The number of orders averaged; 0 means the order given.
        k: The step size of an update.
        initial: The rating before the first vote.
        scale: The lead that corresponds to odds of ten to one.
        seed: The seed of the permutations.
    """

    scores: Floats
    order_errors: Floats
    permutations: int
    k: float
    initial: float
    scale: float
    seed: int


def elo(
    prompt: Codes,
    first: Codes,
    second: Codes,
    points: Floats,
    *,
    shape: tuple[int, int],
    weights: Floats | None = None,
    k: float = 4.0,
    initial: float = 1000.0,
    scale: float = 400.0,
    permutations: int = 100,
    seed: int = 0,
) -> Elo:
    """Rate the n items of each of P prompts (`shape` is (P, n)) by Elo, averaged over random orders of the votes.

    Each vote v of (V,) compares two items of its prompt and gave `points[v]` to the first: 1, 1/2 for a tie, or 0;
    graded outcomes in between are allowed. It moves the ratings by k times its weight times the points minus their
    expectation, 1 / (1 + 10^((R_second - R_first) / scale)). Conflicting votes pull in opposite directions, a pair
    without votes moves nothing, and an item without votes keeps the initial rating; every result is finite. A small k
    suits close items, a larger one clearly different ones; an average over orders is not transitive for near-equal
    items. For items that do not change, a Bradley-Terry fit is the better estimator, and the limit of this one.

    With 0 permutations the votes are used once, in the order given; otherwise that order does not matter at all. The
    permutations used for a prompt do not depend on the other prompts.

    Source: Elo (1978); "Elo Uncovered" (arXiv 2311.17295), for the averaging over at least 100 orders.

    Raises:
        ValueError: if `permutations` is negative.
    """
    if permutations < 0:
        raise ValueError(f"permutations must not be negative, not {permutations}")
    weights = np.ones(len(prompt)) if weights is None else weights
    keys = (prompt,) if permutations == 0 else (weights, points, second, first, prompt)
    by_prompt = np.lexsort(keys)
    prompt = prompt[by_prompt]
    place = position_in_group(prompt)
    longest = int(place.max(initial=-1)) + 1
    table = np.zeros((shape[0], longest, 4))
    table[prompt, place] = np.stack([first, second, points, k * weights], axis=1)[by_prompt]
    orders = np.arange(longest)[:, None]
    if permutations:
        # Drawn place by place, so that a longer prompt leaves the order of a shorter one's votes as it is.
        orders = np.argsort(np.random.default_rng(seed).random((longest, permutations)), axis=0)
    scores, errors = np.full(shape, float(initial)), np.full(shape, math.inf)
    width = max(1, BLOCK // orders.shape[1])
    for start in range(0, shape[0], width):
        part = slice(start, start + width)
        ratings = _play(table[part], orders, shape[1], initial, scale)
        scores[part] = ratings.mean(axis=1)
        if permutations > 1:
            errors[part] = ratings.std(axis=1, ddof=1) / math.sqrt(permutations)
    return Elo(scores, errors, permutations, k, initial, scale, seed)


def _play(table: Floats, orders: Codes, n: int, initial: float, scale: float) -> Floats:
    """Return the ratings (P, D, n) after the votes (P, L, 4) of each prompt in each of D orders (L, D)."""
    prompts, draws = len(table), orders.shape[1]
    ratings = np.full(prompts * draws * n, float(initial))
    begin = (np.arange(prompts)[:, None] * draws + np.arange(draws)) * n
    first, second = table[:, :, 0].astype(np.int64), table[:, :, 1].astype(np.int64)
    points, step = table[:, :, 2], table[:, :, 3]
    for turn in orders:
        one, two = begin + first[:, turn], begin + second[:, turn]
        ahead = ratings[one] - ratings[two]
        expected = 0.5 + 0.5 * np.tanh(ahead * (math.log(10) / (2 * scale)))
        moved = step[:, turn] * (points[:, turn] - expected)
        ratings[one] += moved
        ratings[two] -= moved
    return ratings.reshape(prompts, draws, n)
