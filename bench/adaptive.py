"""Does prefpipe find by itself how many calls a server can take? No --concurrency is given.

    python bench/adaptive.py [--calls 20000]

engine: 96 answers are made at a time, 0.2 s each; what is beyond waits its turn, and no header says so.
door:   beyond 40 in flight the server refuses with 429 and names no time to wait; an answer takes 0.1 s.
two:    one model at two base URLs, 48 at a time each, 0.2 s; one of them vanishes when it has given an eighth of all.

The rate is that between the third and the ninth tenth of the answers (of the survivor's last half, for `two`), beside
the most that the servers can give.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from harness import Cost, figures, load_server, measured, prefpipe, rate
from material import write_responses


def ask(folder: Path, urls: list[str]) -> tuple[Cost, Counter[str]]:
    """Judge everything at a model with these base URLs; return the cost and how the rows ended."""
    (folder / "prefpipe.toml").write_text(f"[models.load]\nbase_url = {urls}\n")
    command = prefpipe("judge", folder / "responses.parquet", "-o", folder / "votes.parquet", "--judge", "load")
    cost = measured([*command, "--store", str(folder / "answers.db")], folder=folder)
    return cost, Counter(pl.read_parquet(folder / "votes.parquet")["status"])


def show(scene: str, counts: Mapping[str, Any], tenths: tuple[int, int], most: float, cost: Cost, rows: object) -> None:
    reached = rate(counts, *tenths)
    print(
        f"{scene:<7} {reached:4.0f} of {most:.0f} answers/s ({reached / most:.1%})  {counts['given']}  "
        f"rows {rows}  whole process {cost.wall:.1f} s",
        flush=True,
    )


def one(scene: str, kind: str, calls: int, most: float, **options: float) -> None:
    with tempfile.TemporaryDirectory() as name, load_server(kind, **options) as url:
        write_responses(Path(name) / "responses.parquet", calls)
        cost, rows = ask(Path(name), [url])
        counts = figures(url)
    show(scene, counts, (3, 9), most, cost, dict(rows))
    print(f"{'':<7} at best {calls / most:.1f} s; most in flight {counts.get('most_in_flight', '-')}")


def two(calls: int) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        load_server("slots", slots=48, seconds=0.2) as survivor,
        load_server("slots", slots=48, seconds=0.2, die_after=calls // 8) as mortal,
    ):
        write_responses(Path(name) / "responses.parquet", calls)
        cost, rows = ask(Path(name), [survivor, mortal])
        counts = figures(survivor)
    show("two", counts, (5, 9), 48 / 0.2, cost, dict(rows))
    print(f"{'':<7} at best {(calls - calls // 8) / (48 / 0.2):.1f} s; the survivor gave {counts['given']['answer']:,}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--scene", choices=["engine", "door", "two"], action="append")
    options = parser.parse_args()
    for scene in options.scene or ["engine", "door", "two"]:
        match scene:
            case "engine":
                one(scene, "slots", options.calls, 96 / 0.2, slots=96, seconds=0.2)
            case "door":
                one(scene, "hard-limit", options.calls * 3 // 5, 40 / 0.1, limit=40, seconds=0.1)
            case _:
                two(options.calls)


if __name__ == "__main__":
    main()
