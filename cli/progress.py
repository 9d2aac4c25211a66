"""How far a run is, while it asks: live lines on a terminal, else a plain line now and then; on stderr."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from . import terminal
from .text import money

if TYPE_CHECKING:
    from ..pipeline.llm.meter import Meter, ModelSpend, Traffic

PLAIN_LINE_SECONDS = 30.0
LOOK_SECONDS = 0.25
_REASON_WIDTH = 60


@contextmanager
def progress(stage: str) -> Iterator["Meter"]:
    """Give a meter and show it while the stage runs."""
    from ..pipeline.llm.meter import Meter

    meter = Meter()
    if terminal.console.is_terminal:
        with Live(
            get_renderable=lambda: Text("\n".join(progress_lines(stage, meter)), overflow="ellipsis", no_wrap=True),
            console=terminal.console,
            refresh_per_second=4,
            transient=True,
        ):
            yield meter
        return
    done = threading.Event()
    watcher = threading.Thread(target=_plain_lines, args=(stage, meter, done), daemon=True)
    watcher.start()
    try:
        yield meter
    finally:
        done.set()
        watcher.join()


def _plain_lines(stage: str, meter: "Meter", done: threading.Event) -> None:
    due, stopping = monotonic() + PLAIN_LINE_SECONDS, False
    while not done.wait(min(LOOK_SECONDS, PLAIN_LINE_SECONDS)):
        # Whoever pressed Ctrl-C wants to know at once what is waited for.
        if monotonic() >= due or meter.stopping != stopping:
            for line in progress_lines(stage, meter):
                terminal.say(line)
            due, stopping = monotonic() + PLAIN_LINE_SECONDS, meter.stopping


def progress_lines(stage: str, meter: "Meter") -> list[str]:
    """Return how far a run is and how fast it goes: a line for all, and one for each model where there are several."""
    seconds = max(monotonic() - meter.started, 1e-9)
    if meter.stopping:
        waiting = f"stopping, waiting for {meter.in_flight:,} calls in flight; press Ctrl-C again to exit at once"
        return [f"{stage} {meter.done:,} · {waiting}"]
    uses = {use.model: use for use in list(meter.uses.values())}
    traffic = dict(meter.traffic)
    whole = [
        *_pace(stage, meter.done, meter.total, meter.sent, seconds),
        f"{(meter.prompt_tokens + meter.completion_tokens) / seconds:,.0f} tokens/s",
        *_money(meter.spent, sum(_projected(one, uses.get(name)) for name, one in traffic.items())),
        *_counts({"in flight": meter.in_flight, "from store": meter.stored, "retries": meter.retries}),
    ]
    if len(traffic) == 1:
        whole += _restraints(next(iter(traffic.values())))
    whole += _counts({"failed": meter.failed})
    models = traffic.items() if len(traffic) > 1 else ()
    return [" · ".join(whole), *(" · ".join(_of_model(name, one, uses.get(name), seconds)) for name, one in models)]


def _of_model(name: str, traffic: "Traffic", use: "ModelSpend | None", seconds: float) -> Iterator[str]:
    sent = traffic.done - traffic.stored
    yield from _pace(f"  {terminal.one_line(name)}", traffic.done, traffic.total, sent, seconds)
    if use:
        yield f"{(use.prompt_tokens + use.completion_tokens) / seconds:,.0f} tokens/s"
        yield from _money(use.spent, _projected(traffic, use))
    yield from _counts({"in flight": traffic.in_flight, "from store": traffic.stored, "retries": traffic.retries})
    yield from _restraints(traffic)


def _pace(name: str, done: int, total: int | None, sent: int, seconds: float) -> Iterator[str]:
    rate = sent / seconds
    yield f"{name} {done:,}" + (f"/{total:,} ({done / total:.0%})" if total else "")
    if total and rate:
        yield f"{_duration((total - done) / rate)} left"
    yield f"{rate:,.0f} calls/s" if rate >= 10 or not rate else f"{rate:.2g} calls/s"


def _projected(traffic: "Traffic", use: "ModelSpend | None") -> float:
    """Return what a model will have cost at the end, as far as that is known."""
    sent = traffic.done - traffic.stored
    if not (use and sent and traffic.total):
        return use.spent if use else 0.0
    return use.spent / sent * (traffic.total - traffic.stored)


def _money(spent: float, projected: float) -> Iterator[str]:
    if spent:
        cents = money(round(spent, 2))
        yield f"{cents} of about {money(round(projected, 2))}" if projected > spent else cents


def _counts(counts: dict[str, int]) -> Iterator[str]:
    yield from (f"{count:,} {name}" for name, count in counts.items() if count)


def _restraints(traffic: "Traffic") -> Iterator[str]:
    """Yield what keeps calls back: refusals, other failures, a pause or a limit that lasts for longer than a moment."""
    if traffic.throttled:
        yield f"{traffic.throttled:,} rate-limited (429)"
    if traffic.retries > traffic.throttled and traffic.last_failure:
        yield f"last: {terminal.one_line(traffic.last_failure[:_REASON_WIDTH])}"
    if 1 <= traffic.wait < math.inf:
        yield f"next call in {_duration(traffic.wait)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
