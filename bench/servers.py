"""Take servers that nobody here wrote through the whole chain, and print what came of every step.

    python bench/servers.py --llama VENV/bin/python     # pip install xllamacpp gguf
    python bench/servers.py --aimock DIRECTORY          # npm install @copilotkit/aimock
    python bench/servers.py --url http://localhost:8000/v1 --model NAME

llama.cpp serves a tiny model with random weights, made on the spot: its free verdicts are noise, and their rows must
say so, while a JSON schema forces them to be valid. aimock serves canned text by two models, one of which is plainly
better in the eyes of its judge: the chain must find that out in both orders.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from aimock_fixtures import JUDGE, WRITERS, fixtures
from harness import HERE, prefpipe

PROMPTS = 4
ASKED = ("--repeats", "2", "--max-tokens", "1000", "--seed", "1")

CONFIG = """\
[models."{model}"]
base_url = "{url}"

[models."{model}-full"]
model = "{model}"
base_url = "{url}"
response_format = "json_schema"
logprobs = true
"""


@contextmanager
def llama(python: str) -> Iterator[str]:
    """Make the model, and serve it."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "tiny.gguf")
        subprocess.run([python, str(HERE / "tiny_gguf.py"), path], check=True)
        command = [python, str(HERE / "llama_server.py"), path]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            yield next(iter(process.stdout or ())).strip()
            process.communicate()


@contextmanager
def aimock(folder: str) -> Iterator[str]:
    """Serve the canned texts."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "fixtures.json"
        path.write_text(json.dumps(fixtures()))
        program = Path(folder) / "node_modules" / ".bin" / "llmock"
        command = [str(program), "--port", str(port), "--fixtures", str(path), "--log-level", "silent"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v1"
            process.terminate()


class Chain:
    """The steps of the chain in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def step(self, stage: str, *arguments: str, output: str = "") -> None:
        """Run one command; print how it ended, and what its table says."""
        command = [stage, *arguments, *(["-o", output] if output else [])]
        started = time.perf_counter()
        done = subprocess.run(
            prefpipe(*command),
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"\n$ prefpipe {' '.join(command)}   (exit {done.returncode}, {time.perf_counter() - started:.1f} s)")
        print("\n".join(f"  | {line}" for line in done.stdout.rstrip().splitlines()[-25:]))
        if output and done.returncode == 0:
            self._show(self._folder / output)

    def judged(self, name: str, *options: str) -> None:
        """Judge in one way, and take the votes to the end of the chain."""
        votes, ranked, kept = (f"{name}.{part}.parquet" for part in ("votes", "ranked", "kept"))
        responses = ("--responses", "responses.parquet")
        self.step("judge", "responses.parquet", *ASKED, *options, output=votes)
        if (self._folder / votes).exists():
            self.step("rank", votes, *responses, output=ranked)
            self.step("filter", ranked, "--keep-top", "0.5", output=kept)
            self.step("export", kept, *responses, "--format", "dpo", output=f"{name}.parquet")

    def _show(self, path: Path) -> None:
        table = pl.read_parquet(path)
        if "status" in table.columns:
            ends = Counter(zip(table["status"], table["error"], strict=True))
            for (status, error), count in ends.most_common(6):
                print(f"  {count:>4} rows {status}{f': {error[:150]}' if error else ''}")
        else:
            print(f"  {table.height} rows")
        if "chosen_model" in table.columns:
            print(f"  chosen: {dict(Counter(table['chosen_model']))}")


def run(url: str, writers: list[str], judge: str, samples: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (HERE.parent / "prompts" / "demo.jsonl").read_text().splitlines()[:PROMPTS]
        (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n")
        tables = [CONFIG.format(model=model, url=url) for model in dict.fromkeys([*writers, judge])]
        (folder / "prefpipe.toml").write_text("\n".join(tables))
        chain = Chain(folder)
        chain.step("models", "check", judge)
        models = [f"--model={writer}" for writer in writers]
        chain.step(
            *("generate", "prompts.jsonl", *models, "-n", str(samples), "--max-tokens", "2000", "--seed", "1"),
            output="responses.parquet",
        )
        free, full = f"--judge={judge}", f"--judge={judge}-full"
        listwise = ("--protocol", "listwise")
        chain.judged("pairwise", free)
        chain.judged("listwise", free, *listwise)
        chain.judged("pairwise-json", full, "--verdicts", "json")
        chain.judged("listwise-json", full, "--verdicts", "json", *listwise)
        chain.judged("pairwise-logprobs", full, "--logprobs")
        chain.judged("pairwise-json-logprobs", full, "--verdicts", "json", "--logprobs")
        chain.judged("pairwise-batch", free, "--batch", "--store", "batch.db")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--llama", help="a Python that has xllamacpp and gguf")
    parser.add_argument("--aimock", help="the directory whose node_modules has @copilotkit/aimock")
    parser.add_argument("--url", help="the base URL of any server that runs already")
    parser.add_argument("--model", help="the model to ask there")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if options.llama:
        with llama(options.llama) as url:
            run(url, ["tiny"], "tiny", samples=3)
    if options.aimock:
        with aimock(options.aimock) as url:
            run(url, WRITERS, JUDGE, samples=1)
    if options.url:
        run(options.url, [options.model], options.model, samples=3)


if __name__ == "__main__":
    main()
