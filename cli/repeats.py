"""prefpipe repeats."""

from pathlib import Path
from typing import Annotated

import typer

from .terminal import show, show_warnings


def repeats(
    votes: Annotated[Path, typer.Argument(help="Votes of a pilot: prompts that were judged twice or more.")],
    reliability: Annotated[float, typer.Option(help="The reliability that is wanted, between 0 and 1.")] = 0.9,
    judge: Annotated[str | None, typer.Option(help="Whose votes to use, where there are several judges.")] = None,
    criterion: Annotated[
        str | None, typer.Option(help="Use the votes on this criterion, where there are several.")
    ] = None,
    min_w: Annotated[
        float | None, typer.Option(help="Show how often a coin-flipping judge would reach this Kendall's W.")
    ] = None,
    up_to: Annotated[int, typer.Option(help="The largest number of repeats to show.")] = 10,
    seed: Annotated[int, typer.Option(help="For the draws of prompts behind the intervals.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON on standard output.")] = False,
) -> None:
    """Tell from a pilot how many repeats a wanted reliability needs, and what they cost."""
    from ..pipeline.repeats import as_json, as_text
    from ..pipeline.repeats import repeats as plan

    found = plan(votes, reliability=reliability, judge=judge, criterion=criterion, min_w=min_w, up_to=up_to, seed=seed)
    typer.echo(as_json(found)) if json else show(as_text(found))
    show_warnings(found.warnings)
