"""A thousand calls in flight: how near `prefpipe judge` comes to the time that the latencies themselves take.

    python bench/flight.py [--concurrency 1000] [--calls 20000]      # each answer takes 1 s
    python bench/flight.py --spread 0.1 10 --calls 60000             # log-uniform latencies

The ideal is the sum of all latencies over the places in flight. Where latencies differ, no asker that cannot foresee
them ends all at once; the least time with that tail is worked out from the latencies as they were drawn, and shown.
Times are those of the whole process, start-up included.
"""

import argparse
import tempfile
from pathlib import Path

from harness import figures, load_server, measured, prefpipe
from material import write_responses


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--spread", type=float, nargs=2, metavar=("LOW", "HIGH"))
    options = parser.parse_args()
    low, high = options.spread or (options.seconds, options.seconds)
    with (
        tempfile.TemporaryDirectory() as name,
        load_server("spread", low=low, high=high, concurrency=options.concurrency) as url,
    ):
        folder = Path(name)
        calls = write_responses(folder / "responses.parquet", options.calls)
        command = prefpipe("judge", folder / "responses.parquet", "-o", folder / "votes.parquet")
        command += ["--judge", f"load@{url}", "--store", str(folder / "answers.db")]
        cost = measured([*command, "--concurrency", str(options.concurrency)])
        counts = figures(url)
    ideal, with_tail = counts["sum_of_latencies"] / options.concurrency, counts["with_tail"]
    print(f"{calls:,} calls of {low:g} to {high:g} s, {options.concurrency:,} in flight")
    print(f"ideal {ideal:.1f} s, with the unavoidable tail {with_tail:.1f} s")
    print(
        f"whole process {cost.wall:.1f} s ({cost.wall / ideal:.2f} x the ideal), "
        f"from first request to last answer {counts['deciles'][-1]:.1f} s ({counts['deciles'][-1] / ideal:.2f} x)"
    )
    print(f"{cost.cpu:.1f} CPU s, {cost.cpu / calls * 1e6:.0f} µs a call, {cost.memory:.0f} MB")


if __name__ == "__main__":
    main()
