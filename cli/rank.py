"""prefpipe rank."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Output
from .terminal import show_summary


def rank(
    votes: Annotated[
        Path, typer.Argument(help="Votes from `prefpipe judge`, or any file with prompt_id, judge, shown and ranks.")
    ],
    output: Output,
    method: Annotated[str, typer.Option(help="bradley-terry or borda.")] = "bradley-terry",
    responses: Annotated[Path | None, typer.Option(help="The responses, to name the candidates' models.")] = None,
    json: Json = False,
) -> None:
    """Rank each prompt's candidates, with standard errors and consistency measures."""
    from ..pipeline import rank as stage

    show_summary(stage(votes, output, method=method, responses=responses), output, as_json=json)
