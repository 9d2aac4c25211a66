"""What Kendall's W costs: a million prompts with five rankings of seven candidates, beside a loop over scipy.

    python bench/consistency.py [--prompts 1000000] [--runs 5]

Wall and CPU seconds in this process, medians. The loop calls scipy's Friedman test (if it is installed), which W
follows from, for 2,000 prompts in every run; its time for all of them is extrapolated.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from prefpipe.pipeline.ranking.kendall_w import kendall_w

RANKINGS, ITEMS, LOOPED = 5, 7, 2000


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and CPU seconds that something takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def loop_over_scipy(rankings: np.ndarray) -> None:
    from scipy.stats import friedmanchisquare

    for ranking in rankings:
        friedmanchisquare(*ranking.T)


def compare(name: str, rankings: np.ndarray, runs: int) -> None:
    """Print what both cost, taking turns."""
    scale = len(rankings) / LOOPED
    peer = find_spec("scipy") is not None
    turns = [
        (seconds(lambda: kendall_w(rankings)), seconds(lambda: loop_over_scipy(rankings[:LOOPED])) if peer else None)
        for _ in range(runs)
    ]
    wall, cpu = (statistics.median(mine[part] for mine, _ in turns) for part in (0, 1))
    print(f"{'prefpipe, ' + name:<28}{wall:10.3f}{cpu:10.3f}", flush=True)
    loops = [(mine, theirs) for mine, theirs in turns if theirs]
    if loops:
        wall, cpu = (scale * statistics.median(theirs[part] for _, theirs in loops) for part in (0, 1))
        faster = statistics.median(scale * theirs[0] / mine[0] for mine, theirs in loops)
        print(f"{'a loop over scipy':<28}{wall:10.0f}{cpu:10.0f}   {faster:,.0f} times as long", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="What Kendall's W costs.")
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    shape = (options.prompts, RANKINGS, ITEMS)
    print(f"W and p-values of {options.prompts:,} prompts with {RANKINGS} rankings of {ITEMS} candidates")
    print(f"{'':<28}{'wall s':>10}{'CPU s':>10}   medians of {options.runs}")
    compare("without ties", random.random(shape, dtype=np.float32).argsort(2).astype(np.int8), options.runs)
    compare("with many ties", random.integers(1, 5, shape, dtype=np.int8), options.runs)


if __name__ == "__main__":
    main()
