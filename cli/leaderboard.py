"""prefpipe leaderboard."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Criterion, PositionEffect, ResultJson, logits_of
from .terminal import show, show_json, show_summary
from .text import aligned, shortened

if TYPE_CHECKING:
    from ..pipeline.leaderboard import Board, Flagged, Leaderboard, Peer, Standing

MOST_ROWS = 20
"""Judges, and flagged votes, that text shows; JSON holds all."""

_DECIMALS = {"elo": 0, "win-rate": 3, "peer-rank": 3, "pagerank": 4, "eigenvector": 4}
"""Of scores, by their scale; 2 for the others."""


def leaderboard(
    votes: Annotated[
        Path, typer.Argument(help="Votes from `prefpipe judge`, or any file with prompt_id, judge, shown and ranks.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write it as a table: .parquet, .jsonl, or - for standard output."),
    ] = None,
    responses: Annotated[
        Path | None,
        typer.Option(help="The responses, which say which model wrote what; without them, what votes show is ranked."),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="A column of the prompts; adds a board for each of its values.")
    ] = None,
    criterion: Criterion = None,
    method: Annotated[
        str,
        typer.Option(
            help="bradley-terry, robust (without votes that look corrupted), davidson, rao-kupper (ties), elo, "
            "win-rate, borda, copeland, pagerank, rank-centrality, luce-spectral, eigenvector, or peer-rank (judges "
            "are models too); docs/leaderboard.md says when to use which.",
        ),
    ] = "bradley-terry",
    position_effect: PositionEffect = "estimate",
    scale: Annotated[
        str, typer.Option(help="logit, or elo for points, 400 of which are odds of ten to one.")
    ] = "logit",
    anchor: Annotated[str | None, typer.Option(help="The model fixed at 0 logits or 1000 points.")] = None,
    draws: Annotated[
        int, typer.Option(help="How many times to resample the prompts, for the errors: 20 or more.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="Random seed for the draws.")] = 0,
    json: ResultJson = False,
) -> None:
    """Rank the models over all prompts, with errors, rank intervals and head-to-head counts."""
    from ..pipeline import UsageError
    from ..pipeline import leaderboard as stage

    if json and str(output) == "-":
        raise UsageError(
            "-o - and --json would both write to standard output.",
            "Leave one of them out, or write the table to a file.",
        )
    found = stage(
        votes,
        output,
        responses=responses,
        by=by,
        criterion=criterion,
        method=method,
        position_effect=logits_of(position_effect),
        scale=scale,
        anchor=anchor,
        draws=draws,
        seed=seed,
    )
    if json:
        show_json(json_of(found))
    elif str(output) != "-":
        show(lines_of(found))
    if found.summary:
        show_summary(found.summary, output or Path("-"))


def json_of(found: "Leaderboard") -> dict[str, Any]:
    """Return all of it as a JSON object."""
    return vars(found) | {"summary": found.summary.as_json() if found.summary else None}


def lines_of(found: "Leaderboard") -> list[str]:
    """Return a table for each board, then what is known of the judges and their votes."""
    decimals = _DECIMALS.get(found.scale, 2)
    header = ["rank", "model", found.scale, "95 % interval", "win rate", "votes", "prompts"]
    parts = {board.value: board.part for board in found.boards if board.part}
    lines = []
    for board in found.boards:
        if len(found.boards) > 1:
            lines.append(_title(found, board, parts.get(board.value, 0)))
        lines += [*aligned([header, *(_cells(standing, decimals) for standing in board.standings)], left={1}), ""]
        if board.peers is not None:
            lines += [*aligned([["judge", "weight", "±", "competes"], *map(_peer, board.peers)], left={0}), ""]
    if len(found.judges) > 1:
        lines += [*_judges(found), ""]
    if found.flagged:
        lines += [*_flagged(found.flagged), ""]
    return lines[:-1]


def _title(found: "Leaderboard", board: "Board", parts: int) -> str:
    title = "all prompts" if board.value is None else f"{found.by}: {shortened(board.value)}"
    if not board.part:
        return f"{title}, compared with no other model"
    return f"{title}, part {board.part} of {parts}" if parts > 1 else title


def _cells(standing: "Standing", decimals: int) -> list[str]:
    low, high = standing.rank_low, standing.rank_high
    interval = "-"
    if standing.low is not None and standing.high is not None:
        interval = f"{standing.low:.{decimals}f} to {standing.high:.{decimals}f}"
    return [
        "-" if standing.rank is None else str(low) if low == high else f"{low}-{high}",
        shortened(standing.model),
        "-" if standing.score is None else f"{standing.score:.{decimals}f}",
        interval,
        "-" if standing.win_rate is None else f"{standing.win_rate:.1%}",
        f"{standing.votes:,}",
        f"{standing.prompts:,}",
    ]


def _peer(peer: "Peer") -> list[str]:
    error = "-" if peer.error is None else f"{peer.error:.2f}"
    return [shortened(peer.judge), f"{peer.weight:.2f}", error, "yes" if peer.competes else "no"]


def _judges(found: "Leaderboard") -> list[str]:
    rows = [["judge", "comparisons", "kappa", "flagged"]]
    for one in found.judges:
        kappa = "-" if one.kappa is None else f"{one.kappa:.2f}"
        rows.append([shortened(one.judge), f"{one.comparisons:,}", kappa, f"{one.flagged or 0:,}"])
    shown = rows if found.flagged is not None else [row[:-1] for row in rows]
    return _first(aligned(shown, left={0}), len(found.judges), "judges")


def _flagged(flagged: list["Flagged"]) -> list[str]:
    rows = [["flagged votes of", "for", "against", "comparisons", "won", "expected", "corrupted"]]
    for one in flagged:
        shares = (f"{share:.0%}" for share in (one.seen, one.expected, one.suspicion))
        names = (shortened(name) for name in (one.judge, one.winner, one.loser))
        rows.append([*names, f"{one.comparisons:,}", *shares])
    return _first(aligned(rows, left={0}), len(flagged), "groups of flagged votes")


def _first(lines: list[str], rows: int, what: str) -> list[str]:
    """Return a table's header and its first rows, and how many more there are."""
    more = rows - MOST_ROWS
    return [*lines[: MOST_ROWS + 1], f"and {more:,} more {what}: see --json"] if more > 0 else lines
