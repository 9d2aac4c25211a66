"""Rankings from candidates that were rated one at a time."""

import numpy as np

from .codes import Codes
from .comparisons import Ballots
from .tally import Floats

ROUNDING = 1e-12
"""Two ratings that differ by less, as a share of the larger one, are equal up to rounding."""


def ballots_of_ratings(prompt: Codes, source: Codes, item: Codes, rating: Floats, items: int) -> Ballots:
    """Return one ballot for each prompt and source, which ranks the candidates that it rated, the highest first.

    Several ratings of a candidate by the same source, such as those by several criteria, are averaged. The candidates
    were not shown together, so the ballots say nothing about slots.

    Args:
        prompt: (R,) the prompt of each rating.
        source: (R,) the judge and repeat that gave it.
        item: (R,) the candidate, as its code within its prompt.
        rating: (R,) higher is better.
        items: The number of candidates of every prompt.
    """
    sources = int(source.max(initial=0)) + 1
    keys, codes = np.unique((prompt * np.int64(sources) + source) * items + item, return_inverse=True)
    mean = np.bincount(codes, rating, minlength=len(keys)) / np.maximum(np.bincount(codes, minlength=len(keys)), 1)
    groups, starts, sizes = np.unique(keys // items, return_index=True, return_counts=True)
    order = np.lexsort((-mean, keys // items))
    begins = np.zeros(len(keys), bool)
    begins[starts] = True
    ordered = mean[order]
    falls = np.r_[True, ordered[:-1] - ordered[1:] > rounding_of(ordered[:-1], ordered[1:])][: len(keys)] | begins
    place = np.arange(len(keys))
    best = np.maximum.accumulate(np.where(falls, place, 0))
    ranks = np.empty(len(keys), np.int64)
    ranks[order] = best - np.repeat(starts, sizes) + 1
    return Ballots(
        groups // sources,
        groups % sources,
        np.zeros(len(groups), bool),
        np.r_[starts, len(keys)],
        keys % items,
        ranks,
    )


def rounding_of(ratings: Floats, others: Floats) -> Floats:
    """Return how far equal ratings may differ by rounding, because they are means."""
    return ROUNDING * np.maximum(np.abs(ratings), np.abs(others))
