"""Processing large arrays in blocks that fit into the processor's cache, on all of its cores.

numpy releases the interpreter lock while it computes, so threads are enough.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def over_blocks(count: int, block: int, work: Callable[[slice], None]) -> None:
    """Call a function for each slice of at most `block` out of `count` numbers."""
    on_all_cores(work, [slice(start, min(start + block, count)) for start in range(0, count, block)])


def on_all_cores(function: Callable[..., Result], first: list[Any], *others: Iterable[Any]) -> list[Result]:
    """Return a function's results for the items of a list, and the matching items of any others, in order."""
    if len(first) < 2:
        return list(map(function, first, *others))
    with ThreadPoolExecutor(min(len(first), os.cpu_count() or 1)) as pool:
        return list(pool.map(function, first, *others))
