import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from prefpipe.cli.cache import COMMANDS, app
from prefpipe.pipeline.llm.meter import ModelSpend
from prefpipe.pipeline.llm.models import OPENAI_URL
from prefpipe.pipeline.llm.store import AnswerStore, Kept

Run = Callable[..., CompletedProcess[str]]

STORE = Path(".prefpipe/answers.db")
RAW = (
    b'{"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": 1000000, "completion_tokens": 2000000}}'
)
ANSWERS = [
    Kept("00" * 16, "gpt-4o-mini", OPENAI_URL, 1_700_000_000, 0.5, RAW),
    Kept("11" * 16, "llama", "http://localhost/v1", 1_700_000_000, 0.5, RAW),
]


@pytest.fixture
def cache(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `prefpipe cache` in this process."""

    def run(*arguments: object, stdin: str = "") -> CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            app([str(argument) for argument in arguments], prog_name="prefpipe cache")
        out, err = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return CompletedProcess("prefpipe cache", code, out, err)

    return run


@pytest.fixture(autouse=True)
def _filled() -> None:
    with AnswerStore(STORE) as store:
        store.add(ANSWERS)
        store.record_run("judge", [ModelSpend("gpt-4o-mini", OPENAI_URL, sent=1, from_store=4, spent=1.35, saved=5.4)])


def models() -> set[str]:
    with AnswerStore(STORE) as store:
        return set(store.models())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(cache: Run, command: str) -> None:
    shown = cache(command, "--help").stdout
    assert f"Example: prefpipe cache {command}" in " ".join(shown.split())


def test_show_prints_what_is_held_and_what_it_cost_and_saved(cache: Run) -> None:
    shown = cache("show").stdout
    assert ".prefpipe/answers.db: 2 answers, " in shown
    lines = [line.split() for line in shown.splitlines()]
    hosted = [
        "gpt-4o-mini",
        OPENAI_URL,
        "1",
        "1,000,000",
        "2,000,000",
        "$1.35",
        "4",
        "$5.40",
        "2023-11-14",
        "2023-11-14",
    ]
    assert hosted in lines
    assert [
        "llama",
        "http://localhost/v1",
        "1",
        "1,000,000",
        "2,000,000",
        "?",
        "0",
        "$0.00",
        "2023-11-14",
        "2023-11-14",
    ] in lines
    assert any(line[1:] == ["1", "4", "$1.35", "$5.40"] for line in lines)
    assert "? stands for an unknown price" in shown


def test_show_as_json_is_one_object(cache: Run) -> None:
    seen = json.loads(cache("show", "--json").stdout)
    assert [(each["model"], each["cost"]) for each in seen["holdings"]] == [
        ("gpt-4o-mini", {"known": 1.35, "unknown": 0}),
        ("llama", {"known": 0.0, "unknown": 1}),
    ]
    assert seen["holdings"][0]["oldest"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("said", "left"), [("y\n", {"llama"}), ("n\n", {"llama", "gpt-4o-mini"}), ("\n", {"llama", "gpt-4o-mini"})]
)
def test_prune_says_what_would_go_and_asks(cache: Run, said: str, left: set[str]) -> None:
    ran = cache("prune", "--model", "gpt-4o-mini", stdin=said)
    assert ran.returncode == 0
    assert "1 of 2 answers would be removed: 113 B, which cost $1.35." in ran.stderr
    assert models() == left


def test_prune_removes_nothing_when_nobody_answers(cache: Run) -> None:
    assert cache("prune", "--older-than", "1d").returncode == 1
    assert models() == {"llama", "gpt-4o-mini"}


def test_prune_asks_nothing_when_told_so_or_when_nothing_would_go(cache: Run) -> None:
    assert cache("prune", "--older-than", "9999w").returncode == 0
    assert models() == {"llama", "gpt-4o-mini"}
    ran = cache("prune", "--older-than", "1d", "--yes", "--json")
    assert json.loads(ran.stdout)["dropped"] == {"removed": 2}
    assert models() == set()


def test_export_and_import_carry_answers_and_account_for_them(cache: Run) -> None:
    assert "2 answers in = 2 out + 0 dropped" in cache("export", "x.parquet").stderr
    ran = cache("import", "x.parquet", "--store", "other.db", "--json")
    assert "2 answers in = 2 out + 0 dropped" in ran.stderr
    assert json.loads(ran.stdout)["out"] == 2
    assert "2 answers in = 0 out + 2 dropped (2 known)" in cache("import", "x.parquet", "--store", "other.db").stderr


def test_a_mistake_is_one_sentence_and_a_hint(cache: Run) -> None:
    ran = cache("prune")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: Nothing says which answers to remove.\nhint:")
