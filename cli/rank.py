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
    method: Annotated[
        str,
        typer.Option(
            help="bradley-terry, borda, davidson, rao-kupper, firth, plackett-luce, win-rate, copeland, minimax, "
            "schulze, kemeny, baldwin, pagerank, rank-centrality, greedy, kwiksort, elo, weng-lin, trueskill or "
            "reciprocal-rank; docs/methods.md says which one when."
        ),
    ] = "bradley-terry",
    responses: Annotated[Path | None, typer.Option(help="The responses, to name the candidates' models.")] = None,
    conflicts: Annotated[
        str, typer.Option(help="A pair whose orders name different winners counts as both, as tie, or not: drop.")
    ] = "both",
    judge_weight: Annotated[
        list[str] | None, typer.Option(metavar="NAME=WEIGHT", help="What a judge's votes count; repeat for more.")
    ] = None,
    criterion: Annotated[
        str | None, typer.Option(help="Rank by the votes on this criterion, where there are several.")
    ] = None,
    json: Json = False,
) -> None:
    """Rank each prompt's candidates, with standard errors and consistency measures."""
    from ..pipeline import rank as stage

    summary = stage(
        votes,
        output,
        method=method,
        responses=responses,
        conflicts=conflicts,
        weights=weights_of(judge_weight or []),
        criterion=criterion,
    )
    show_summary(summary, output, as_json=json)


def weights_of(options: list[str]) -> dict[str, float]:
    """Return the weights by name; a name may hold an equals sign itself.

    >>> weights_of(["gpt-4o=2", "ana=0.5"])
    {'gpt-4o': 2.0, 'ana': 0.5}
    """
    weights = {}
    for option in options:
        name, _, number = option.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            raise typer.BadParameter(f"'{option}' is not a name and a number, such as gpt-4o=2") from None
    return weights
