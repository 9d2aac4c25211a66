"""How strongly rankings agree by chance: the distribution of Kendall's W when every ranking is drawn at random."""

from functools import lru_cache
from itertools import permutations
from math import factorial, log

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .special import beta_cdf, log_gamma
from .tally import Floats

MOST_WORK = 1_000_000
"""Sums of ranks that are enumerated for an exact distribution, at 0.1 s a million."""

MOST_RANKINGS = 100
"""Rankings of three candidates and more up to which a distribution is enumerated."""

_ROUNDING = 1e-9


def agreement_p_values(spread: Floats, norms: Floats, items: int) -> Floats:
    """Return the chance that random rankings agree at least as much as those observed.

    Each of m rankings is a vector of n mid-ranks, less their mean. Under the null hypothesis each is permuted at
    random, its ties kept. Rankings of ties only carry no information and are left out. Where the others hold no ties
    and m and n are small, the distribution is enumerated. Elsewhere W is taken to follow the Beta distribution that
    has its exact mean 1/m and its exact variance, which is 2(m-1)/(m³(n-1)) without ties and
    2((ΣN)² - ΣN²)/((n-1)m²(ΣN)²) in general, N being a ranking's squared length. Without ties, where m
    and n are too large to be enumerated, p-values below 0.2 are then off by at most 0.005 (0.01 for more than a hundred
    rankings of three candidates); with ties and fewer than five candidates by some hundredths.

    Args:
        spread: (P,) S, the squared length of the sum of the rankings.
        norms: (P, m) N, 0 for a ranking that is missing or all tied.
        items: n.

    Returns:
        (P,) p-values; NaN with fewer than two rankings that are not all tied.
    """
    counted = (norms > 0).sum(1)
    total = norms.sum(1)
    untied = np.abs(norms.max(1, initial=0) * counted - total) < _ROUNDING
    untied &= np.abs(norms.max(1, initial=0) - _full_norm(items)) < _ROUNDING
    p_values = np.full(len(spread), np.nan)
    for count in np.unique(counted[untied & (counted >= 2)]):
        rows = untied & (counted == count)
        values, tails = exact_spread(int(count), items) or _beta_spread(np.unique(spread[rows]), int(count), items)
        p_values[rows] = tails[np.searchsorted(values, spread[rows] - 1e-6)]
    left = ~untied & (counted >= 2)
    p_values[left] = _beta_tail(spread[left], norms[left], counted[left], items)
    return p_values


def _full_norm(items: int) -> float:
    return (items**3 - items) / 12


def _beta_spread(spread: Floats, rankings: int, items: int) -> tuple[Floats, Floats]:
    """Return values of S, and the approximate chance that rankings without ties reach each."""
    norms = np.full((len(spread), rankings), _full_norm(items))
    return spread, _beta_tail(spread, norms, np.full(len(spread), rankings), items)


def _beta_tail(spread: Floats, norms: Floats, counted: NDArray[np.int_], items: int) -> Floats:
    total, squares = norms.sum(1), (norms**2).sum(1)
    mean = 1 / counted
    variance = 2 * (total**2 - squares) / ((items - 1) * counted**2 * total**2)
    size = mean * (1 - mean) / variance - 1
    size = np.maximum(size, 1e-3)
    return 1 - beta_cdf(spread / (counted * total), mean * size, (1 - mean) * size)


def chance_of_agreement(rankings: int, items: int, w: float) -> float:
    """Return the chance that m random rankings of n items, without ties, reach a given W."""
    if w <= 0:
        return 1.0
    if w > 1 + _ROUNDING:
        return 0.0
    norm = _full_norm(items)
    spread = (w - _ROUNDING) * rankings**2 * norm
    exact = exact_spread(rankings, items)
    if exact is not None:
        values, tails = exact
        return float(np.append(tails, 0.0)[np.searchsorted(values, spread)])
    return float(_beta_spread(np.array([spread]), rankings, items)[1][0])


@lru_cache(maxsize=512)
def exact_spread(rankings: int, items: int) -> tuple[Floats, Floats] | None:
    """Return the values that S can take, ascending, and the chance of each or more; nothing where that is much work."""
    sums = _coin_flips(rankings) if items == 2 else _rank_sums(rankings, items)
    if sums is None:
        return None
    vectors, chances = sums
    values, codes = np.unique(((2 * vectors - rankings * (items + 1)) ** 2).sum(1), return_inverse=True)
    tails = np.bincount(codes, chances)[::-1].cumsum()[::-1]
    return values / 4, np.minimum(tails, 1.0)


def _coin_flips(rankings: int) -> tuple[Codes, Floats]:
    """Return the sums of ranks that m rankings of two candidates can have, with their chances."""
    heads = np.arange(rankings + 1)
    factorials = log_gamma(np.arange(1.0, rankings + 2))
    log_chances = factorials[-1] - factorials - factorials[::-1] - rankings * log(2)
    return np.stack([rankings + heads, 2 * rankings - heads], axis=1), np.exp(log_chances)


@lru_cache(maxsize=512)
def _rank_sums(rankings: int, items: int) -> tuple[Codes, Floats] | None:
    """Return the sums of ranks that m rankings can have, each sorted (S does not change), with their chances."""
    if rankings == 1:
        return np.arange(1, items + 1)[None], np.ones(1)
    orders = factorial(items)
    before = _rank_sums(rankings - 1, items) if orders <= MOST_WORK and rankings <= MOST_RANKINGS else None
    if before is None or len(before[0]) * orders > MOST_WORK:
        return None
    vectors, chances = before
    one = np.array(list(permutations(range(1, items + 1))))
    grown = np.sort((vectors[:, None] + one).reshape(-1, items), axis=1)
    keys = grown @ (rankings * items + 1) ** np.arange(items)
    _, first, codes = np.unique(keys, return_index=True, return_inverse=True)
    sums: Codes = grown[first]
    likely = np.bincount(codes, np.repeat(chances / orders, orders)).astype(np.float64)
    return sums, likely
