"""How strongly rankings with ties agree by chance: exact p-values for few rankings and candidates.

Each ranking is randomly permuted, keeping its ties. The possible sums are enumerated ranking by ranking; as the order
of candidates does not matter, sums are kept sorted, and equal ones only once.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from math import factorial, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .tally import Floats

MOST_RANKINGS = {3: 30, 4: 6, 5: 4, 6: 2, 7: 2}
"""By the number of candidates: so many rankings that all their ways to hold ties take seconds to enumerate."""

MOST_ORDERS = 2000
"""Of all rankings but the one that has most: up to so many, any number of rankings is enumerated."""

MOST_ITEMS = 12
HEAVILY_TIED = 0.775
"""The squared length of rankings with two levels is at most this share of that without ties; few others are cheap."""


def tied_p_values(doubled: NDArray[np.signedinteger[Any]], spread: Codes) -> Floats:
    """Return (P,) the probability that the sum of the rankings, each randomly permuted, is at least as long.

    Args:
        doubled: (n, m, P) twice the centred mid-ranks; 0 throughout for a ranking that is missing or all tied.
        spread: (P,) the squared length of the sum of the rankings.

    Returns:
        The probabilities; NaN if that is too much work.
    """
    items = len(doubled)
    ascending = np.sort(doubled, axis=0)
    rises = ascending[1:] != ascending[:-1]
    patterns = np.sort((rises.astype(np.int64) << np.arange(items - 1)[:, None, None]).sum(0), axis=0)
    orders = _log_orders(items)[patterns]
    few = (patterns > 0).sum(0) <= MOST_RANKINGS.get(items, 0)
    few |= orders.sum(0) - orders.max(0, initial=0) <= np.log(MOST_ORDERS)
    chances = np.full(len(spread), np.nan)
    places = np.flatnonzero(few)
    different, codes = np.unique(patterns[:, few], axis=1, return_inverse=True)
    for number, example in enumerate(different.T.tolist()):
        rows = places[codes == number]
        told = sorted((pattern for pattern in example if pattern), key=lambda one: -_order_count(one, items))
        values, tails = _tails(tuple(told), items)
        chances[rows] = tails[np.searchsorted(values, spread[rows])]
    return chances


def _group_sizes(pattern: int, items: int) -> list[int]:
    """Return how many candidates share each rank of a ranking of which bit i says that candidate i + 1 is below i."""
    rank = np.cumsum([0, *(pattern >> place & 1 for place in range(items - 1))])
    return [int(size) for size in np.bincount(rank)]


@lru_cache(maxsize=MOST_ITEMS)
def _log_orders(items: int) -> Floats:
    """Return the logarithm of the number of orders of a ranking, by its pattern of ties."""
    return np.log([_order_count(pattern, items) for pattern in range(1 << items - 1)])


def _order_count(pattern: int, items: int) -> int:
    return factorial(items) // prod(map(factorial, _group_sizes(pattern, items)))


@lru_cache(maxsize=4096)
def _tails(patterns: tuple[int, ...], items: int) -> tuple[Codes, Floats]:
    """Return the squared lengths that the sum can have, ascending, and the chance of each or more."""
    sums, chances = _sums(patterns, items)
    values, codes = np.unique((sums**2).sum(1), return_inverse=True)
    return values, np.minimum(np.bincount(codes, chances)[::-1].cumsum()[::-1], 1.0)


@lru_cache(maxsize=4096)
def _sums(patterns: tuple[int, ...], items: int) -> tuple[Codes, Floats]:
    """Return what rankings with such ties can add up to, each sum sorted, with their chances."""
    if len(patterns) == 1:
        one = [value for value, count in _doubled_midranks(patterns[0], items) for _ in range(count)]
        return np.array([one]), np.ones(1)
    orders = _orders(patterns[-1], items)
    before, chances = _sums(patterns[:-1], items)
    grown = np.sort((before[:, None] + orders).reshape(-1, items), axis=1)
    reach = len(patterns) * items
    keys = (grown + reach) @ (2 * reach + 1) ** np.arange(items)
    _, first, codes = np.unique(keys, return_index=True, return_inverse=True)
    return grown[first], np.bincount(codes, np.repeat(chances / len(orders), len(orders))).astype(np.float64)


@lru_cache(maxsize=512)
def _orders(pattern: int, items: int) -> Codes:
    """Return all orders of a ranking, as doubled mid-ranks less their mean."""
    return np.array(list(_arrangements(_doubled_midranks(pattern, items))))


def _doubled_midranks(pattern: int, items: int) -> tuple[tuple[int, int], ...]:
    """Return twice the mid-ranks of a ranking, less their mean, and how many candidates have each."""
    sizes = _group_sizes(pattern, items)
    return tuple((2 * end - size - items, size) for end, size in zip(accumulate(sizes), sizes, strict=True))


def _arrangements(left: tuple[tuple[int, int], ...]) -> Iterator[list[int]]:
    """Yield the orders of values, each of which is there so many times."""
    if not left:
        yield []
    for place, (value, count) in enumerate(left):
        rest = ((value, count - 1),) if count > 1 else ()
        for others in _arrangements(left[:place] + rest + left[place + 1 :]):
            yield [value, *others]
