"""A run that is killed loses nothing that was answered: run again, it asks only for what is missing."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from prefpipe.pipeline import generate
from prefpipe.pipeline.llm.simulator import Simulator, running

PROMPTS = 20
MODELS = ("strong?latency=0.02", "weak?latency=0.02")
CALLS = {"generate": PROMPTS * len(MODELS) * 3, "judge": PROMPTS * 2 * 15}


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "prompts.jsonl"
    path.write_text("".join(f'{{"prompt": "Question {number}?"}}\n' for number in range(PROMPTS)))
    return path


@pytest.fixture(scope="module")
def responses(prompts: Path) -> Path:
    path = prompts.with_name("responses.parquet")
    generate(prompts, path, models=["sim:strong", "sim:weak"], samples=3, store=prompts.with_name("other.db"))
    return path


@pytest.fixture
def server() -> Iterator[tuple[Simulator, str]]:
    simulator = Simulator()
    with running(simulator) as url:
        yield simulator, url


def command(stage: str, url: str, prompts: Path, responses: Path, store: Path, output: Path) -> list[str]:
    arguments = {
        "generate": [str(prompts), "-n", "3", *(f"--model={model}@{url}" for model in MODELS)],
        "judge": [str(responses), f"--judge=judge?latency=0.01&invalid=0.1@{url}"],
    }[stage]
    shared = ["--seed=1", "--concurrency=8", f"--store={store}", f"--output={output}"]
    return [sys.executable, "-m", "prefpipe.cli", stage, *arguments, *shared]


def kept(store: Path) -> int:
    """Return how many answers the store holds, as a process that reads it anew finds them."""
    database = sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)
    try:
        return int(database.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # the store is being made
    finally:
        database.close()


def settled(simulator: Simulator) -> int:
    """Return how many answers the server gave, once it has dealt with what a killed process left on the wire."""
    before, now = -1, simulator.served.by_status[200]
    while before != now:
        time.sleep(0.3)
        before, now = now, simulator.served.by_status[200]
    return now


def table(path: Path) -> pl.DataFrame:
    """Return a table without what differs between any two runs."""
    return pl.read_parquet(path).drop("latency")


@pytest.mark.parametrize("stage", ["generate", "judge"])
def test_kill_9_loses_no_answer_and_changes_no_table(
    stage: str, tmp_path: Path, prompts: Path, responses: Path, server: tuple[Simulator, str]
) -> None:
    simulator, url = server
    store, output = tmp_path / "answers.db", tmp_path / "killed.parquet"
    arguments = command(stage, url, prompts, responses, store, output)
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while (not store.exists() or kept(store) < CALLS[stage] // 4) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists()
    before, answered = kept(store), settled(simulator)
    assert CALLS[stage] // 4 <= before < CALLS[stage]

    subprocess.run(arguments, check=True, stderr=subprocess.DEVNULL)
    assert settled(simulator) - answered == CALLS[stage] - before
    assert [path.name for path in tmp_path.glob(".*.partial")] == []

    undisturbed = tmp_path / "undisturbed.parquet"
    subprocess.run(
        command(stage, url, prompts, responses, tmp_path / "fresh.db", undisturbed),
        check=True,
        stderr=subprocess.DEVNULL,
    )
    assert table(output).equals(table(undisturbed))
    assert table(output).height == CALLS[stage]


def test_ctrl_c_exits_with_130_and_says_how_to_go_on(
    tmp_path: Path, prompts: Path, responses: Path, server: tuple[Simulator, str]
) -> None:
    store, output = tmp_path / "answers.db", tmp_path / "out.parquet"
    process = subprocess.Popen(
        command("generate", server[1], prompts, responses, store, output), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while (not store.exists() or kept(store) < 10) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("answers.db")] == []
