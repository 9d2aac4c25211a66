"""prefpipe inspect."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import ResultJson
from .terminal import show, show_json
from .text import aligned

if TYPE_CHECKING:
    from ..pipeline.inspect import Table


def inspect(
    file: Annotated[Path, typer.Argument(help="Any table: .parquet or .jsonl.")],
    rows: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 3,
    json: ResultJson = False,
) -> None:
    """Show any table: where it came from, its columns, its rows."""
    from ..pipeline import inspect as stage

    seen = stage.inspect(file, rows)
    show_json(seen) if json else show(lines_of(seen))


def lines_of(table: "Table") -> Iterator[str]:
    """Yield a table as lines of text, long values cut."""
    yield f"{table.name}: {table.kind or 'a table of no known kind'}, {table.rows:,} row{'s' * (table.rows != 1)}"
    if table.statuses:
        yield "status: " + ", ".join(f"{name} {count:,}" for name, count in table.statuses.items())
    if made := table.provenance:
        yield f"made by: prefpipe {made.stage} (version {made.version})"
        yield from (f"  {name} = {_short(value)}" for name, value in made.settings.items() if value is not None)
        yield from (f"  from {item['name']} {item.get('sha256', '')[:12]}".rstrip() for item in made.inputs)
    yield ""
    yield from aligned(list(table.columns.items()))
    width = max(map(len, table.columns), default=0)
    for number, row in enumerate(table.sample, start=1):
        yield from ("", f"row {number}")
        yield from (f"  {name:<{width}}  {_short(value)}" for name, value in row.items() if value is not None)


def _short(value: Any, limit: int = 100) -> str:
    import msgspec

    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
