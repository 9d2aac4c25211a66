import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from rich.console import Console

from prefpipe.cli import terminal
from prefpipe.cli.terminal import show_error, show_summary
from prefpipe.pipeline.summary import Figure, Summary

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


@pytest.mark.parametrize("name", ["type_error", "a of b_low", "judge_usd"])
def test_a_judge_keeps_its_figure_and_its_name_whatever_that_is(capsys: pytest.CaptureFixture[str], name: str) -> None:
    figures = {"first_slot_share": 0.4, f"first_slot_share of {name}": 0.5}
    show_summary(Summary("rank", "r.parquet", "prompts", 0, 0, figures=figures))
    assert f"first slot share of {name} 0.5\n" in capsys.readouterr().err


def test_no_name_in_a_summary_steers_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: dict[str, Figure] = {f"{EVIL}_error": 0.1, EVIL: 0.5, "text": EVIL}
    summary = Summary("rank", EVIL, EVIL, 1, 0, {EVIL: 1}, figures, (EVIL,))
    show_summary(summary, as_json=True)
    out, err = capsys.readouterr()
    assert all(char.isprintable() or char == "\n" for char in out + err)
    assert err.count(SHOWN) == 6
    screen = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=screen, force_terminal=True, soft_wrap=True, width=80))
    show_summary(summary)
    styles = set(re.findall("\x1b[^m]*m", screen.getvalue()))
    assert styles <= {"\x1b[1m", "\x1b[33m", "\x1b[0m"}


def test_a_line_break_in_a_name_forges_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    forged = "m\nwarning: all is well"
    show_error(forged, forged)
    terminal.show_warnings([forged])
    terminal.show([forged, forged])
    terminal.show("two\nlines")
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint", "warning"]
    assert out == "m warning: all is well\nm warning: all is well\ntwo\nlines\n"


def votes() -> list[dict[str, object]]:
    """Votes by a judge and on responses whose names try everything, and a model that is never compared."""
    names = [f"{EVIL}\n{place}" for place in ("a", "b")]
    return [
        {"prompt_id": f"p{prompt}", "judge": judge, "repeat": repeat, "shown": names, "ranks": [1, 2]}
        for prompt in range(3)
        for judge in (EVIL, f"{EVIL}2")
        for repeat in range(2)
    ] + [{"prompt_id": "lonely", "judge": EVIL, "shown": [f"{EVIL}lonely"], "ranks": [1]}]


@pytest.mark.parametrize(
    "arguments",
    [
        ["leaderboard", "votes.jsonl"],
        ["leaderboard", "votes.jsonl", "--method", "robust"],
        ["leaderboard", "votes.jsonl", "--anchor", EVIL],
        ["leaderboard", "votes.jsonl", "--method", EVIL],
        ["rank", "votes.jsonl", "-o", "rankings.parquet"],
        ["rank", "votes.jsonl", "-o", "rankings.parquet", "--judge-weight", EVIL],
        ["rank", "votes.jsonl", "-o", "rankings.parquet", "--judge-weight", f"{EVIL}3=1"],
        ["rank", "votes.jsonl", "-o", "rankings.parquet", "--position-effect", EVIL],
        ["repeats", "votes.jsonl"],
        ["repeats", "votes.jsonl", "--judge", "z"],
        ["inspect", "votes.jsonl"],
        ["inspect", EVIL],
        ["models", "show"],
        ["models", "check", EVIL],
        ["generate", "votes.jsonl", "-o", "responses.parquet", "--model", EVIL],
        ["cache", "show", "--store", EVIL],
        ["cache", "prune", "--model", EVIL],
        ["batch", "cancel", EVIL],
        [EVIL],
    ],
    ids=lambda arguments: " ".join(arguments[:2]).encode("ascii", "replace").decode()[:20],
)
def test_no_name_in_a_file_or_an_option_steers_the_terminal(prefpipe: Run, arguments: list[str]) -> None:
    Path("votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in votes()))
    Path("prefpipe.toml").write_text(f'[models.{json.dumps(EVIL)}]\nbase_url = "http://127.0.0.1:9/v1"\n')
    result = prefpipe(*arguments)
    told = result.stdout + result.stderr
    assert told
    assert not [char for char in told if not (char.isprintable() or char == "\n")]


def test_findings_are_printed_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stdout.flush()
    terminal.show_findings([("bias", "0.60 ± 0.07", "0.60")])
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split("  ")[0] for line in out.strip().splitlines()][-1] == "bias"
