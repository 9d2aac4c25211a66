"""Is memory bounded by the window, not by the file? Peak memory of `prefpipe judge` at two numbers of planned calls.

    python bench/memory.py [--calls 10000 1000000]

Each number is asked at a server without latency, and then again, when everything comes from the answer store.
"""

import argparse
import tempfile
from pathlib import Path

from harness import load_server, measured, prefpipe
from material import write_responses


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, nargs="+", default=[10_000, 1_000_000])
    options = parser.parse_args()
    first: list[float] = []
    for wanted in options.calls:
        with tempfile.TemporaryDirectory() as name, load_server("plain") as url:
            folder = Path(name)
            calls = write_responses(folder / "responses.parquet", wanted)
            command = prefpipe("judge", folder / "responses.parquet", "-o", folder / "votes.parquet")
            command += ["--judge", f"load@{url}", "--store", str(folder / "answers.db")]
            costs = [measured(command), measured(command)]
        first = first or [cost.memory for cost in costs]
        for what, cost, least in zip(("asked", "from the store"), costs, first, strict=True):
            print(
                f"{calls:>9,} calls, {what:<14} {cost.memory:6.0f} MB ({cost.memory / least:.2f} x)  "
                f"{cost.wall:6.1f} s  {cost.cpu / calls * 1e6:5.0f} µs a call",
                flush=True,
            )


if __name__ == "__main__":
    main()
