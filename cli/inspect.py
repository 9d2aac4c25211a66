"""prefpipe inspect."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Json
from .terminal import show


def inspect(
    file: Annotated[Path, typer.Argument(help="Any table: .parquet or .jsonl.")],
    rows: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 3,
    json: Json = False,
) -> None:
    """Show any table: where it came from, its columns, its rows."""
    from ..pipeline.inspect import as_json, as_text
    from ..pipeline.inspect import inspect as look

    seen = look(file, rows)
    typer.echo(as_json(seen)) if json else show(as_text(seen))
