import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from prefpipe.cli import terminal
from prefpipe.cli.terminal import show_error, show_summary
from prefpipe.pipeline.summary import Summary

Run = Callable[..., CompletedProcess[str]]

EVIL = "\x1b[31mred \x07bell \u202eleft [bold]bold[/bold] [/] :smile:"
SHOWN = "�[31mred �bell �left [bold]bold[/bold] [/] :smile:"


def test_an_error_is_a_sentence_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("There is no file a.", "Check the name.")
    show_error("Interrupted.")
    assert capsys.readouterr() == ("", "error: There is no file a.\nhint:  Check the name.\nerror: Interrupted.\n")


def test_what_an_error_quotes_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(EVIL, EVIL)
    assert capsys.readouterr().err == f"error: {SHOWN}\nhint:  {SHOWN}\n"


def test_what_a_file_says_is_quoted_without_letting_it_steer_the_terminal(prefpipe: Run) -> None:
    Path("a.jsonl").write_text(json.dumps({"prompt": [{"role": EVIL, "content": "a"}]}))
    result = prefpipe("generate", "a.jsonl", "-o", "-", "--model", "sim:weak")
    assert result.returncode == 2
    assert f"unknown role '{SHOWN}'" in result.stderr


def test_a_long_sentence_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("word " * 100 + "end.")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_summary_says_its_account_its_output_and_its_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(
        Summary("judge", "[a].parquet", "prompts", 3, 2, {"[empty]": 1}, {"votes": 1234, "none": None}, ("[Look].",)),
        Path("[a].parquet"),
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert "judge  3 prompts in = 2 out + 1 dropped (1 [empty])\n" in err
    assert "votes 1,234" in err
    assert "none" not in err
    assert "→ [a].parquet\n" in err
    assert "warning: [Look].\n" in err


def test_a_figure_stands_beside_its_error_and_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"effect": 0.61234, "effect_error": 0.05, "share": 0.5, "share_low": 0.4, "share_high": 0.6}
    show_summary(Summary("rank", "r.parquet", "prompts", 0, 0, figures=figures))
    assert "effect 0.612 ± 0.05 · share 0.5 (0.4 to 0.6)\n" in capsys.readouterr().err


def test_findings_are_printed_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stdout.flush()
    terminal.show_findings([("bias", "0.60 ± 0.07", "0.60")])
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split("  ")[0] for line in out.strip().splitlines()][-1] == "bias"
