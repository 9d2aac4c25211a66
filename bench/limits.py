"""Limits a minute: how much of them is used, and how often the server has to refuse?

    python bench/limits.py [--seconds 240] [--requests 500] [--tokens 30000]

The server enforces both limits, over any sixty seconds or as a bucket that is refilled all the time, and names them in
its x-ratelimit headers, as OpenAI does. prefpipe either reads them in prefpipe.toml, or has the headers alone. Short
calls meet the limit of requests, long ones that of tokens. All eight cases run at the same time, as they mostly wait.
The share is that of the last two minutes before nearly all calls were admitted: the burst at the start does not count.
"""

import argparse
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import NamedTuple

import polars as pl
from harness import figures, load_server, measured, prefpipe
from material import write_responses

ANSWER_SECONDS = 0.5
COMPLETION_TOKENS = {"short": 12, "long": 60}
LONG_CALL_TOKENS = 440


class Case(NamedTuple):
    """What is asked of whom."""

    load: str
    law: str
    told_by: str


def command(case: Case, folder: Path, calls: int) -> list[str]:
    """Write what is asked; return the command that asks it."""
    if case.load == "long":
        write_responses(folder / "responses.parquet", calls)
        return prefpipe("judge", folder / "responses.parquet", "--judge", "load", "-o", folder / "out.parquet")
    lines = (f'{{"prompt": "Name a word that rhymes with {number}."}}\n' for number in range(calls))
    (folder / "prompts.jsonl").write_text("".join(lines))
    return prefpipe("generate", folder / "prompts.jsonl", "--model", "load", "-o", folder / "out.parquet")


def run(case: Case, seconds: float, requests: int, tokens: int) -> str:
    allowed = requests if case.load == "short" else tokens / LONG_CALL_TOKENS
    calls = int(allowed * (seconds / 60 + 1))  # a minute's worth goes out at once
    options = {"requests": requests, "tokens": tokens, "seconds": ANSWER_SECONDS, "headers": 1.0}
    options |= {"completion_tokens": COMPLETION_TOKENS[case.load], "sliding": float(case.law == "sliding")}
    with tempfile.TemporaryDirectory() as name, load_server("limited", **options) as url:
        folder = Path(name)
        table = f'[models.load]\nbase_url = "{url}"\n'
        if case.told_by == "prefpipe.toml":
            table += f"requests_per_minute = {requests}\ntokens_per_minute = {tokens}\n"
        (folder / "prefpipe.toml").write_text(table)
        try:
            cost = measured(command(case, folder, calls), folder=folder)
        except RuntimeError as error:
            return f"{case.load:<6} {case.law:<8} {case.told_by:<14} failed: {error}"
        counts = figures(url)
        rows = Counter(pl.read_parquet(folder / "out.parquet")["status"])
    share, refused = max(counts["share_used"].values()), counts["given"].get("429", 0)
    a_minute = counts["admitted"] / counts["seconds"] * 60
    return (
        f"{case.load:<6} {case.law:<8} {case.told_by:<14} {share:6.1%} used  {refused:>5} times 429  "
        f"{dict(rows)} in {cost.wall:.0f} s, {a_minute:.0f} calls a minute over all"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=30_000)
    options = parser.parse_args()
    cases = [Case(*case) for case in product(("short", "long"), ("sliding", "bucket"), ("prefpipe.toml", "headers"))]
    with ThreadPoolExecutor(len(cases)) as pool:
        lines = pool.map(lambda case: run(case, options.seconds, options.requests, options.tokens), cases)
        print(f"{options.requests} requests and {options.tokens:,} tokens a minute")
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()
