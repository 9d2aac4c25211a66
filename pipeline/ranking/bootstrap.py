"""The bootstrap over prompts: how far a leaderboard would move with other prompts of the same kind."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .tally import Floats, Tally

BLOCK = 1 << 22
"""Weights drawn at a time: 32 MB, whatever the number of prompts."""


@dataclass(frozen=True)
class Bootstrap:
    """An estimate from all prompts, and how it varies when they are drawn again.

    Attributes:
        scores: (n,), the estimate from all prompts.
        standard_errors: (n,), the standard deviation over draws; infinite with fewer than two prompts.
        lower: (n,), the lower end of the percentile interval; minus infinity with fewer than two prompts.
        upper: (n,), the upper end.
        resampled: (D, n), the estimate of each draw, from which a statement on any contrast or rank can be made.
        prompts: How many prompts had votes.
        level: The coverage that the interval aims at.
        seed: Of the draws.
    """

    scores: Floats
    standard_errors: Floats
    lower: Floats
    upper: Floats
    resampled: Floats
    prompts: int
    level: float
    seed: int


def bootstrap_prompts(
    tally: Tally, estimate: Callable[[Tally], Floats], *, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Bootstrap:
    """Draw whole prompts with replacement, and estimate anew from the counts of each draw.

    `tally` has one tournament a prompt, all over the same n items (models); `estimate` takes the tally of D
    leaderboards and returns their scores (D, n). Votes on one prompt are alike, because it suits one model more than
    another, so drawing votes one by one would make the errors too small, by half on real data; that is why prompts are
    drawn. What is drawn are counted cells, so the cost does not depend on the number of votes. Prompts without votes
    are left out. Ties, conflicts and missing pairs are as `estimate` takes them; it should not pool parameters over the
    leaderboards.

    Source: Efron and Tibshirani (1993), chapter 8; Field and Welsh (2007), JRSS B 69, for clusters.

    Raises:
        ValueError: if `draws` is below 2, or `level` not between 0 and 1.
    """
    if draws < 2:
        raise ValueError(f"draws must be at least 2, not {draws}")
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level}")
    parts = (tally.first_wins, tally.second_wins, tally.first_ties)
    voted = sum(part.sum(axis=(1, 2)) for part in parts) > 0
    prompts, n = int(voted.sum()), tally.first_wins.shape[1]
    cells = [part[voted].reshape(prompts, n * n) for part in parts]
    random = np.random.default_rng(seed)
    totals = [np.zeros((draws, n * n)) for _ in cells]
    width = max(1, BLOCK // max(1, prompts))
    for start in range(0, draws, width):
        size = min(width, draws - start)
        weights = np.zeros((size, prompts))
        for draw in range(size if prompts else 0):
            weights[draw] = np.bincount(random.integers(prompts, size=prompts), minlength=prompts)
        for total, cell in zip(totals, cells, strict=True):
            total[start : start + size] = weights @ cell
    scores = estimate(Tally(*(cell.sum(axis=0).reshape(1, n, n) for cell in cells)))[0]
    resampled = estimate(Tally(*(total.reshape(draws, n, n) for total in totals)))
    if prompts < 2:
        unknown = np.full(n, math.inf)
        return Bootstrap(scores, unknown, -unknown, unknown, resampled, prompts, level, seed)
    lower, upper = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Bootstrap(scores, resampled.std(axis=0, ddof=1), lower, upper, resampled, prompts, level, seed)
