"""prefpipe rank."""

from pathlib import Path
from typing import Annotated, Literal

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
            "schulze, kemeny, baldwin, pagerank, rank-centrality, luce-spectral, eigenvector, greedy, kwiksort, elo, "
            "weng-lin, trueskill, reciprocal-rank or borda-fusion; docs/methods.md says which one when."
        ),
    ] = "bradley-terry",
    responses: Annotated[Path | None, typer.Option(help="The responses, to name the candidates' models.")] = None,
    position_effect: Annotated[
        str, typer.Option(metavar="LOGITS", help="How much the first slot is favoured; estimate finds it from all.")
    ] = "estimate",
    prior_sd: Annotated[
        float | None,
        typer.Option(help="The standard deviation of scores expected beforehand, found from all if unset."),
    ] = None,
    conflicts: Annotated[
        str,
        typer.Option(
            help="A pair whose orders name different winners counts as both, as tie, not (drop), for the verdict of "
            "highest likelihood (needs scores), or for that of the answer of lowest perplexity (needs perplexity)."
        ),
    ] = "both",
    judge_weight: Annotated[
        list[str] | None, typer.Option(metavar="NAME=WEIGHT", help="What a judge's votes count; repeat for more.")
    ] = None,
    vote_weight: Annotated[
        str,
        typer.Option(
            help="What a vote on a pair counts: 1 (none), 3 where its strength is 2 (strength), or its probability for "
            "either candidate (probability)."
        ),
    ] = "none",
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
        position_effect=logits_of(position_effect),
        prior_sd=prior_sd,
        conflicts=conflicts,
        judge_weights=weights_of(judge_weight or []),
        vote_weight=vote_weight,
        criterion=criterion,
    )
    show_summary(summary, output, as_json=json)


def logits_of(option: str) -> float | Literal["estimate"]:
    """Return a position effect, or the wish to have it estimated.

    >>> logits_of("0.4")
    0.4
    """
    if option == "estimate":
        return "estimate"
    try:
        return float(option)
    except ValueError:
        raise typer.BadParameter(f"'{option}' is neither a number of logits nor 'estimate'") from None


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
