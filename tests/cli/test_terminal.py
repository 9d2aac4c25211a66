import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from time import monotonic

import pytest
from rich.console import Console

from prefpipe.cli import terminal
from prefpipe.cli.terminal import progress, progress_line, show_error, show_summary
from prefpipe.pipeline.llm.meter import Meter
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


@pytest.fixture
def meter() -> Meter:
    return Meter(started=monotonic() - 10)


def test_progress_says_how_far_a_run_is_and_what_happens(meter: Meter) -> None:
    meter.total, meter.done, meter.stored, meter.retries, meter.in_flight = 2000, 1200, 200, 3, 64
    line = progress_line("judge", meter)
    for part in ("judge 1,200/2,000 (60%)", "calls/s", "200 from store", "3 retries", "64 in flight", " left"):
        assert part in line
    assert "failed" not in line


def test_progress_of_unknown_length_claims_no_end(meter: Meter) -> None:
    meter.done = 5
    line = progress_line("judge", meter)
    assert line.startswith("judge 5 · ")
    assert "left" not in line
    assert "%" not in line


def test_progress_at_the_very_start_divides_by_nothing() -> None:
    assert progress_line("judge", Meter()).startswith("judge 0 ")
    assert progress_line("judge", Meter(total=0)).startswith("judge 0 ")


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "PLAIN_LINE_SECONDS", 0.01)
    with progress("judge") as shown:
        shown.done = 7
        error = ""
        while "judge 7" not in error:
            error += capsys.readouterr().err
    assert "\x1b" not in error


def test_without_a_terminal_whoever_stops_a_run_is_told_at_once_what_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "LOOK_SECONDS", 0.01)
    with progress("judge") as shown:
        shown.in_flight, shown.stopping = 3, True
        said = ""
        while not said:
            said = capsys.readouterr().err
    assert said == "judge 0 · stopping, waiting for 3 calls in flight; Ctrl-C leaves at once\n"


def test_on_a_terminal_the_live_line_is_gone_at_the_end_even_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=screen, force_terminal=True, width=80))
    with pytest.raises(ValueError, match="oops"), progress("judge"):
        raise ValueError("oops")
    assert "judge 0" in screen.getvalue()
    assert screen.getvalue().endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))


def test_findings_are_printed_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stdout.flush()
    terminal.show_findings([("bias", "0.60 ± 0.07", "0.60")])
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split("  ")[0] for line in out.strip().splitlines()][-1] == "bias"
