"""What a user sees: a stage's summary when it is done, results, and errors. Data goes to stdout."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from .text import aligned, printable

if TYPE_CHECKING:
    from ..pipeline.summary import Summary

LINE_WIDTH = 100

console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def show_error(message: str, hint: str | None = None, label: str = "error") -> None:
    """Print what is wrong, or what is waited for, and what to do."""
    say(message, f"{label}: ", "red" if label == "error" else "yellow")
    if hint:
        say(hint, "hint:  ", "yellow")


def say(text: str, start: str = "", color: str = "") -> None:
    """Print one line on stderr, whatever names are in it: no markup, no control characters, no line breaks.

    Args:
        text: What it says.
        start: What it begins with.
        color: The style of that beginning.
    """
    console.print(Text.assemble((start, color), one_line(text)))


def one_line(text: str) -> str:
    """Return text that can be printed in one line, without control characters."""
    return printable(text.replace("\n", " "))


def show_summary(summary: "Summary", output: Path | None = None, *, as_json: bool = False) -> None:
    """Print a stage's closing account on stderr; as JSON on stdout if a script wants it."""
    say(f"  {summary.account()}", summary.stage, "bold")
    for line in _figures(dict(summary.figures)):
        say(f"  {line}")
    if str(output) != "-":
        say(f"  → {summary.output}")
    show_warnings(summary.warnings)
    if as_json and str(output) == "-":
        # With the table itself on standard output, its summary would be taken for a row.
        sys.stderr.write(json.dumps(summary.as_json()) + "\n")
    elif as_json:
        _write(json.dumps(summary.as_json()))


def show_warnings(warnings: Iterable[str]) -> None:
    """Print what to know before trusting a result."""
    for warning in warnings:
        say(warning, "warning: ", "yellow")


def _figures(figures: dict[str, Any]) -> Iterator[str]:
    """Yield lines of figures: errors beside what they belong to, what is zero or unknown left out."""
    parts = []
    for name, value in figures.items():
        whose, _, what = name.rpartition("_")
        if not value or (what in {"error", "low", "high"} and whose in figures):
            continue
        kind, of, judge = name.partition(" of ")
        part = f"{kind.removesuffix('_usd').replace('_', ' ')}{of}{judge} {'$' * kind.endswith('_usd')}{_figure(value)}"
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


def show(lines: str | Iterable[str]) -> None:
    """Print a result on stdout: text, or lines, each of which stays one line whatever names are in it."""
    _write(printable(lines) if isinstance(lines, str) else "\n".join(map(one_line, lines)))


def show_json(value: Any) -> None:
    """Print a result on stdout as JSON."""
    import msgspec

    _write(msgspec.json.encode(value).decode())


def _write(text: str) -> None:
    """Write to stdout at once, so that a full disk is known while it can still be told."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from ..pipeline.errors import RunError

        raise RunError(f"Standard output cannot be written: {error.strerror}.", "Is the disk full?") from error


def show_findings(rows: list[tuple[str, str, str]]) -> None:
    """Print what was found beside what is true, on stdout."""
    show(["", *aligned([("", "found by prefpipe", "true"), *rows])])
