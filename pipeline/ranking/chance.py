"""How strongly rankings agree by chance: the distribution of Kendall's W when every ranking is drawn at random."""

from functools import lru_cache
from itertools import permutations
from math import factorial, log
from typing import NamedTuple

import numpy as np

from .blocks import over_blocks
from .codes import Codes, dense
from .special import beta_cdf, log_gamma
from .tally import Floats

MOST_WORK = 1_000_000
"""Sums of ranks that are enumerated for an exact distribution, at 0.1 s a million."""

MOST_RANKINGS = 100
"""Rankings of three candidates and more up to which a distribution is enumerated."""

BLOCK = 16_384
"""Combinations of sums that are looked at together."""

_INT16 = np.iinfo(np.int16).max
_ROUNDING = 1e-9


class Sums(NamedTuple):
    """What decides how far the rankings of P prompts agree: sums of squares of doubled mid-ranks, less their mean.

    They are integers, so few different ones come up, and what follows from them is found for each only once.

    Attributes:
        spread: (P,) 4S, the squared length of the sum of the rankings.
        total: (P,) the sum of 4N, N being the squared length of a ranking; 0 for one that is missing or all tied.
        squares: (P,) the sum of (4N)².
        counted: (P,) the number of rankings that are neither.
    """

    spread: Codes
    total: Codes
    squares: Codes
    counted: Codes

    def put(self, block: slice, doubled: Codes) -> None:
        """Enter the sums of some prompts, from their rankings (n, m, P)."""
        items, rankings, _ = doubled.shape
        narrow = items**3 < _INT16 and items * rankings < _INT16
        wide = doubled.astype(np.int16 if narrow else np.int64)
        spread = wide.sum(1, dtype=wide.dtype).astype(np.int64)
        norms = np.multiply(wide, wide, out=wide).sum(0, dtype=wide.dtype).astype(np.int64)
        self.spread[block] = np.square(spread, out=spread).sum(0)
        self.total[block] = norms.sum(0)
        self.squares[block] = (norms * norms).sum(0)
        self.counted[block] = (norms > 0).sum(0)

    def distinct(self) -> tuple["Sums", Codes]:
        """Return those that differ, and which of them each prompt has."""
        codes = np.zeros(len(self.spread), np.int64)
        count = 1
        for column in (self.counted, self.total, self.squares, self.spread):
            part, values = dense(column, int(column.max(initial=0)) + 1)
            codes, found = dense(codes * len(values) + part, count * len(values))
            count = len(found)
        example = np.zeros(count, np.int64)
        example[codes] = np.arange(len(codes))
        return Sums(self.spread[example], self.total[example], self.squares[example], self.counted[example]), codes


def agreement_p_values(sums: Sums, items: int) -> Floats:
    """Return the chance that random rankings agree at least as much as those observed.

    Each of m rankings is a vector of n mid-ranks, less their mean. Under the null hypothesis each is permuted at
    random, its ties kept. Rankings of ties only carry no information and are left out. Where the others hold no ties
    and m and n are small, the distribution is enumerated; where they hold ties, `tied_chance.tied_p_values` does so.
    Elsewhere W is taken to follow the Beta distribution that has its exact mean 1/m and its exact variance, which is
    2(m-1)/(m³(n-1)) without ties and 2((ΣN)² - ΣN²)/((n-1)m²(ΣN)²) in general, N being a ranking's squared length;
    the result is never below the chance that rankings without ties are all the same. Without ties, where m and n are
    too large to be enumerated, p-values below 0.2 are then off by at most 0.005 (0.01 for more than a hundred rankings
    of three candidates). With ties that are not enumerated, they are off by some hundredths; with two or three levels
    only, by up to 0.13.

    Args:
        sums: What the rankings of P prompts add up to.
        items: n.

    Returns:
        (P,) p-values; NaN with fewer than two rankings that are not all tied.
    """
    different, codes = sums.distinct()
    tails = np.full(len(different.spread), np.nan)
    several = different.counted >= 2
    untied = several & (different.total == different.counted * full_length(items))
    for count in np.unique(different.counted[untied]):
        exact = exact_spread(int(count), items)
        if exact is not None:
            rows = untied & (different.counted == count)
            values, chances = exact
            tails[rows] = chances[np.searchsorted(values, different.spread[rows] / 4 - 1e-6)]
    left = np.flatnonzero(several & np.isnan(tails))

    def approximate(block: slice) -> None:
        rows = left[block]
        spread, total, squares, counted = (part[rows].astype(np.float64) for part in different)
        tails[rows] = _beta_tail(spread, total, squares, counted, items)

    over_blocks(len(left), BLOCK, approximate)
    return tails.take(codes)


def full_length(items: int) -> int:
    """Return 4N of a ranking of so many items without ties, as `Sums` has it."""
    return (items**3 - items) // 3


def _beta_tail(spread: Floats, total: Floats, squares: Floats, counted: Floats, items: int) -> Floats:
    mean = 1 / counted
    variance = 2 * (total**2 - squares) / ((items - 1) * counted**2 * total**2)
    size = mean * (1 - mean) / variance - 1
    size = np.maximum(size, 1e-3)
    all_equal = np.exp((1 - counted) * float(log_gamma(np.array([items + 1.0]))[0]))
    return np.maximum(1 - beta_cdf(spread / (counted * total), mean * size, (1 - mean) * size), all_equal)


def chance_of_agreement(rankings: int, items: int, w: float) -> float:
    """Return the chance that m random rankings of n items, without ties, reach a given W."""
    if w <= 0:
        return 1.0
    if w > 1 + _ROUNDING:
        return 0.0
    full = float(full_length(items))
    spread = (w - _ROUNDING) * rankings**2 * full
    exact = exact_spread(rankings, items)
    if exact is not None:
        values, tails = exact
        return float(np.append(tails, 0.0)[np.searchsorted(values, spread / 4)])
    one = np.array([[spread], [rankings * full], [rankings * full**2], [rankings]], np.float64)
    return float(_beta_tail(one[0], one[1], one[2], one[3], items)[0])


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
