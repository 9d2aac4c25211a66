"""Which models met, how often, and on how many prompts; and which were never compared, not even through others."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .prompt_groups import Comparisons
from .tally import Floats

CELLS = 1 << 27
"""Pairs of a prompt and a model that are processed together, at one byte each."""


@dataclass(frozen=True)
class HeadToHead:
    """Counts for n models; each comparison counts once.

    Attributes:
        wins: (n, n) of i over j.
        ties: (n, n), symmetric.
        first_slot: How many comparisons the earlier slot won, and how many the later one.
        pair_prompts: (n, n), symmetric: on how many prompts i met j.
        votes: (n,) the number of votes that compare the model with another.
        prompts: (n,) the number of prompts on which it was compared.
    """

    wins: Floats
    ties: Floats
    first_slot: tuple[float, float]
    pair_prompts: NDArray[np.int64]
    votes: Floats
    prompts: NDArray[np.int64]

    @property
    def met(self) -> Floats:
        """(n, n), symmetric: comparisons of i and j."""
        met: Floats = self.wins + self.wins.T + self.ties
        return met


def head_to_head(comparisons: Comparisons) -> HeadToHead:
    """Count the comparisons of n models."""
    models, cell = comparisons.models, comparisons.cell
    shape = 3, models, models
    first, second, tied = np.bincount(cell, comparisons.count, minlength=math.prod(shape)).reshape(shape)
    there = np.indices(shape, dtype=np.int32).reshape(3, -1)[1:]
    if comparisons.shares is None:
        counts = first + second + tied
        votes = counts.sum(0) + counts.sum(1)
    else:
        named = zip(there, comparisons.shares, strict=True)
        votes = sum((np.bincount(of[cell], share, minlength=models) for of, share in named), np.zeros(models))
    with ThreadPoolExecutor(1) as beside:
        pair_prompts = beside.submit(_pair_prompts, comparisons, there.min(0) * models + there.max(0))
        prompts = _prompts(comparisons, there)
    return HeadToHead(
        (first + second).astype(np.float64),
        (tied + tied.T).astype(np.float64),
        first_slot=(float(first.sum()), float(second.sum())),
        pair_prompts=pair_prompts.result(),
        votes=votes,
        prompts=prompts,
    )


def _pair_prompts(comparisons: Comparisons, pair: Codes) -> Codes:
    """Return (n, n), symmetric: on how many prompts two models met; `pair` gives the pair of each cell."""
    models, prompts = comparisons.models, int(comparisons.prompt.max(initial=0)) + 1
    keys = (pair * np.int64(prompts))[comparisons.cell]
    keys += comparisons.prompt
    keys.sort()
    fresh = np.ones(len(keys) + 1, bool)
    fresh[0] = False
    np.not_equal(keys[1:], keys[:-1], out=fresh[2:])
    distinct = np.cumsum(fresh)
    edges = np.searchsorted(keys, np.arange(models**2 + 1, dtype=np.int64) * prompts)
    met: Codes = np.diff(distinct[edges]).reshape(models, models)
    return met + met.T


def _prompts(comparisons: Comparisons, there: Codes) -> Codes:
    """Return (n,): on how many prompts a model was compared; `there` names the two models of each cell."""
    models, prompts = comparisons.models, int(comparisons.prompt.max(initial=0)) + 1
    width = max(1, CELLS // prompts)
    counts = np.zeros(models, np.int64)
    for start in range(0, models, width):
        end = min(start + width, models)
        seen = np.zeros((prompts, end - start), bool)
        for of in there:
            inside = (of >= start) & (of < end)
            if inside.all():
                seen[comparisons.prompt, of[comparisons.cell]] = True
            else:
                some = inside[comparisons.cell]
                seen[comparisons.prompt[some], of[comparisons.cell[some]] - start] = True
        counts[start:end] = seen.sum(0)
    return counts


def parts_of(met: Floats) -> Codes:
    """Return the group (n,) of each model: models that were compared, if only through others, share a group.

    Groups are numbered from 0, the one with the most models first; a model that met no other is its own group.
    """
    models = len(met)
    reach = (met > 0) | np.eye(models, dtype=bool)
    label = np.arange(models)
    while True:
        lower = np.where(reach, label, models).min(1, initial=models)
        if (lower == label).all():
            break
        label = lower
    _, codes, sizes = np.unique(label, return_inverse=True, return_counts=True)
    place = np.empty(len(sizes), np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    parts: Codes = place[codes]
    return parts
