"""What a user sees: a stage's summary when it is done, results, and errors. Data goes to stdout."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from .text import aligned, printable

if TYPE_CHECKING:
    from ..pipeline.summary import Summary

LINE_WIDTH = 100

console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def show_error(message: str, hint: str | None = None, label: str = "error") -> None:
    """Print what is wrong, or what is waited for, and what to do."""
    color = "red" if label == "error" else "yellow"
    console.print(f"[{color}]{label}:[/{color}] {escape(printable(message))}")
    if hint:
        console.print(f"[yellow]hint:[/yellow]  {escape(printable(hint))}")


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


def show(text: str) -> None:
    """Print a result on stdout."""
    Console(highlight=False, soft_wrap=True, emoji=False).print(printable(text), markup=False)


def show_json(value: Any) -> None:
    """Print a result on stdout as JSON."""
    import msgspec

    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


def show_findings(rows: list[tuple[str, str, str]]) -> None:
    """Print what was found beside what is true, on stdout."""
    show("\n".join(["", *aligned([("", "found by prefpipe", "true"), *rows])]))
