"""How far one judge's rankings at several repeats agree, and how far those of different judges agree."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, dense
from .tally import Floats


def consistency_within_and_between_judges(
    doubled: NDArray[np.signedinteger[Any]], present: NDArray[np.bool_], judge: Codes
) -> tuple[Floats, Floats]:
    """Return the mean correlation of two rankings by the same judge, and of two by different judges, both (P,).

    Both are `Concordance.consistency` restricted to some pairs of rankings: with d_k the centred mid-ranks of ranking
    k, the sum of d_k·d_l over these pairs divided by the sum of (|d_k|² + |d_l|²)/2. They are between -1 and 1, and 0
    on average for random rankings; NaN if there is no such pair, or if all its rankings are all-tied.

    Args:
        doubled: (P, m, n) twice the mid-rank of each candidate.
        present: (P, m) which rankings to count.
        judge: (P, m) the judge of each.
    """
    prompts, most, items = doubled.shape
    deviations = (doubled.reshape(-1, items) - (items + 1.0)) * present.reshape(-1, 1)
    lengths = (deviations**2).sum(1)
    judges = int(judge.max(initial=0)) + 1
    prompt = np.repeat(np.arange(prompts), most)
    pair, keys = dense(prompt * np.int64(judges) + judge.ravel(), prompts * judges)
    owner = keys // judges
    by_judge = np.stack([np.bincount(pair, column, minlength=len(keys)) for column in deviations.T], axis=1)
    together = np.zeros((prompts, items))
    np.add.at(together, owner, by_judge)
    rankings = np.bincount(pair, present.ravel(), minlength=len(keys))
    length = np.bincount(pair, lengths, minlength=len(keys))
    of_judges, total = (by_judge**2).sum(1), (together**2).sum(1)
    within = np.bincount(owner, of_judges - length, minlength=prompts)
    possible = np.bincount(owner, (rankings - 1) * length, minlength=prompts)
    others = np.bincount(owner, rankings, minlength=prompts)[owner] - rankings
    between = total - np.bincount(owner, of_judges, minlength=prompts)
    possible_between = np.bincount(owner, others * length, minlength=prompts)
    return _ratio(within, possible), _ratio(between, possible_between)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratio
