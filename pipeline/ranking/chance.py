"""How strongly rankings agree by chance: the distribution of Kendall's W if every ranking is random."""

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
"""The most rank sums that are enumerated for an exact distribution, at 0.1 s per million."""

MOST_RANKINGS = 100
"""The most rankings of three or more candidates for which a distribution is enumerated."""

BLOCK = 16_384
"""Combinations of sums that are processed together."""

_INT16 = np.iinfo(np.int16).max
_INT64 = np.iinfo(np.int64).max
_ROUNDING = 1e-9


class Sums(NamedTuple):
    """What the p-values of P prompts depend on: sums of squares of doubled, centred mid-ranks.

    They are integers, so few distinct ones occur, and each distinct one needs to be evaluated only once.

    Attributes:
        spread: (P,) 4S, the squared length of the sum of the rankings.
        total: (P,) the sum of 4N, N being the squared length of a ranking; a missing or all-tied one adds 0.
        squares: (P,) the sum of (4N)².
        counted: (P,) the number of rankings that are neither missing nor all tied.
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
        """Return the distinct ones, and the index of each prompt's among them."""
        codes, bound = np.zeros(len(self.spread), np.int64), 1
        for column in self:
            part, values = column, int(column.max(initial=0)) + 1
            if bound * values > _INT64:
                codes, found = dense(codes, bound)
                part, kept = dense(part, values)
                bound, values = len(found), len(kept)
            codes, bound = codes * values + part, bound * values
        codes, found = dense(codes, bound)
        count = len(found)
        example = np.zeros(count, np.int64)
        example[codes] = np.arange(len(codes))
        return Sums(self.spread[example], self.total[example], self.squares[example], self.counted[example]), codes


def agreement_p_values(sums: Sums, items: int) -> Floats:
    """Return the probability that random rankings agree at least as much as the observed ones.

    Each of m rankings is a vector of n centred mid-ranks. Under the null hypothesis each is randomly permuted, keeping
    its ties. All-tied rankings carry no information and are left out. If the others have no ties and m and n are small,
    the distribution is enumerated; if they have ties, `tied_chance.tied_p_values` does so. Otherwise W is approximated
    by the Beta distribution with its exact mean 1/m and its exact variance, which is 2(m-1)/(m³(n-1)) without ties and
    2((ΣN)² - ΣN²)/((n-1)m²(ΣN)²) in general, N being a ranking's squared length; the result is never below the
    probability that rankings without ties are all the same. Without ties, if m and n are too large to enumerate, the
    error of p-values below 0.2 is then at most 0.005 (0.01 for more than a hundred rankings of three candidates). With
    ties that are not enumerated, it is a few hundredths; with only two or three levels, up to 0.13.

    Args:
        sums: The sums of the rankings of P prompts.
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
    """Return 4N, as in `Sums`, of a ranking of the given number of items without ties."""
    return (items**3 - items) // 3


def _beta_tail(spread: Floats, total: Floats, squares: Floats, counted: Floats, items: int) -> Floats:
    mean = 1 / counted
    variance = 2 * (total**2 - squares) / ((items - 1) * counted**2 * total**2)
    size = mean * (1 - mean) / variance - 1
    size = np.maximum(size, 1e-3)
    all_equal = np.exp((1 - counted) * float(log_gamma(np.array([items + 1.0]))[0]))
    return np.maximum(1 - beta_cdf(spread / (counted * total), mean * size, (1 - mean) * size), all_equal)


def chance_of_agreement(rankings: int, items: int, w: float) -> float:
    """Return the probability that m random rankings of n items, without ties, reach a given W."""
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
    """Return the values that S can take, ascending, and their upper tail probabilities; None if too costly."""
    sums = _coin_flips(rankings) if items == 2 else _rank_sums(rankings, items)
    if sums is None:
        return None
    vectors, chances = sums
    values, codes = np.unique(((2 * vectors - rankings * (items + 1)) ** 2).sum(1), return_inverse=True)
    tails = np.bincount(codes, chances)[::-1].cumsum()[::-1]
    return values / 4, np.minimum(tails, 1.0)


def _coin_flips(rankings: int) -> tuple[Codes, Floats]:
    """Return the possible rank sums of m rankings of two candidates, with their probabilities."""
    heads = np.arange(rankings + 1)
    factorials = log_gamma(np.arange(1.0, rankings + 2))
    log_chances = factorials[-1] - factorials - factorials[::-1] - rankings * log(2)
    return np.stack([rankings + heads, 2 * rankings - heads], axis=1), np.exp(log_chances)


@lru_cache(maxsize=512)
def _rank_sums(rankings: int, items: int) -> tuple[Codes, Floats] | None:
    """Return the possible rank sums of m rankings, each sorted (S does not change), with their probabilities."""
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
