"""Leaderboards as plain values, as rows of a table, and as text."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from ..summary import Summary


@dataclass(frozen=True)
class Against:
    """What a model did against one other; comparisons that a vote on several models implies count one each."""

    model: str
    wins: int
    ties: int
    losses: int
    prompts: int


@dataclass(frozen=True)
class Standing:
    """One model's place on a leaderboard; what is unknown is None.

    Attributes:
        model: Its name.
        rank: Equal scores share the better rank, such as 1, 2, 2, 4.
        rank_low: The best rank that it may have; all of a board's rank intervals hold at once with 95 % confidence.
        rank_high: The worst.
        score: Higher is better.
        low: The lower end of the score's 95 % interval.
        high: The upper end.
        standard_error: Over draws of the prompts.
        vote_error: What the standard error would be if votes were independent.
        prompt_error: The sandwich estimate, where votes on one prompt may be alike.
        over_next: The p-value of the lead over the next model, adjusted over all neighbours.
        flags: What makes the score doubtful: "never-won", "never-lost", "not-compared".
        win_rate: Share of its comparisons that it won, a tie being half a win.
        votes: That compare it with another model.
        prompts: On which it was compared.
        wins: Comparisons won.
        ties: Comparisons tied.
        losses: Comparisons lost.
        against: The same by opponent, in alphabetical order.
    """

    model: str
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    score: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    vote_error: float | None
    prompt_error: float | None
    over_next: float | None
    flags: list[str]
    win_rate: float | None
    votes: int
    prompts: int
    wins: int
    ties: int
    losses: int
    against: list[Against]


@dataclass(frozen=True)
class Board:
    """The models that were compared with each other, on all prompts or on some.

    Attributes:
        value: The value of the column by which prompts are told apart; None for all prompts.
        part: Numbers the groups of models that were never compared with each other, from 1; 0 for models that were
            compared with none.
        standings: Best first.
        prompts: On how many prompts they were compared.
        position_effect: How much the earlier slot is favoured, in logits; None where the method does not ask.
        position_error: Its standard error over draws of the prompts.
        tie: The tie parameter of a model with ties.
    """

    value: str | None
    part: int
    standings: list[Standing]
    prompts: int
    position_effect: float | None = None
    position_error: float | None = None
    tie: float | None = None


@dataclass(frozen=True)
class Leaderboard:
    """What a leaderboard says, as plain values.

    Attributes:
        method: How the scores were made.
        scale: The scores' unit: "logit", "elo", or the method's own.
        by: The column by which prompts are told apart, if they are.
        boards: That of all prompts first.
        summary: What became of the votes, and what to know before trusting the result.
    """

    method: str
    scale: str
    by: str | None
    boards: list[Board]
    summary: Summary | None = None


def known(value: float) -> float | None:
    """Return a number, or nothing for NaN and the infinite."""
    return float(value) if math.isfinite(value) else None


def unranked(model: str) -> Standing:
    """Return the standing of a model that was compared with no other."""
    return Standing(
        model,
        rank=None,
        rank_low=None,
        rank_high=None,
        score=None,
        low=None,
        high=None,
        standard_error=None,
        vote_error=None,
        prompt_error=None,
        over_next=None,
        flags=["not-compared"],
        win_rate=None,
        votes=0,
        prompts=0,
        wins=0,
        ties=0,
        losses=0,
        against=[],
    )


def table_rows(leaderboard: Leaderboard) -> Iterator[dict[str, Any]]:
    """Yield one row for each model and board."""
    for board in leaderboard.boards:
        about = {
            "method": leaderboard.method,
            "scale": leaderboard.scale,
            "by": leaderboard.by if board.value is not None else None,
            "value": board.value,
            "part": board.part,
        }
        yield from (asdict(standing) | about for standing in board.standings)


def as_json(leaderboard: Leaderboard) -> str:
    """Return it as one JSON object."""
    plain = {name: value for name, value in vars(leaderboard).items() if name != "summary"}
    summary = leaderboard.summary.as_json() if leaderboard.summary else None
    return msgspec.json.encode(plain | {"summary": summary}).decode()


def as_text(leaderboard: Leaderboard) -> str:
    """Return it as aligned plain text, one table for each board."""
    decimals = {"elo": 0, "win-rate": 3, "pagerank": 4}.get(leaderboard.scale, 2)
    titled = len(leaderboard.boards) > 1
    parts = {board.value: board.part for board in leaderboard.boards if board.part}
    lines = []
    for board in leaderboard.boards:
        if titled:
            lines.append(_title(leaderboard, board, parts.get(board.value, 0)))
        lines += aligned([_header(leaderboard), *(_cells(standing, decimals) for standing in board.standings)], left=1)
        lines.append("")
    return "\n".join(lines[:-1])


def _title(leaderboard: Leaderboard, board: Board, parts: int) -> str:
    title = "all prompts" if board.value is None else f"{leaderboard.by}: {board.value}"
    if not board.part:
        return f"{title}, compared with no other model"
    return f"{title}, part {board.part} of {parts}" if parts > 1 else title


def _header(leaderboard: Leaderboard) -> list[str]:
    return ["rank", "model", leaderboard.scale, "95 % interval", "win rate", "votes", "prompts"]


def _cells(standing: Standing, decimals: int) -> list[str]:
    low, high = standing.rank_low, standing.rank_high
    if standing.low is not None and standing.high is not None:
        interval = f"{standing.low:.{decimals}f} to {standing.high:.{decimals}f}"
    else:
        interval = "-"
    return [
        "-" if standing.rank is None else str(low) if low == high else f"{low}-{high}",
        "".join(char if char.isprintable() else "�" for char in standing.model),
        "-" if standing.score is None else f"{standing.score:.{decimals}f}",
        interval,
        "-" if standing.win_rate is None else f"{standing.win_rate:.1%}",
        f"{standing.votes:,}",
        f"{standing.prompts:,}",
    ]


def aligned(rows: list[list[str]], left: int | None = None) -> list[str]:
    """Return rows as aligned lines: one column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
