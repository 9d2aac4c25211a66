"""Which prompts are ranked together: those with the same number of candidates, in portions that fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, counted, spans

PORTION = 1_000_000
"""Cells of one portion: eight megabytes for each array of 64-bit numbers that has all of them."""


@dataclass(frozen=True)
class Portion:
    """Prompts to rank together.

    Attributes:
        items: How many candidates each has.
        prompts: (P,) their codes, ascending.
        votes: (V,) their votes, ascending.
        local: (V,) the index in `prompts` of the prompt of each vote.
    """

    items: int
    prompts: Codes
    votes: Codes
    local: Codes


def portions(items: Codes, prompt: Codes, sizes: Codes, chosen: NDArray[np.bool_] | None = None) -> Iterator[Portion]:
    """Yield portions that together contain every prompt once.

    Args:
        items: (P,) how many candidates each prompt has.
        prompt: (V,) the prompt of each vote.
        sizes: (V,) how many candidates each vote shows.
        chosen: (P,) which prompts to take; all where it is left out.
    """
    wanted = np.arange(len(items)) if chosen is None else np.flatnonzero(chosen)
    if not len(wanted):
        return
    counts = counted(prompt, len(items))
    one_size = len(sizes) > 0 and sizes.min() == sizes.max()
    pairs = counts * _pairs(sizes[:1]) if one_size else np.bincount(prompt, _pairs(sizes), minlength=len(items))
    wanted = wanted[np.argsort(items[wanted], kind="stable")]
    size = items[wanted]
    cost = np.cumsum(3.0 * size**2 + pairs[wanted])
    begins = np.concatenate([[True], size[1:] != size[:-1]])
    since = cost - (cost - 3.0 * size**2 - pairs[wanted])[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    part = (since / PORTION).astype(np.int64)
    number = np.cumsum(begins | np.concatenate([[False], part[1:] != part[:-1]])) - 1
    edges = np.searchsorted(number, np.arange(int(number[-1]) + 2))
    of_portions = (wanted[start:end] for start, end in pairwise(edges))
    if (prompt[1:] >= prompt[:-1]).all():
        starts = np.cumsum(counts) - counts
        for prompts in of_portions:
            local = np.repeat(np.arange(len(prompts), dtype=np.int32), counts[prompts])
            yield Portion(int(items[prompts[0]]), prompts, spans(starts[prompts], counts[prompts]), local)
    else:
        place = np.zeros(len(items), np.int32)
        for prompts, votes in zip(of_portions, _votes_of(number, wanted, prompt, counts), strict=True):
            place[prompts] = np.arange(len(prompts))
            yield Portion(int(items[prompts[0]]), prompts, votes, place.take(prompt[votes]))


def _pairs(sizes: Codes) -> NDArray[np.float64]:
    return sizes * (sizes - 1.0) / 2


def _votes_of(number: Codes, wanted: Codes, prompt: Codes, counts: Codes) -> Iterator[Codes]:
    """Yield the votes of each portion; `number` (W,), ascending, is the portion of each wanted prompt (W,)."""
    portions = int(number[-1]) + 1
    narrow = np.uint16 if portions < np.iinfo(np.uint16).max else np.uint32  # which numpy sorts fastest
    of_prompt: NDArray[Any] = np.full(len(counts), portions, narrow)
    of_prompt[wanted] = number
    order = np.argsort(of_prompt.take(prompt), kind="stable")
    end = 0
    for votes in np.bincount(number, counts[wanted]).astype(np.int64):
        start, end = end, end + int(votes)
        yield order[start:end]
