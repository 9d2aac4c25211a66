"""How much judges differ in their ratings of the same candidates."""

import numpy as np

from .codes import Codes
from .tally import Floats


def judge_variance(prompt: Codes, item: Codes, judge: Codes, rating: Floats, prompts: int) -> Floats:
    """Return (P,): the variance of a candidate's rating over judges, averaged over the candidates of a prompt.

    A judge's rating of a candidate is the mean of all its ratings. The variance divides by the number of judges; its
    unit is the square of the ratings' unit. NaN for a prompt without a candidate that two judges rated.

    Args:
        prompt: (R,) the prompt of each rating.
        item: (R,) the candidate, as its code within its prompt.
        judge: (R,) the judge of each rating.
        rating: (R,).
        prompts: P.
    """
    if not len(rating):
        return np.full(prompts, np.nan)
    items, judges = int(item.max()) + 1, int(judge.max()) + 1
    keys, codes = np.unique((prompt * np.int64(items) + item) * judges + judge, return_inverse=True)
    mean = np.bincount(codes, rating) / np.bincount(codes)
    candidates, codes = np.unique(keys // judges, return_inverse=True)
    count = np.bincount(codes)
    spread = mean - (np.bincount(codes, mean) / count)[codes]
    variance = (np.bincount(codes, spread**2) / count)[count > 1]
    owner = candidates[count > 1] // items
    rated = np.bincount(owner, minlength=prompts)
    total = np.bincount(owner, variance, minlength=prompts)
    found: Floats = np.divide(total, rated, out=np.full(prompts, np.nan), where=rated > 0)
    return found
