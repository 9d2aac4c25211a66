import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]


def test_inspect_shows_model_output_without_letting_it_steer_the_terminal(prefpipe: Run) -> None:
    evil = "\x1b[31mred\x1b[0m \x07bell \x9b2J clear \u202eright to left [bold]not bold[/bold] :smile:"
    Path("a.jsonl").write_text(json.dumps({"prompt": "Why?", "model": "m", "content": evil, evil: 1}))
    result = prefpipe("inspect", "a.jsonl")
    assert result.returncode == 0
    assert all(char.isprintable() or char == "\n" for char in result.stdout)
    assert result.stdout.count("�[31mred�[0m �bell �2J clear �right to left [bold]not bold[/bold] :smile:") == 3
    assert json.loads(prefpipe("inspect", "a.jsonl", "--json").stdout)["sample"][0]["content"] == evil


def test_inspect_reads_standard_input_too(prefpipe: Run) -> None:
    assert prefpipe("inspect", "-", stdin='{"prompt": "a"}\n').stdout.startswith("standard input: prompts, 1 rows")


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_inspect_shows_as_many_rows_as_are_wanted(prefpipe: Run, data: Path, rows: int) -> None:
    shown = prefpipe("inspect", data / "responses.parquet", "--rows", rows).stdout
    assert len(re.findall(r"^row \d+$", shown, re.MULTILINE)) == rows
