"""What Kendall's W costs: a million prompts with five rankings of seven candidates, beside a loop over scipy.

    python bench/consistency.py [--prompts 1000000] [--runs 5]

CPU seconds in this process. The loop calls scipy's Friedman test (if it is installed), which W follows from, for 2,000
prompts; its time for all of them is extrapolated.
"""

import argparse
import statistics
import time
from importlib.util import find_spec

import numpy as np

from prefpipe.pipeline.ranking.kendall_w import kendall_w

RANKINGS, ITEMS, LOOPED = 5, 7, 2000


def seconds(runs: int, rankings: np.ndarray) -> float:
    taken = []
    for _ in range(runs):
        started = time.process_time()
        kendall_w(rankings)
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description="What Kendall's W costs.")
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    shape = (options.prompts, RANKINGS, ITEMS)
    orders = random.random(shape, dtype=np.float32).argsort(2).astype(np.int8)
    tied = random.integers(1, 5, shape, dtype=np.int8)
    print(f"W and p-values of {options.prompts:,} prompts with {RANKINGS} rankings of {ITEMS} candidates, CPU seconds")
    print(f"{'prefpipe, without ties':<28}{seconds(options.runs, orders):8.2f}")
    print(f"{'prefpipe, with many ties':<28}{seconds(options.runs, tied):8.2f}")
    if find_spec("scipy"):
        from scipy.stats import friedmanchisquare

        started = time.process_time()
        for ranking in tied[:LOOPED]:
            friedmanchisquare(*ranking.T)
        looped = (time.process_time() - started) * options.prompts / LOOPED
        print(f"{'a loop over scipy':<28}{looped:8.0f}   (extrapolated from {LOOPED:,})")


if __name__ == "__main__":
    main()
