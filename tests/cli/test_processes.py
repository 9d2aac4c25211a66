import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.llm.simulator import Simulator, running

Run = Callable[..., CompletedProcess[str]]

Start = Callable[..., subprocess.Popen[str]]

PREFPIPE = [sys.executable, "-m", "prefpipe.cli"]
TERMINAL_SETTINGS = {"GITHUB_ACTIONS", "TERMINAL_WIDTH", "_TYPER_FORCE_DISABLE_TERMINAL"}


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command line in processes of their own, none of which outlives the test."""
    with ExitStack() as stack:

        def run(*arguments: object, **options: Any) -> subprocess.Popen[str]:
            streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = subprocess.Popen([*PREFPIPE, *map(str, arguments)], **streams | options)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


def finish(process: subprocess.Popen[str], text: str | None = None) -> CompletedProcess[str]:
    out, err = process.communicate(text, timeout=60)
    return CompletedProcess("prefpipe", process.returncode, out, err)


def test_a_pipe_of_processes_gives_the_same_votes_as_files_do(start: Start, data: Path) -> None:
    models = [part for model in ("sim:strong", "sim:fair", "sim:weak") for part in ("--model", model)]
    with (data / "prompts.jsonl").open() as prompts:
        generate = start("generate", "-", "-o", "-", *models, stdin=prompts)
        judge = start("judge", "-", "-o", "-", "--judge", "sim:judge", stdin=generate.stdout)
        votes = finish(judge)
        assert (generate.wait(), votes.returncode) == (0, 0)
    piped = {(row["vote_id"], tuple(row["ranks"])) for row in map(json.loads, votes.stdout.splitlines())}
    stored = pq.read_table(data / "votes.parquet").to_pylist()
    assert piped == {(row["vote_id"], tuple(row["ranks"])) for row in stored}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["generate", "prompts.jsonl", "--model", "sim:weak"], {"TERM": "xterm-256color"}),
        (["generate", "none.jsonl", "--model", "sim:weak"], {"NO_COLOR": "1"}),
        (["generate", "prompts.jsonl", "--modle", "sim:weak"], {}),
    ],
)
def test_what_is_piped_holds_no_escape_codes(
    start: Start, data: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    shutil.copy(data / "prompts.jsonl", "prompts.jsonl")
    plain = {name: value for name, value in os.environ.items() if name not in TERMINAL_SETTINGS}
    result = finish(start(*arguments, "-o", "-", env=plain | environment))
    assert result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def test_a_server_that_is_not_there_ends_the_run_with_one_sentence(prefpipe: Run, data: Path) -> None:
    result = prefpipe("generate", data / "prompts.jsonl", "-o", "table.parquet", "--model", "m@http://127.0.0.1:9/v1")
    assert (result.returncode, result.stdout) == (1, "")
    assert "error: The server of m cannot be reached: no connection to http://127.0.0.1:9/v1" in result.stderr
    assert "hint:" in result.stderr
    assert {path.name for path in Path().iterdir()} == {".prefpipe"}


def test_a_key_that_is_refused_ends_the_run_and_is_not_repeated(
    prefpipe: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFPIPE_API_KEY", "sk-secret")
    with running(Simulator(api_key="another")) as url:
        result = prefpipe("generate", data / "prompts.jsonl", "-o", "table.parquet", "--model", f"weak@{url}")
    assert result.returncode == 1
    assert "HTTP 401" in result.stderr
    assert "PREFPIPE_API_KEY" in result.stderr
    assert "sk-secret" not in result.stderr
    assert {path.name for path in Path().iterdir()} == {".prefpipe"}


@pytest.mark.parametrize(("latency", "times"), [(1, 1), (60, 2)], ids=["once", "twice"])
def test_ctrl_c_ends_a_run_with_130_and_leaves_no_half_of_a_table(
    start: Start, data: Path, latency: int, times: int
) -> None:
    simulator = Simulator()
    with running(simulator) as url:
        model = f"weak?latency={latency}@{url}"
        process = start("generate", data / "prompts.jsonl", "-o", "table.parquet", "--model", model)
        while not simulator.served.by_model:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        if times == 2:
            assert "stopping, waiting for " in process.stderr.readline()
            process.send_signal(signal.SIGINT)
        *_, interrupted, hint = process.stderr.read().splitlines()
        assert process.wait(timeout=60) == 130
    assert interrupted == "error: Interrupted."
    assert "run the same command again" in hint
    assert {path.name for path in Path().iterdir()} == {".prefpipe"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "{data}/responses.parquet", "--rows", "15"],
        ["generate", "{data}/prompts.jsonl", "--model", "sim:weak", "-o", "-"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_reader_that_has_seen_enough_ends_a_command_without_complaint(
    start: Start, data: Path, arguments: list[str]
) -> None:
    process = start(*(part.format(data=data) for part in arguments))
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    assert "BrokenPipeError" not in errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "{data}/responses.parquet"],
        ["inspect", "{data}/responses.parquet", "--json"],
        ["leaderboard", "{data}/votes.parquet", "--responses", "{data}/responses.parquet"],
        ["rank", "{data}/votes.parquet", "-o", "-"],
        ["rank", "{data}/votes.parquet", "-o", "rankings.parquet", "--json"],
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_an_output_that_cannot_be_written_is_told_in_one_sentence(
    start: Start, data: Path, arguments: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        result = finish(start(*(part.format(data=data) for part in arguments), stdout=full))
    assert result.returncode == 1
    assert "error: Standard output cannot be written: No space left on device.\nhint:  " in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


def test_simulate_serves_models_until_ctrl_c(prefpipe: Run, start: Start, data: Path) -> None:
    server = start("simulate", "--port", "0")
    assert server.stderr
    ready = server.stderr.readline()
    match = re.search(r"http://127\.0\.0\.1:\d+/v1", ready)
    assert match
    result = prefpipe("generate", data / "prompts.jsonl", "-o", "-", "--model", f"weak@{match[0]}")
    server.send_signal(signal.SIGINT)
    ended = finish(server)
    assert (result.returncode, result.stdout.count('"status":"ok"')) == (0, 5)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr


def test_pandas_is_not_loaded_where_it_is_installed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "pandas").mkdir()
    (tmp_path / "pandas" / "__init__.py").write_text("raise RuntimeError('pandas was loaded')")
    rows = [{"prompt_id": "p", "judge": "j", "shown": list(shown), "ranks": [1, 2]} for shown in ("ab", "ac", "bc")]
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    result = finish(start("rank", tmp_path / "votes.jsonl", "-o", tmp_path / "rankings.parquet", env=environment))
    assert result.returncode == 0
    assert pq.read_table(tmp_path / "rankings.parquet")["response_ids"].to_pylist() == [["a", "b", "c"]]
