import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points, version
from subprocess import CompletedProcess
from typing import Any

import pytest
import typer

from prefpipe.cli import start
from prefpipe.cli.main import COMMANDS, EXAMPLES, app
from prefpipe.cli.options import STORE
from prefpipe.pipeline import leaderboard, repeats
from prefpipe.pipeline.llm.store import DEFAULT_PATH
from prefpipe.pipeline.run import STAGES

Run = Callable[..., CompletedProcess[str]]

FUNCTIONS: dict[str, Callable[..., Any]] = {**STAGES, "leaderboard": leaderboard, "repeats": repeats}
"""The commands whose options are the parameters of a function; repeatable options are plural there."""


def test_the_installed_command_runs_this_app() -> None:
    [entry] = entry_points(group="console_scripts", name="prefpipe")
    assert entry.load() is start.main


def test_ctrl_c_while_the_program_is_still_loading_ends_it_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("prefpipe.cli.main.main", interrupted)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    with pytest.raises(SystemExit, match="130"):
        start.main()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_lists_every_command_and_ends_with_an_example(prefpipe: Run, arguments: list[str]) -> None:
    result = prefpipe(*arguments)
    assert result.returncode == (0 if arguments else 2)
    for name in COMMANDS:
        assert re.search(rf"^│ {name} ", result.stdout, re.MULTILINE)
    assert re.fullmatch(r"Example: prefpipe (\w+)", result.stdout.strip().splitlines()[-1].strip())


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_of_every_command_ends_with_an_example(prefpipe: Run, name: str, option: str) -> None:
    result = prefpipe(name, option)
    assert result.returncode == 0
    assert result.stdout.strip().splitlines()[-1].strip() == f"Example: {EXAMPLES[name]}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_every_command_is_a_command_that_can_be_given(name: str) -> None:
    program, command, *arguments = shlex.split(EXAMPLES[name])
    assert (program, command) == ("prefpipe", name)
    group: Any = typer.main.get_command(app)
    with group.commands[name].make_context(name, arguments) as context:
        assert context.params


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_commands_options_are_its_functions_parameters_with_the_same_defaults(name: str) -> None:
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(FUNCTIONS[name]).parameters.items()
        if name != "meter"
    }
    options = {
        option if option in parameters else f"{option}s": given.default
        for option, given in inspect.signature(COMMANDS[name]).parameters.items()
        if option != "json"
    }
    assert options == parameters


def test_the_constants_that_keep_help_fast_are_those_of_the_pipeline() -> None:
    assert STORE == DEFAULT_PATH


def test_the_version_is_that_of_the_package(prefpipe: Run) -> None:
    result = prefpipe("--version")
    assert (result.returncode, result.stdout) == (0, f"prefpipe {version('prefpipe')}\n")


@pytest.mark.parametrize("arguments", ["--help", "generate --help", "rank --help", "--version"])
def test_help_loads_nothing_heavy(arguments: str) -> None:
    code = (
        "import sys\nfrom prefpipe.cli.main import app\n"
        f"try:\n    app({arguments.split()!r})\nexcept SystemExit:\n    pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stderr.split())
    assert "typer" in loaded
    assert not loaded & {"openai", "httpx2", "polars", "pyarrow", "numpy", "msgspec", "tenacity", "sqlite3", "asyncio"}


def test_a_mistyped_command_is_answered_with_the_nearest_one(prefpipe: Run) -> None:
    result = prefpipe("genrate")
    assert result.returncode == 2
    assert "Did you mean 'generate'?" in result.stderr
