"""Do a judge's verdicts on two candidates agree with the ratings that it gave to each of them alone?"""

import numpy as np

from .codes import Codes
from .ratings import rounding_of
from .tally import Floats


def score_conflict_ratio(
    judge: Codes, prompt: Codes, offsets: Codes, items: Codes, ranks: Codes, ratings: Floats, candidates: Codes
) -> Floats:
    """Return (P,): the share of a prompt's pairs whose verdict contradicts the ratings, of those that have both.

    A judge's verdict on a pair is the majority of its votes that show these two, and its rating of a candidate is the
    mean of all that it gave. They are in conflict if the better-rated candidate does not win, or if one of two with
    equal ratings does. Each judge's pairs count separately. NaN for a prompt without such a pair.

    Args:
        judge: (V,) of each vote.
        prompt: (V,).
        offsets: (V+1,) the slots of vote v are `offsets[v]:offsets[v + 1]`.
        items: (S,) the candidate in each slot, counted within its prompt.
        ranks: (S,) 1 is best, 0 was not ranked.
        ratings: (V,) of votes on one candidate; NaN elsewhere.
        candidates: (P+1,) those of prompt p are numbered `candidates[p]:candidates[p + 1]`.

    Source:
        "TrustJudge" (arXiv 2509.21117), the score-comparison inconsistency.
    """
    prompts, size = len(candidates) - 1, int(candidates[-1])
    unknown = np.full(prompts, np.nan)
    rated = np.flatnonzero(~np.isnan(ratings))
    slots = offsets[:-1][np.diff(offsets) == 2] if len(rated) else rated
    slots = slots[(ranks[slots] > 0) & (ranks[slots + 1] > 0)]
    if not len(slots):
        return unknown
    votes = np.searchsorted(offsets, slots)
    base, by = candidates[prompt[votes]], judge[votes].astype(np.int64)
    first, second = base + items[slots], base + items[slots + 1]
    low, high = np.minimum(first, second), np.maximum(first, second)
    pairs, codes = np.unique((by * size + low) * size + high, return_inverse=True)
    ahead = np.sign(ranks[slots + 1] - ranks[slots])
    verdict = np.sign(np.bincount(codes, np.where(first < second, ahead, -ahead)))
    alone = candidates[prompt[rated]] + items[offsets[rated]]
    keys, codes = np.unique(judge[rated].astype(np.int64) * size + alone, return_inverse=True)
    mean = np.bincount(codes, ratings[rated]) / np.bincount(codes)
    sides = np.stack([pairs // size, pairs // (size * size) * size + pairs % size])
    places = np.minimum(np.searchsorted(keys, sides), len(keys) - 1)
    known = (keys[places] == sides).all(0)
    one, other = mean[places]
    expected = np.where(np.abs(one - other) > rounding_of(one, other), np.sign(one - other), 0.0)
    owner = np.searchsorted(candidates, pairs % size, side="right") - 1
    compared = np.bincount(owner[known], minlength=prompts)
    conflicts = np.bincount(owner[known & (verdict != expected)], minlength=prompts)
    ratio: Floats = np.divide(conflicts, compared, out=unknown, where=compared > 0)
    return ratio
