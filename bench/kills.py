"""Is anything lost by kill -9? One run is killed over and over at random moments of its asking, until it is done.

    python bench/kills.py [--kills 100] [--calls 6000]

The server counts what it answered. An answer that reached the store must never be asked for again, and the final table
must equal that of a run that nobody disturbed. What a kill may cost is what was in flight at that moment, nothing more.
"""

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
from material import write_responses

from prefpipe.pipeline.llm.simulator import Simulator, running

CONCURRENCY = 32


def kept(store: Path) -> int:
    if not store.exists():
        return 0
    database = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)
    try:
        return int(database.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # the store is being made
    finally:
        database.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - moments of death need no cryptography
    simulator = Simulator()
    with tempfile.TemporaryDirectory() as name, running(simulator) as url:
        folder = Path(name)
        responses = folder / "responses.parquet"
        total = write_responses(responses, options.calls)

        def command(run: str) -> list[str]:
            judge = f"judge?latency=0.2&invalid=0.05@{url}"
            return [
                *(sys.executable, "-m", "prefpipe.cli", "judge", str(responses), "--judge", judge),
                *("--store", str(folder / f"{run}.db"), "-o", str(folder / f"{run}.parquet")),
                *("--concurrency", str(CONCURRENCY)),
            ]

        kills = asked_again = 0
        while kills < options.kills:
            before, answered = kept(folder / "killed.db"), simulator.served.by_status[200]
            process = subprocess.Popen(command("killed"), stderr=subprocess.DEVNULL)
            while simulator.served.by_status[200] == answered and process.poll() is None:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.5))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
            time.sleep(0.3)  # what was on its way arrives at a server whose client is gone
            sent = simulator.served.by_status[200] - answered
            asked_again += max(0, sent - (kept(folder / "killed.db") - before) - CONCURRENCY)
        subprocess.run(command("killed"), check=True)
        answers = kept(folder / "killed.db")
        extra = simulator.served.by_status[200] - total
        subprocess.run(command("undisturbed"), check=True)
        tables = [pl.read_parquet(folder / f"{run}.parquet").drop("latency") for run in ("killed", "undisturbed")]
        print(f"{kills} kills of a run of {total:,} calls, {CONCURRENCY} in flight")
        print(f"answers kept: {answers:,}; duplicated: {answers - total}")
        print(f"asked again though kept: {asked_again}")
        print(f"asked more than once because in flight at a kill: {extra} ({extra / max(kills, 1):.1f} a kill)")
        print(f"final table equals that of an undisturbed run: {tables[0].equals(tables[1])}")


if __name__ == "__main__":
    main()
