"""prefpipe leaderboard."""

from pathlib import Path
from typing import Annotated

import typer

from .terminal import show, show_summary


def leaderboard(
    votes: Annotated[
        Path, typer.Argument(help="Votes from `prefpipe judge`, or any file with prompt_id, judge, shown and ranks.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write it as a table: .parquet, .jsonl, or -.")
    ] = None,
    responses: Annotated[
        Path | None, typer.Option(help="The responses, which say what model wrote what; else what was shown is ranked.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="A column of the prompts: one more board for each value.")] = None,
    criterion: Annotated[
        str | None, typer.Option(help="Rank by the votes on this criterion, where there are several.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="bradley-terry, robust (without votes that look corrupted), davidson, rao-kupper (ties), elo, "
            "win-rate, borda, copeland, pagerank, rank-centrality, luce-spectral, eigenvector, or peer-rank (judges "
            "are models too); docs/leaderboard.md says which one when.",
        ),
    ] = "bradley-terry",
    scale: Annotated[str, typer.Option(help="logit, or elo for points: 400 are odds of ten to one.")] = "logit",
    anchor: Annotated[str | None, typer.Option(help="The model fixed at 0 logits or 1000 points.")] = None,
    draws: Annotated[int, typer.Option(help="How often prompts are drawn anew, for the errors.")] = 100,
    seed: Annotated[int, typer.Option(help="For the draws.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON on standard output.")] = False,
) -> None:
    """Rank the models over all prompts, with errors, rank intervals and head-to-head counts."""
    from ..pipeline.leaderboard import as_json, as_text
    from ..pipeline.leaderboard import leaderboard as stage

    found = stage(
        votes,
        output,
        responses=responses,
        by=by,
        criterion=criterion,
        method=method,
        scale=scale,
        anchor=anchor,
        draws=draws,
        seed=seed,
    )
    if str(output) != "-":
        typer.echo(as_json(found)) if json else show(as_text(found))
    if found.summary:
        show_summary(found.summary, output or Path("-"))
