"""prefpipe rank."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Criterion, Json, Output, PositionEffect, logits_of
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
            "schulze, kemeny, baldwin, pagerank, rank-centrality, luce-spectral, eigenvector, greedy, kwiksort, elo, "
            "weng-lin, trueskill, reciprocal-rank or borda-fusion; docs/methods.md says when to use which."
        ),
    ] = "bradley-terry",
    responses: Annotated[Path | None, typer.Option(help="The responses, to name the candidates' models.")] = None,
    position_effect: PositionEffect = "estimate",
    prior_sd: Annotated[
        float | None,
        typer.Option(help="Standard deviation of the prior on scores; estimated from all prompts if unset."),
    ] = None,
    conflicts: Annotated[
        str,
        typer.Option(
            help="How to count a pair whose two orders name different winners: as both verdicts (both), a tie (tie), "
            "nothing (drop), the likeliest verdict (likelihood, needs scores), or that of the order with the lower "
            "perplexity (perplexity, needs perplexity)."
        ),
    ] = "both",
    judge_weight: Annotated[
        list[str] | None, typer.Option(metavar="NAME=WEIGHT", help="Weight of a judge's votes; repeat for more.")
    ] = None,
    vote_weight: Annotated[
        str,
        typer.Option(
            help="Weight of a vote on a pair: always 1 (none), 3 for a strength of 2 (strength), or split between the "
            "candidates by their probabilities (probability)."
        ),
    ] = "none",
    criterion: Criterion = None,
    json: Json = False,
) -> None:
    """Rank each prompt's candidates, with standard errors and consistency measures."""
    from ..pipeline import rank as stage

    summary = stage(
        votes,
        output,
        method=method,
        responses=responses,
        position_effect=logits_of(position_effect),
        prior_sd=prior_sd,
        conflicts=conflicts,
        judge_weights=weights_of(judge_weight or []),
        vote_weight=vote_weight,
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
