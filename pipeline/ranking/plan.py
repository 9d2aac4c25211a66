"""Which prompts are ranked together: those with equally many candidates, in portions that fit into memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import Codes

PORTION = 300_000
"""Cells of one portion: a few megabytes for each array of 64-bit numbers, which memory freed before can hold again."""


@dataclass(frozen=True)
class Portion:
    """Prompts to rank together.

    Attributes:
        items: How many candidates each has.
        prompts: (P,) their codes, ascending.
        votes: (V,) their votes, ascending.
        local: (V,) where the prompt of each vote stands in `prompts`.
    """

    items: int
    prompts: Codes
    votes: Codes
    local: Codes


def portions(items: Codes, prompt: Codes, sizes: Codes, chosen: NDArray[np.bool_] | None = None) -> Iterator[Portion]:
    """Yield portions that together hold every prompt once.

    Args:
        items: (P,) how many candidates each prompt has.
        prompt: (V,) the prompt of each vote.
        sizes: (V,) how many candidates each vote shows.
        chosen: (P,) which prompts to take; all where it is left out.
    """
    wanted = np.arange(len(items)) if chosen is None else np.flatnonzero(chosen)
    if not len(wanted):
        return
    taken = None if chosen is None else np.flatnonzero(chosen[prompt])
    if taken is not None:
        prompt, sizes = prompt[taken], sizes[taken]
    if len(sizes) and sizes.min() == sizes.max():
        pairs = np.bincount(prompt, minlength=len(items)) * (sizes[0] * (sizes[0] - 1) / 2)
    else:
        pairs = np.bincount(prompt, sizes * (sizes - 1) / 2, minlength=len(items))
    wanted = wanted[np.argsort(items[wanted], kind="stable")]
    size = items[wanted]
    cost = np.cumsum(3.0 * size**2 + pairs[wanted])
    begins = np.concatenate([[True], size[1:] != size[:-1]])
    since = cost - (cost - 3.0 * size**2 - pairs[wanted])[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    part = (since / PORTION).astype(np.int64)
    number = np.cumsum(begins | np.concatenate([[False], part[1:] != part[:-1]])) - 1
    count = int(number[-1]) + 1
    narrow = np.uint16 if count < np.iinfo(np.uint16).max else np.uint32
    of_prompt: NDArray[Any] = np.zeros(len(items), narrow)
    of_prompt[wanted] = number
    of_vote = of_prompt.take(prompt)
    in_order = bool((of_vote[1:] >= of_vote[:-1]).all())
    order = None if in_order else np.argsort(of_vote, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(of_vote, minlength=count))])
    place = np.zeros(len(items), np.int32)
    edges = np.searchsorted(number, np.arange(count + 1))
    for index in range(count):
        prompts = wanted[edges[index] : edges[index + 1]]
        place[prompts] = np.arange(len(prompts))
        run = slice(int(ends[index]), int(ends[index + 1]))
        mine = np.arange(run.start, run.stop) if order is None else order[run]
        local = place.take(prompt[run] if order is None else prompt[mine])
        yield Portion(int(items[prompts[0]]), prompts, mine if taken is None else taken[mine], local)
