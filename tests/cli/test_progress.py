import io
from time import monotonic

import pytest
from rich.console import Console

from prefpipe.cli import progress as watching
from prefpipe.cli import terminal
from prefpipe.cli.progress import progress, progress_lines
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.prices import Usage
from prefpipe.pipeline.tables import Status

CHEAP = Model("cheap", "cheap", "http://a/v1", "KEY", prompt_price=1.0, completion_price=10.0)
SLOW = Model("slow[1]\n\x1b", "slow", "http://b/v1", "KEY")


@pytest.fixture
def meter() -> Meter:
    return Meter(started=monotonic() - 10)


def test_progress_says_how_far_a_run_is_and_what_happens(meter: Meter) -> None:
    meter.total, meter.done, meter.stored, meter.retries, meter.in_flight = 2000, 1200, 200, 3, 64
    line = progress_lines("judge", meter)[0]
    for part in ("judge 1,200/2,000 (60%)", "calls/s", "200 from store", "3 retries", "64 in flight", " left"):
        assert part in line
    assert "failed" not in line


def test_progress_of_unknown_length_claims_no_end(meter: Meter) -> None:
    meter.done = 5
    line = progress_lines("judge", meter)[0]
    assert line.startswith("judge 5 · ")
    assert "left" not in line
    assert "%" not in line


def test_progress_at_the_very_start_divides_by_nothing() -> None:
    assert progress_lines("judge", Meter())[0].startswith("judge 0 ")
    assert progress_lines("judge", Meter(total=0))[0].startswith("judge 0 ")


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PLAIN_LINE_SECONDS", 0.01)
    with progress("judge") as shown:
        shown.done = 7
        error = ""
        while "judge 7" not in error:
            error += capsys.readouterr().err
    assert "\x1b" not in error


def test_without_a_terminal_whoever_stops_a_run_is_told_at_once_what_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    with progress("judge") as shown:
        shown.in_flight, shown.stopping = 3, True
        said = ""
        while not said:
            said = capsys.readouterr().err
    assert said == "judge 0 · stopping, waiting for 3 calls in flight; press Ctrl-C again to exit at once\n"


def test_on_a_terminal_the_live_line_is_gone_at_the_end_even_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(terminal, "console", Console(file=screen, force_terminal=True, width=80))
    with pytest.raises(ValueError, match="oops"), progress("judge"):
        raise ValueError("oops")
    assert "judge 0" in screen.getvalue()
    assert screen.getvalue().endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))


def test_each_of_several_models_has_a_line_with_its_own_pace_money_and_refusals(meter: Meter) -> None:
    meter.expect([CHEAP, SLOW], 100)
    for _ in range(50):
        meter.count_sent(CHEAP, Usage(1000, 100, 1100))
        meter.count_done(CHEAP, Status.OK)
    meter.count_done(SLOW, Status.ERROR)
    slow = meter.traffic_of(SLOW)
    slow.throttled, slow.wait, slow.in_flight = 7, 75.0, 2
    slow.retries, slow.last_failure = 8, "HTTP 500: out of\x1b memory" + "y" * 100
    whole, cheap, other = progress_lines("judge", meter)
    assert whole.startswith("judge 51/200 (26%) · ")
    assert whole.endswith("1 failed")
    assert cheap.startswith("  cheap 50/100 (50%) · 0:10 left · ")
    for part in (" 5 calls/s", "5,500 tokens/s", "$0.10 of about $0.20"):
        assert part in cheap
    assert other.startswith("  slow[1] � 1/100 (1%)")
    assert "2 in flight · 8 retries · 7 rate-limited (429) · last: HTTP 500: out of� memoryyy" in other
    assert other.endswith("y · next call in 1:15")


def test_one_model_needs_one_line(meter: Meter) -> None:
    meter.expect([CHEAP], 10)
    meter.traffic_of(CHEAP).throttled = 3
    (line,) = progress_lines("judge", meter)
    assert line.endswith("3 rate-limited (429)")
