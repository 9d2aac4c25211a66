import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import settings

from prefpipe.cli.main import app
from prefpipe.pipeline.formats.responses import read_candidates
from prefpipe.pipeline.generate import generate
from prefpipe.pipeline.judge import judge
from prefpipe.pipeline.llm.client import Client
from prefpipe.pipeline.llm.requests import Request
from prefpipe.pipeline.llm.sender import Reply

# The same examples each time, and no files left behind: a test that fails once fails again.
settings.register_profile("prefpipe", derandomize=True, database=None, deadline=None)
settings.load_profile("prefpipe")

# typer's panels would break sentences at the width of whatever terminal the tests run in.
os.environ["TERMINAL_WIDTH"] = "200"
os.environ["_TYPER_FORCE_DISABLE_TERMINAL"] = "1"

QUESTIONS = (
    "Why is the sky blue?",
    "How do noise-cancelling headphones work?",
    "What makes a good password?",
    "Explain recursion with an example.",
    "Describe the water cycle in five steps.",
)
MODELS = ("sim:strong", "sim:fair", "sim:weak")

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def _own_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in an empty folder, with nothing of the developer's own settings."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("OPENAI_", "PREFPIPE_")) or name in {"NO_COLOR", "FORCE_COLOR", "PY_COLORS", "COLUMNS"}:
            monkeypatch.delenv(name)


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[[str, Sequence[Row]], Path]:
    """Write rows as a JSON-lines file into the test's folder."""

    def write(name: str, rows: Sequence[Row]) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return path

    return write


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Row]:
    """The body of every request that goes out while the test runs, by the request's key."""
    bodies: dict[str, Row] = {}
    send = Client.send

    async def record(client: Client, request: Request, base_url: str) -> Reply:
        bodies[request.key] = json.loads(request.body)
        return await send(client, request, base_url)

    monkeypatch.setattr(Client, "send", record)
    return bodies


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prompts, responses and votes, all made by simulated models. Nobody writes to it."""
    folder = tmp_path_factory.mktemp("data")
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": question, "topic": "any"}) + "\n" for question in QUESTIONS))
    store = folder / "answers.db"
    generate(prompts, folder / "responses.parquet", models=MODELS, store=store)
    generate(prompts, folder / "responses.jsonl", models=MODELS, store=store)
    judge(folder / "responses.parquet", folder / "votes.parquet", judges=["sim:judge"], store=store)
    rankings = [_ranking(candidates) for candidates in read_candidates(folder / "responses.parquet")]
    (folder / "rankings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rankings))
    return folder


def _ranking(candidates: list[Row]) -> Row:
    """A ranking in order of the models' names, strong before fair: enough for the stages that follow."""
    ordered = sorted(candidates, key=lambda row: MODELS.index(row["model"]))
    return {
        "prompt_id": candidates[0]["prompt_id"],
        "response_ids": [row["response_id"] for row in ordered],
        "models": [row["model"] for row in ordered],
        "ranks": [1, 2, 3],
        "scores": [1.5, 0.0, -1.25],
        "method": "bradley-terry",
        "votes": 9,
        "invalid": 0,
        "conflicts": 0,
        "repeats": 3,
        "flags": [],
        "kendall_w": 0.9,
        "consistency": 0.85,
        "margin": 2.75,
    }


@pytest.fixture
def prefpipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., CompletedProcess[str]]:
    """Run the command line in this process; an error without a sentence of its own comes out as itself."""

    def run(*arguments: object, stdin: str = "") -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            app([str(argument) for argument in arguments], prog_name="prefpipe")
        out, err = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return CompletedProcess("prefpipe", code, out, err)

    return run
