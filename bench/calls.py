"""What a call costs: `prefpipe judge` as a whole process, a bare `AsyncOpenAI` loop, and the peers, side by side.

    python bench/calls.py [--calls 6000] [--concurrency 64] [--runs 5]
        [--distilabel VENV/bin/python] [--curator VENV/bin/python]

All ask the same pairwise questions of 1.5 kB, over loopback, at a server without latency on a core of its own. The
others send ready-made messages and keep what their framework keeps; prefpipe reads responses, plans, asks, parses,
keeps every answer in its store, and writes a votes table. CPU seconds are those of all processes of the asker. Runs
alternate, and the first is a warm-up.

A peer is asked for by the Python of an environment that has it, made by `pip install 'distilabel[openai]' requests` or
`pip install bespokelabs-curator`.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from harness import HERE, Cost, figures, load_server, measured, prefpipe
from material import write_questions, write_responses

PEERS = HERE / "peers"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--distilabel", help="a Python that has distilabel")
    parser.add_argument("--curator", help="a Python that has bespokelabs-curator")
    options = parser.parse_args()
    askers = {"prefpipe judge": sys.executable, "bare AsyncOpenAI loop": sys.executable}
    askers |= {name: python for name in ("distilabel", "curator") if (python := getattr(options, name))}
    scripts = {"bare AsyncOpenAI loop": "loop.py", "distilabel": "distilabel_judge.py", "curator": "curator_judge.py"}
    taken: dict[str, list[Cost]] = {name: [] for name in askers}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calls = write_responses(folder / "responses.parquet", options.calls)
        write_questions(folder / "responses.parquet", folder / "questions.jsonl")
        for run in range(options.runs + 1):
            for asker, python in askers.items():
                with load_server("plain") as url:
                    if asker == "prefpipe judge":
                        command = prefpipe("judge", folder / "responses.parquet", "-o", folder / "votes.parquet")
                        command += ["--judge", f"load@{url}", "--store", str(folder / f"{run}.db")]
                        command += ["--concurrency", str(options.concurrency)]
                    else:
                        command = [python, str(PEERS / scripts[asker]), str(folder / "questions.jsonl"), url]
                        command += [str(options.concurrency)]
                    scratch = folder / f"{asker} {run}"
                    scratch.mkdir()
                    cost = measured(command, {"HOME": str(scratch), "OPENAI_API_KEY": "none"}, scratch)
                    answered = figures(url)["given"]["answer"]
                if answered < calls:
                    raise RuntimeError(f"{asker} asked {answered:,} of {calls:,} questions")
                if run:
                    taken[asker].append(cost)
    print(f"{calls:,} calls, {options.concurrency} in flight, medians of {options.runs} runs")
    ours = statistics.median(cost.cpu for cost in taken["prefpipe judge"])
    for asker, costs in taken.items():
        cpu, wall, memory = (statistics.median(column) for column in zip(*costs, strict=True))
        print(
            f"{asker:<22} {cpu:7.2f} CPU s  {cpu / calls * 1e6:6.0f} µs a call  {calls / wall:6.0f} calls/s  "
            f"{memory:5.0f} MB  {cpu / ours:5.1f} x the CPU of prefpipe"
        )


if __name__ == "__main__":
    main()
