import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.testing import CliRunner

from prefpipe.cli.batch import COMMANDS, app
from prefpipe.pipeline.llm.batch.journal import Journal
from prefpipe.pipeline.llm.models import parse_model

STORE = Path("answers.db")


@pytest.fixture
def batch(capsys: pytest.CaptureFixture[str]) -> Callable[..., CompletedProcess[str]]:
    def run(*arguments: str) -> CompletedProcess[str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            app([*arguments, f"--store={STORE}"], prog_name="prefpipe batch")
        out, err = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return CompletedProcess(arguments, code, out, err)

    return run


def planned(requests: int) -> str:
    with Journal.beside(STORE) as journal:
        return journal.plan(parse_model("sim:strong"), [f"{number:032x}" for number in range(requests)]).tag


def test_the_status_is_a_table_with_what_to_do_next(batch: Callable[..., CompletedProcess[str]]) -> None:
    tag = planned(1200)
    done = batch("status")
    head, line = done.stdout.splitlines()
    assert (done.returncode, head.split()) == (
        0,
        ["batch", "model", "requests", "done", "failed", "state", "age", "next"],
    )
    assert line.split(maxsplit=8)[:8] == [tag, "sim:strong", "1,200", "0", "0", "planned", "0", "min"]
    assert line.endswith("run its command again")
    assert head.index("next") == line.index("interrupted")


def test_the_status_is_json_for_scripts(batch: Callable[..., CompletedProcess[str]]) -> None:
    tag = planned(3)
    (found,) = json.loads(batch("status", "--json").stdout)
    assert (found["batch"], found["model"], found["requests"], found["state"]) == (tag, "sim:strong", 3, "planned")
    assert set(found) == {
        *("batch", "model", "server", "requests", "answered", "failed", "state", "age", "next"),
    }


def test_no_batches_are_said_to_be_none(batch: Callable[..., CompletedProcess[str]]) -> None:
    assert batch("status").stdout == "No batches.\n"
    assert json.loads(batch("collect", "--json").stdout) == []


def test_a_batch_can_be_forgotten(batch: Callable[..., CompletedProcess[str]]) -> None:
    tag = planned(3)
    assert tag in batch("forget", tag).stdout
    assert batch("status").stdout == "No batches.\n"


def test_an_unknown_batch_is_a_sentence_and_exit_code_2(batch: Callable[..., CompletedProcess[str]]) -> None:
    planned(1)
    for command in ("cancel", "forget"):
        done = batch(command, "batch_x")
        assert done.returncode == 2
        assert "There is no batch batch_x" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert f" {command} " in CliRunner().invoke(app, ["--help"]).output
    shown = CliRunner().invoke(app, [command, "--help"], prog_name="prefpipe batch").output
    assert f"Example: prefpipe batch {command}" in " ".join(shown.split())
