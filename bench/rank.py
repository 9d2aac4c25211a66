"""What ranking costs: `prefpipe rank` as a whole process, from Parquet to Parquet, over votes of a known judge.

    python bench/rank.py [--votes 10000 100000 1000000 4200000 10000000] [--runs 5] [--peers] [--peer-votes 4200000]

Seven candidates a prompt, every pair in both orders, five per cent ties. CPU seconds and peak memory are those of the
ranking process; microseconds of wall time a vote show whether cost is linear. With --peers, a loop over evalica's
Bradley–Terry (if it is installed), which reads and writes the same files with polars but finds neither standard errors,
position effect nor consistency. It takes turns with prefpipe on files of up to --peer-votes.
"""

import argparse
import statistics
import sys
import tempfile
from importlib.util import find_spec
from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness import measured

ITEMS = 7
PAIRS = np.array(list(permutations(range(ITEMS), 2)))
EFFECT = 0.4

EVALICA = """
import sys
import evalica, polars as pl

votes = pl.read_parquet(sys.argv[1], columns=["prompt_id", "shown", "ranks"]).with_columns(
    x=pl.col("shown").list.get(0), y=pl.col("shown").list.get(1),
    d=pl.col("ranks").list.get(1) - pl.col("ranks").list.get(0),
)
outcome = {1: evalica.Winner.X, -1: evalica.Winner.Y, 0: evalica.Winner.Draw}
rows = {"prompt_id": [], "response_ids": [], "scores": []}
for (prompt,), group in votes.group_by("prompt_id", maintain_order=True):
    winners = [outcome[d] for d in group["d"]]
    scores = evalica.bradley_terry(group["x"].to_list(), group["y"].to_list(), winners).scores
    rows["prompt_id"].append(prompt)
    rows["response_ids"].append(scores.index.to_list())
    rows["scores"].append(scores.to_list())
pl.DataFrame(rows).write_parquet(sys.argv[2])
"""


def make_votes(path: Path, count: int) -> None:
    """Write that many votes, rounded to whole prompts; ids look like content hashes."""
    random = np.random.default_rng(0)
    prompts = max(count // len(PAIRS), 1)
    writer: pq.ParquetWriter | None = None
    for start in range(0, prompts, 5000):
        size = min(5000, prompts - start)
        theta = random.normal(0, 1.5, (size, ITEMS))
        prompt, pair = np.repeat(np.arange(size), len(PAIRS)), np.tile(PAIRS, (size, 1))
        lead = theta[prompt, pair[:, 0]] - theta[prompt, pair[:, 1]] + EFFECT
        first_wins = random.random(len(lead)) < 1 / (1 + np.exp(-lead))
        tied = random.random(len(lead)) < 0.05
        ranks = np.where(tied[:, None], 1, np.where(first_wins[:, None], [1, 2], [2, 1])).astype(np.int32)
        names = pa.array(_ids(random, size * ITEMS))
        ends = pa.array(np.arange(0, 2 * len(lead) + 1, 2, dtype=np.int32))
        table = pa.table(
            {
                "prompt_id": pa.array(_ids(random, size)).take(pa.array(prompt)),
                "judge": pa.repeat("gpt-4o-mini", len(lead)),
                "repeat": pa.array(np.zeros(len(lead), np.int32)),
                "shown": pa.ListArray.from_arrays(ends, names.take(pa.array((prompt[:, None] * ITEMS + pair).ravel()))),
                "status": pa.repeat("ok", len(lead)),
                "ranks": pa.ListArray.from_arrays(ends, pa.array(ranks.ravel())),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=8192)
    if writer:
        writer.close()


def _ids(random: np.random.Generator, count: int) -> list[str]:
    return [f"{high:010x}{low:010x}" for high, low in random.integers(0, 1 << 40, (count, 2)).tolist()]


def main() -> None:
    parser = argparse.ArgumentParser(description="What ranking costs.")
    parser.add_argument("--votes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 4_200_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--peer-votes", type=int, default=4_200_000)
    options = parser.parse_args()
    print(f"{'':<12}{'votes':>12}{'wall s':>10}{'CPU s':>10}{'peak MB':>10}{'µs/vote':>10}   medians of {options.runs}")
    with tempfile.TemporaryDirectory() as folder:
        for count in options.votes:
            votes, output = Path(folder) / f"{count}.parquet", Path(folder) / "rankings.parquet"
            make_votes(votes, count)
            commands = {
                "prefpipe": [sys.executable, "-m", "prefpipe.cli", "rank", str(votes), "-o", str(output)],
            }
            if options.peers and find_spec("evalica") and count <= options.peer_votes:
                commands["evalica"] = [sys.executable, "-c", EVALICA, str(votes), str(output)]
            runs = [
                {name: measured(command, on_all_cores=True) for name, command in commands.items()}
                for _ in range(options.runs)
            ]
            for name in commands:
                cpu, wall, memory = (statistics.median(run[name][part] for run in runs) for part in range(3))
                each = 1e6 * wall / count
                print(f"{name:<12}{count:>12,}{wall:>10.2f}{cpu:>10.2f}{memory:>10.0f}{each:>10.2f}", flush=True)
            if len(commands) > 1:
                cpu, wall = (statistics.median(run["evalica"][i] / run["prefpipe"][i] for run in runs) for i in (0, 1))
                print(f"{'':<12}{'faster by':>12}{wall:>9.1f}x{cpu:>9.1f}x", flush=True)
            votes.unlink()


if __name__ == "__main__":
    main()
