"""prefpipe export."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Output
from .terminal import show_summary


def export(
    kept: Annotated[Path, typer.Argument(help="Rankings, filtered or not.")],
    output: Output,
    responses: Annotated[Path, typer.Option(help="The responses that were judged.")],
    format: Annotated[str, typer.Option(help="What the trainer reads: dpo (TRL, explicit conversational).")] = "dpo",  # noqa: A002
    ties: Annotated[
        str, typer.Option(help="drop a prompt with a tie for best or worst, or pick one at random (random).")
    ] = "drop",
    seed: Annotated[int, typer.Option(help="Random seed for ties.")] = 0,
    json: Json = False,
) -> None:
    """Write preferences for a trainer: the best candidate of each prompt against its worst."""
    from ..pipeline import export as stage

    summary = stage(kept, output, responses=responses, format=format, ties=ties, seed=seed)
    show_summary(summary, output, as_json=json)
