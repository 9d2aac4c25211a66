"""prefpipe run."""

from pathlib import Path
from typing import Annotated

import typer

from .options import STORE, Concurrency, Json, Store
from .progress import progress
from .terminal import show_summary


def run(
    recipe: Annotated[Path, typer.Argument(help="A TOML file with a table of options for each stage.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for all tables.")] = Path("out"),
    store: Store = STORE,
    concurrency: Concurrency = None,
    json: Json = False,
) -> None:
    """Run the stages of a recipe in order, into one folder, and show what each preference cost."""
    from ..pipeline import run as stage

    stage(
        recipe,
        output,
        store=store,
        concurrency=concurrency,
        progress=progress,
        on_summary=lambda summary: show_summary(summary, as_json=json),
    )
