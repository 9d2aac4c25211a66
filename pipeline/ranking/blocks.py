"""Large arrays worked on in parts that fit into the processor's cache, on all of its cores.

numpy lets go of the interpreter while it computes, so threads are enough.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def over_blocks(count: int, block: int, work: Callable[[slice], None]) -> None:
    """Call a function for each block of so many of a count of numbers."""
    on_all_cores(work, [slice(start, min(start + block, count)) for start in range(0, count, block)])


def on_all_cores(function: Callable[..., Result], first: list[Any], *others: Iterable[Any]) -> list[Result]:
    """Return what a function gives for the items of a list, beside those of others, in order."""
    if len(first) < 2:
        return list(map(function, first, *others))
    with ThreadPoolExecutor(min(len(first), os.cpu_count() or 1)) as pool:
        return list(pool.map(function, first, *others))
