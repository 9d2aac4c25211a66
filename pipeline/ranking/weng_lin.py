"""Ratings with uncertainty, updated match by match, each of any number of items: Weng and Lin's, and TrueSkill."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np

from .codes import Codes, position_in_group
from .special import normal_cdf
from .tally import Floats


@dataclass(frozen=True)
class Skills:
    """The posterior belief about each item after the last match.

    Attributes:
        scores: (P, n), the mean of the belief, higher is better; the unit is that of `mu`.
        standard_deviations: (P, n), of the belief. They are the filter's own and not standard errors: it keeps no
            correlations, so in a small closed group it soon treats the common level as known. There, with two items per
            match, TrueSkill's can be used for leads (the root of the sum of two squares covers 93 to 98 % at the 95 %
            level), but not for single scores; after hundreds of matches Weng and Lin's can be used for neither.
        matches: (P,), how many matches were played.
    """

    scores: Floats
    standard_deviations: Floats
    matches: Codes

    @property
    def conservative(self) -> Floats:
        """(P, n): mean minus three standard deviations, the usual leaderboard score."""
        return self.scores - 3 * self.standard_deviations


class Update(Protocol):
    """A match's update: means and variances (B, K), lead in rank (B, K, K) and who met whom (B, K, K)."""

    def __call__(self, mean: Floats, variance: Floats, lead: Floats, met: Floats) -> tuple[Floats, Floats]: ...


def weng_lin(
    prompt: Codes,
    items: Codes,
    ranks: Floats,
    *,
    shape: tuple[int, int],
    mu: float = 25.0,
    sigma: float = 25 / 3,
    beta: float = 25 / 6,
    tau: float = 0.0,
    kappa: float = 1e-4,
) -> Skills:
    """Rate the n items of each of P prompts (`shape` is (P, n)) by Weng and Lin's Bradley-Terry update, full pairs.

    Match v, one of (V,), has the `items` (V, K) of its prompt, and their `ranks` (V, K): 1 best, equal where tied, nan
    for an empty seat. With c^2 = s_i^2 + s_j^2 + 2 beta^2 and p = 1 / (1 + e^((mu_j - mu_i) / c)), an item's mean moves
    by s_i^2 / c times (result - p), a tie being 1/2, and its variance shrinks by the factor 1 - (s_i / c) (s_i^2 / c^2)
    p (1 - p), both summed over its opponents; `kappa` is the smallest factor allowed, and `tau` is added in quadrature
    to the deviations before a match. Matches are used in the order given, and the order matters a little. Items without
    matches keep `mu` and `sigma`; conflicting matches pull in opposite directions; every result is finite. Source: Weng
    and Lin (2011), JMLR 12, algorithm 1.
    """

    def update(mean: Floats, variance: Floats, lead: Floats, met: Floats) -> tuple[Floats, Floats]:
        variance = variance + tau**2
        spread = np.sqrt(variance[:, :, None] + variance[:, None, :] + 2 * beta**2)
        chance = 0.5 + 0.5 * np.tanh((mean[:, :, None] - mean[:, None, :]) / (2 * spread))
        pull = met * ((1 + lead) / 2 - chance) / spread
        shrink = met * np.sqrt(variance)[:, :, None] / spread**3 * chance * (1 - chance)
        factor = np.maximum(1 - variance * shrink.sum(axis=2), kappa)
        return mean + variance * pull.sum(axis=2), variance * factor

    return _play(update, prompt, items, ranks, shape, mu, sigma)


