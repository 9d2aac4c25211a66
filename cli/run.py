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
    """Run the stages of a recipe, in order, into one folder; say at the end what a preference cost."""
    from ..pipeline import read_recipe, run_step
    from ..pipeline.closing import closing

    summaries, meters = [], []
    for step in read_recipe(recipe, output):
        with progress(step.stage) as meter:
            summary = run_step(step, store=store, concurrency=concurrency, meter=meter)
        show_summary(summary, as_json=json)
        summaries.append(summary)
        meters.append(meter)
    show_summary(closing(str(output), summaries, meters), as_json=json)
