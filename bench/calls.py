"""What a call costs: `prefpipe judge` as a whole process beside a bare `AsyncOpenAI` + semaphore loop.

    python bench/calls.py [--calls 6000] [--concurrency 64] [--runs 5]

Both ask the same simulated judge the same questions, over loopback, from a server process of its own. The loop sends
ready-made messages and throws the answers away; prefpipe reads responses, plans, asks, parses, keeps every answer in
its store, and writes a votes table. CPU seconds are those of the asking process; runs alternate.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOP = """
import asyncio, json, sys
from openai import AsyncOpenAI

async def main(path, url, concurrency):
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    gate = asyncio.Semaphore(concurrency)
    async def call(messages):
        async with gate:
            return await client.chat.completions.create(model="judge", messages=messages)
    with open(path) as file:
        questions = [json.loads(line) for line in file]
    await asyncio.gather(*map(call, questions))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

SERVER = """
from prefpipe.pipeline.llm.simulator import Simulator, run

run(Simulator(), "127.0.0.1", 0, lambda url: print(url, flush=True))
"""


@contextmanager
def server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(iter(process.stdout or ())).strip()
        finally:
            process.terminate()


def measured(arguments: list[str]) -> tuple[float, float, float]:
    """Run a process; return its CPU seconds, wall seconds and peak memory in MB."""
    script = (
        "import resource, subprocess, sys, time; t = time.perf_counter(); "
        "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL); w = time.perf_counter() - t; "
        "u = resource.getrusage(resource.RUSAGE_CHILDREN); print(u.ru_utime + u.ru_stime, w, u.ru_maxrss / 1024)"
    )
    out = subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True)
    cpu, wall, memory = map(float, out.stdout.split())
    return cpu, wall, memory


def prepare(folder: Path, calls: int) -> Path:
    """Write responses that give so many pairwise questions, and the same questions as messages for the loop."""
    from prefpipe.pipeline import generate
    from prefpipe.pipeline.formats.responses import read_candidates
    from prefpipe.pipeline.judging import pairwise
    from prefpipe.pipeline.judging.material import Conversation

    (folder / "prompts.jsonl").write_text("".join(f'{{"prompt": "Question {n}?"}}\n' for n in range(calls // 12)))
    responses = folder / "responses.parquet"
    models = ["sim:strong", "sim:good", "sim:fair", "sim:weak"]
    generate(folder / "prompts.jsonl", responses, models=models, store=folder / "generated.db")
    with (folder / "questions.jsonl").open("w") as file:
        for candidates in read_candidates(responses):
            texts = [row["content"] for row in candidates]
            for question in pairwise.questions(len(texts), 1, "both"):
                messages = pairwise.messages(question, Conversation(candidates[0]["prompt"]), texts)
                file.write(json.dumps(messages) + "\n")
    return responses


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    calls = options.calls // 12 * 12
    figures: dict[str, list[tuple[float, float, float]]] = {"prefpipe judge": [], "bare AsyncOpenAI loop": []}
    with tempfile.TemporaryDirectory() as name, server() as url:
        folder = Path(name)
        responses = prepare(folder, calls)
        for run in range(options.runs + 1):  # the first is a warm-up
            judge = [sys.executable, "-m", "prefpipe.cli", "judge", str(responses), "-o", str(folder / "votes.parquet")]
            judge += ["--judge", f"judge@{url}", "--store", str(folder / f"{run}.db")]
            judge += ["--concurrency", str(options.concurrency)]
            loop = [sys.executable, "-c", LOOP, str(folder / "questions.jsonl"), url, str(options.concurrency)]
            for who, arguments in zip(figures, (judge, loop), strict=True):
                figure = measured(arguments)
                if run:
                    figures[who].append(figure)
    print(f"{calls:,} calls, {options.concurrency} in flight, {os.cpu_count()} cores, medians of {options.runs} runs")
    for who, taken in figures.items():
        cpu, wall, memory = (statistics.median(column) for column in zip(*taken, strict=True))
        print(
            f"{who:<22} {cpu:6.2f} CPU s  {cpu / calls * 1e6:6.0f} µs a call  "
            f"{calls / wall:6.0f} calls/s  {calls / cpu:6.0f} calls a CPU s  {memory:5.0f} MB"
        )


if __name__ == "__main__":
    main()