def trueskill(
    prompt: Codes,
    items: Codes,
    ranks: Floats,
    *,
    shape: tuple[int, int],
    mu: float = 25.0,
    sigma: float = 25 / 3,
    beta: float = 25 / 6,
    tau: float = 25 / 300,
    draw_probability: float = 0.1,
    kappa: float = 1e-4,
) -> Skills:
    """Rate the n items of each of P prompts (`shape` is (P, n)) by TrueSkill's update, one player a team.

    Matches are given as for `weng_lin`. Each item performs at Normal(theta, beta^2), and the better performance wins
    unless they are within the draw margin, which follows from `draw_probability` for equal items (0: draws are evidence
    of exactly equal performances). With two items this is TrueSkill itself; with more, the corrections of all pairs are
    added up as in K-Sort Arena, which counts every pair as if it were a match of its own, so the deviations shrink too
    fast; `kappa` is the smallest factor allowed for a variance. Matches are used in the order given, and the order
    matters a little. Items without matches keep `mu` and `sigma`; conflicting matches pull in opposite directions;
    every result is finite. Source: Herbrich, Minka and Graepel (2006), NIPS 19; "K-Sort Arena" (arXiv 2408.14468), for
    more than two items.

    Raises:
        ValueError: if `draw_probability` is below 0 or not below 1.
    """
    if not 0 <= draw_probability < 1:
        raise ValueError(f"draw_probability must be at least 0 and below 1, not {draw_probability}")
    margin = NormalDist().inv_cdf((1 + draw_probability) / 2) * math.sqrt(2) * beta

    def update(mean: Floats, variance: Floats, lead: Floats, met: Floats) -> tuple[Floats, Floats]:
        variance = variance + tau**2
        spread = np.sqrt(variance[:, :, None] + variance[:, None, :] + 2 * beta**2)
        ahead, allowed = (mean[:, :, None] - mean[:, None, :]) / spread, margin / spread
        decided = (met > 0) & (lead != 0)
        moved, shrunk = np.zeros_like(ahead), np.zeros_like(ahead)
        sign = lead[decided]
        moved[decided], shrunk[decided] = _win(sign * ahead[decided] - allowed[decided])
        moved[decided] *= sign
        drawn = (met > 0) & (lead == 0)
        moved[drawn], shrunk[drawn] = _draw(ahead[drawn], allowed[drawn])
        factor = np.maximum(1 - variance * (shrunk / spread**2).sum(axis=2), kappa)
        return mean + variance * (moved / spread).sum(axis=2), variance * factor

    return _play(update, prompt, items, ranks, shape, mu, sigma)


def _play(
    update: Update, prompt: Codes, items: Codes, ranks: Floats, shape: tuple[int, int], mu: float, sigma: float
) -> Skills:
    """Play the first match of every prompt, then the second of every prompt, and so on."""
    mean, variance = np.full(shape, float(mu)), np.full(shape, float(sigma) ** 2)
    by_prompt = np.argsort(prompt, kind="stable")
    turn = np.empty(len(prompt), dtype=np.int64)
    turn[by_prompt] = position_in_group(prompt[by_prompt])
    by_turn = np.argsort(turn, kind="stable")
    for now in np.split(by_turn, np.cumsum(np.bincount(turn))[:-1]) if len(turn) else ():
        seated = ~np.isnan(ranks[now])
        met = seated[:, :, None] & seated[:, None, :] & ~np.eye(ranks.shape[1], dtype=bool)
        place = np.where(seated, ranks[now], 0.0)
        lead = np.where(met, np.sign(place[:, None, :] - place[:, :, None]), 0.0)
        row, item = prompt[now][:, None], np.where(seated, items[now], 0)
        moved = update(mean[row, item], variance[row, item], lead, met.astype(float))
        rows = np.broadcast_to(row, item.shape)[seated]
        mean[rows, item[seated]], variance[rows, item[seated]] = moved[0][seated], moved[1][seated]
    return Skills(mean, np.sqrt(variance), np.bincount(prompt, minlength=shape[0]))


def _density(x: Floats) -> Floats:
    found: Floats = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return found


def _win(x: Floats) -> tuple[Floats, Floats]:
    """Return the corrections of mean and variance, v = N(x) / Phi(x) and w = v (v + x), for a winner's lead x."""
    near, far = np.maximum(x, -30.0), np.minimum(x, -30.0)
    v = np.where(x > -30, _density(near) / normal_cdf(near), -far - 1 / far + 2 / far**3)  # the first terms of the tail
    return v, v * (v + x)


def _draw(x: Floats, margin: Floats) -> tuple[Floats, Floats]:
    """Return the corrections of mean and variance after a draw, for any lead x."""
    low, high = -margin - np.abs(x), margin - np.abs(x)
    inside = normal_cdf(high) - normal_cdf(low)
    likely = inside > 1e-200
    inside = np.where(likely, inside, 1.0)
    v = np.where(likely, (_density(low) - _density(high)) / inside, high)  # in the limit the lead falls to the margin
    w = np.where(likely, v**2 + (high * _density(high) - low * _density(low)) / inside, 1.0)
    return v * np.where(x < 0, -1.0, 1.0), w
