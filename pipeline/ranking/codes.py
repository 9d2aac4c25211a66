"""Integer codes: sparse keys made dense, so that everything else can be counted with one bincount."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.signedinteger[Any]]


COUNTED_TOGETHER = 1 << 20
"""Codes that are counted at once; numpy makes 64-bit copies of what it counts."""


def counted(codes: Codes, bound: int) -> NDArray[np.int64]:
    """Return (bound,): how often each code from 0 to below a bound occurs.

    >>> counted(np.array([2, 0, 2], np.int32), 4).tolist()
    [1, 0, 2, 0]
    """
    counts = np.zeros(bound, np.int64)
    together = max(COUNTED_TOGETHER, bound)
    for start in range(0, len(codes), together):
        counts += np.bincount(codes[start : start + together], minlength=bound)
    return counts


def dense(keys: Codes, bound: int) -> tuple[Codes, Codes]:
    """Return consecutive codes from 0 for keys below a bound, and the key that each code stands for, ascending."""
    if bound > 8 * len(keys) + 1024:
        values, codes = np.unique(keys, return_inverse=True)
        return codes, values
    present = np.bincount(keys, minlength=bound) > 0
    return (np.cumsum(present) - 1)[keys], np.flatnonzero(present)


def position_in_group(groups: Codes) -> Codes:
    """Return how many equal codes come before each, for codes in ascending order.

    >>> position_in_group(np.array([0, 0, 2, 2, 2])).tolist()
    [0, 1, 0, 1, 2]
    """
    if not len(groups):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    lengths = np.diff(np.r_[starts, len(groups)])
    return np.arange(len(groups)) - np.repeat(starts, lengths)


def spans(starts: Codes, lengths: Codes) -> Codes:
    """Return the indices of several runs, one after another.

    >>> spans(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    result: Codes = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return result
