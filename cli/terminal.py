"""What a user sees: progress while a stage asks, its summary when it is done, and errors. Data goes to stdout."""

import json
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

if TYPE_CHECKING:
    from ..pipeline.llm.meter import Meter
    from ..pipeline.summary import Summary

PLAIN_LINE_SECONDS = 30.0
LOOK_SECONDS = 0.25
LINE_WIDTH = 100

console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def show_error(message: str, hint: str | None = None) -> None:
    """Print what is wrong and what to do."""
    console.print(f"[red]error:[/red] {escape(_printable(message))}")
    if hint:
        console.print(f"[yellow]hint:[/yellow]  {escape(_printable(hint))}")


def show_summary(summary: "Summary", output: Path | None = None, *, as_json: bool = False) -> None:
    """Print a stage's closing account on stderr; as JSON on stdout if a script wants it."""
    console.print(f"[bold]{summary.stage}[/bold]  {escape(summary.account())}")
    for line in _figures(dict(summary.figures)):
        console.print(f"  {escape(line)}")
    if str(output) != "-":
        console.print(f"  → {escape(summary.output)}")
    show_warnings(summary.warnings)
    if as_json:
        # With the table itself on standard output, its summary would be taken for a row.
        print(json.dumps(summary.as_json()), file=sys.stderr if str(output) == "-" else sys.stdout)


def show_warnings(warnings: Iterable[str]) -> None:
    """Print what to know before trusting a result."""
    for warning in warnings:
        console.print(f"[yellow]warning:[/yellow] {escape(warning)}")


def _figures(figures: dict[str, Any]) -> Iterator[str]:
    """Yield lines of figures: errors beside what they belong to, what is zero or unknown left out."""
    parts = []
    for name, value in figures.items():
        if not value or name.endswith(("_error", "_low", "_high")):
            continue
        part = f"{name.removesuffix('_usd').replace('_', ' ')} {'$' * name.endswith('_usd')}{_figure(value)}"
        if (error := figures.get(f"{name}_error")) is not None:
            part += f" ± {_figure(error)}"
        if (low := figures.get(f"{name}_low")) is not None:
            part += f" ({_figure(low)} to {_figure(figures[f'{name}_high'])})"
        parts.append(part)
    while parts:
        line = parts.pop(0)
        while parts and len(line) + len(parts[0]) < LINE_WIDTH:
            line += f" · {parts.pop(0)}"
        yield line


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@contextmanager
def progress(stage: str) -> Iterator["Meter"]:
    """Give a meter and show it while the stage runs: a live line on a terminal, else a plain one now and then."""
    from ..pipeline.llm.meter import Meter

    meter = Meter()
    if console.is_terminal:
        with Live(
            get_renderable=lambda: Text(progress_line(stage, meter), overflow="ellipsis", no_wrap=True),
            console=console,
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
            console.print(progress_line(stage, meter))
            due, stopping = monotonic() + PLAIN_LINE_SECONDS, meter.stopping


def progress_line(stage: str, meter: "Meter") -> str:
    """Return one line that says how far a run is and how fast it goes."""
    seconds = max(monotonic() - meter.started, 1e-9)
    rate = meter.sent / seconds
    parts = [f"{stage} {meter.done:,}"]
    if meter.stopping:
        return f"{parts[0]} · stopping, waiting for {meter.in_flight:,} calls in flight; Ctrl-C leaves at once"
    if meter.total:
        parts[0] += f"/{meter.total:,} ({meter.done / meter.total:.0%})"
        if rate:
            parts.append(f"{_duration((meter.total - meter.done) / rate)} left")
    parts.append(f"{rate:,.0f} calls/s")
    parts.append(f"{(meter.prompt_tokens + meter.completion_tokens) / seconds:,.0f} tokens/s")
    if meter.spent:
        parts.append(_money(meter))
    for name, count in (
        ("in flight", meter.in_flight),
        ("from store", meter.stored),
        ("retries", meter.retries),
        ("failed", meter.failed),
    ):
        if count:
            parts.append(f"{count:,} {name}")
    return " · ".join(parts)


def _money(meter: "Meter") -> str:
    """Return what was spent and, where the end is known, what will have been."""
    if not (meter.total and meter.sent):
        return f"${meter.spent:.2f}"
    return f"${meter.spent:.2f} of about ${meter.spent / meter.sent * (meter.total - meter.stored):.2f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show(text: str) -> None:
    """Print a result on stdout."""
    Console(highlight=False, soft_wrap=True, emoji=False).print(_printable(text), markup=False)


def _printable(text: str) -> str:
    """Return text without control characters: what a model or a server wrote must not steer the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in text)


def show_findings(rows: list[tuple[str, str, str]]) -> None:
    """Print what was found beside what is true, on stdout."""
    table = [("", "found by prefpipe", "true"), *rows]
    name, found, _ = (max(map(len, column)) for column in zip(*table, strict=True))
    show("\n" + "\n".join(f"{row[0]:<{name}}   {row[1]:<{found}}   {row[2]}" for row in table))
