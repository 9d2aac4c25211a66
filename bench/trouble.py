"""A server in trouble: does every row end as it should, and does the trouble cost more than it must?

    python bench/trouble.py [--calls 30000] [--seconds 0.1] [--concurrency 128]

Of all attempts 20 % are answered with 429 (Retry-After: 1), 5 % with 500, 2 % by a broken connection, 1 % with garbage;
each takes as long as an answer does. So an answer takes 1 / 0.72 attempts, and what the server allows is

    concurrency / seconds x 0.72   answers a second,

since a call that waits for its next attempt leaves its place to others. The rate is measured between the first and the
ninth tenth of the answers: at the end, calls that were unlucky several times in a row wait alone.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
from harness import figures, load_server, measured, prefpipe, rate
from material import write_responses

SHARES = {"error_429": 0.20, "error_500": 0.05, "drop": 0.02, "garbage": 0.01}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=30_000)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--concurrency", type=int, default=128)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, load_server("trouble", seconds=options.seconds, **SHARES) as url:
        folder = Path(name)
        calls = write_responses(folder / "responses.parquet", options.calls)
        command = prefpipe("judge", folder / "responses.parquet", "-o", folder / "votes.parquet")
        command += ["--judge", f"load@{url}", "--store", str(folder / "answers.db")]
        cost = measured([*command, "--concurrency", str(options.concurrency)])
        counts = figures(url)
        votes = pl.read_parquet(folder / "votes.parquet")
    allowed = options.concurrency / options.seconds * (1 - sum(SHARES.values()))
    reached = rate(counts, 1, 9)
    print(f"{calls:,} calls, {options.concurrency} in flight, {counts['attempts']:,} attempts: {counts['given']}")
    print(f"rows: {dict(Counter(votes['status']))}; distinct votes: {votes['vote_id'].n_unique():,}")
    print(f"never answered by the server: {counts['never_answered']} calls; at most {counts['most_attempts']} attempts")
    print(f"{reached:.0f} answers/s of {allowed:.0f} that the server allows: {reached / allowed:.1%}")
    print(f"whole process {cost.wall:.1f} s, {cost.cpu / counts['attempts'] * 1e6:.0f} CPU µs an attempt")


if __name__ == "__main__":
    main()
