"""What a leaderboard costs: `prefpipe leaderboard` as a whole process, from Parquet, over votes on a hundred models.

    python bench/leaderboard.py [--votes 10000 100000 1000000 10000000] [--runs 5] [--peers]

Ten votes a prompt on pairs of models, ten per cent ties. prefpipe finds scores with a position effect, both kinds of
standard errors, a hundred draws of the prompts, rank intervals and head-to-head counts. With --peers, evalica's
Bradley–Terry (if it is installed) takes turns with it. It finds scores only, once after reading with polars, which
checks nothing, and once after reading with prefpipe. CPU seconds and peak memory are those of the process.
"""

import argparse
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness import measured

MODELS, PER_PROMPT = 100, 10
CHUNK = 100_000

WITH_POLARS = """
import sys
import evalica, numpy as np, polars as pl

votes = pl.read_parquet(sys.argv[1], columns=["shown", "ranks"]).select(
    x=pl.col("shown").list.get(0), y=pl.col("shown").list.get(1),
    d=pl.col("ranks").list.get(1) - pl.col("ranks").list.get(0),
)
x, y, d = votes["x"].to_list(), votes["y"].to_list(), votes["d"].to_numpy()
winners = np.array([evalica.Winner.Draw, evalica.Winner.X, evalica.Winner.Y], object)[d].tolist()
print(evalica.bradley_terry(x, y, winners).scores)
"""

WITH_PREFPIPE = """
import sys
import evalica, numpy as np
from prefpipe.pipeline.formats.shown import read_shown

shown = read_shown(sys.argv[1])
names, models, ranks = np.array(shown.models, object), shown.model.reshape(-1, 2), shown.ranks.reshape(-1, 2)
x, y, d = names[models[:, 0]].tolist(), names[models[:, 1]].tolist(), ranks[:, 1] - ranks[:, 0]
winners = np.array([evalica.Winner.Draw, evalica.Winner.X, evalica.Winner.Y], object)[d].tolist()
print(evalica.bradley_terry(x, y, winners).scores)
"""


def make_votes(path: Path, count: int) -> None:
    """Write that many votes, rounded to whole prompts; a prompt suits one model more than another."""
    random = np.random.default_rng(0)
    names = pa.array([f"model-{number:02}" for number in range(MODELS)])
    prompts = max(count // PER_PROMPT, 1)
    writer: pq.ParquetWriter | None = None
    for start in range(0, prompts, CHUNK):
        size = min(CHUNK, prompts - start)
        theta = np.linspace(-1.5, 1.5, MODELS) + random.normal(0, 0.7, (size, MODELS))
        prompt = np.repeat(np.arange(size), PER_PROMPT)
        first = random.integers(0, MODELS, len(prompt))
        second = (first + random.integers(1, MODELS, len(prompt))) % MODELS
        lead = theta[prompt, first] - theta[prompt, second] + 0.3
        won = random.random(len(prompt)) < 1 / (1 + np.exp(-lead))
        tied = random.random(len(prompt)) < 0.1
        ranks = np.where(tied[:, None], 1, np.where(won[:, None], [1, 2], [2, 1])).astype(np.int32)
        ids = pa.array([f"{high:010x}{low:010x}" for high, low in random.integers(0, 1 << 40, (size, 2)).tolist()])
        ends = pa.array(np.arange(0, 2 * len(prompt) + 1, 2, dtype=np.int32))
        shown = names.take(pa.array(np.stack([first, second], 1).ravel()))
        table = pa.table(
            {
                "prompt_id": ids.take(pa.array(prompt)),
                "judge": pa.repeat("gpt-4o-mini", len(prompt)),
                "repeat": pa.array(np.zeros(len(prompt), np.int32)),
                "shown": pa.ListArray.from_arrays(ends, shown),
                "status": pa.repeat("ok", len(prompt)),
                "ranks": pa.ListArray.from_arrays(ends, pa.array(ranks.ravel())),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=8192)
    if writer:
        writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="What a leaderboard costs.")
    parser.add_argument("--votes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    print(f"{'':<28}{'votes':>12}{'wall s':>10}{'CPU s':>10}{'peak MB':>10}   medians of {options.runs}")
    with tempfile.TemporaryDirectory() as folder:
        for count in options.votes:
            votes = Path(folder) / f"{count}.parquet"
            make_votes(votes, count)
            commands = {"prefpipe": ["-m", "prefpipe.cli", "leaderboard", str(votes)]}
            if options.peers and find_spec("evalica"):
                commands["evalica after polars"] = ["-c", WITH_POLARS, str(votes)]
                commands["evalica after prefpipe"] = ["-c", WITH_PREFPIPE, str(votes)]
            runs = [
                {name: measured([sys.executable, *command], on_all_cores=True) for name, command in commands.items()}
                for _ in range(options.runs)
            ]
            for name in commands:
                cpu, wall, memory = (statistics.median(run[name][part] for run in runs) for part in range(3))
                print(f"{name:<28}{count:>12,}{wall:>10.2f}{cpu:>10.2f}{memory:>10.0f}", flush=True)
            votes.unlink()


if __name__ == "__main__":
    main()
