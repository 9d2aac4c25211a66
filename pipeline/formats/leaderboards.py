"""Leaderboards as plain values and as rows of a table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import listed
from ..summary import Figure, Summary

MOST_NAMED = 5


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
class Peer:
    """What a judge's vote counts, where judges are weighted by how they rank.

    Attributes:
        judge: Its name.
        competes: Whether it is one of the models; a judge that is not has the mean weight of those that are.
        weight: The mean of those that compete is 1.
        error: Its standard error over draws of the prompts.
    """

    judge: str
    competes: bool
    weight: float
    error: float | None


@dataclass(frozen=True)
class Judge:
    """One of several judges.

    Attributes:
        judge: Its name.
        comparisons: That its votes imply.
        kappa: Cohen's kappa with other judges on the same questions, the mean over all such questions; None where there
            are none, or judges are very many.
        flagged: How many of its comparisons were left out as corrupted; None where the method looks for none.
    """

    judge: str
    comparisons: int
    kappa: float | None
    flagged: int | None


@dataclass(frozen=True)
class Kappa:
    """How far two judges agree: Cohen's kappa, the share of equal verdicts, and on how many questions."""

    judge: str
    other: str
    kappa: float | None
    agreeing: float
    questions: int


@dataclass(frozen=True)
class Agreement:
    """How far judges agree on the same two models of a prompt, shown in the same order.

    Attributes:
        alpha: Krippendorff's, of nominal verdicts: 1 is perfect, 0 is what chance gives; None where it is unknown.
        questions: That several judges answered.
        pairs: Each two judges; none where judges are very many.
    """

    alpha: float | None
    questions: int
    pairs: list[Kappa]


@dataclass(frozen=True)
class Flagged:
    """Votes of one judge on two models that contradict all other votes, and were left out.

    Attributes:
        judge: Who gave them.
        winner: The model that they favour.
        loser: The other one.
        comparisons: How many.
        seen: The share that the winner won of them, a tie being half a win.
        expected: The share that all other votes predict.
        p_value: How likely honest votes are to be as far off.
        suspicion: The estimated share of corrupted ones among those for the winner.
    """

    judge: str
    winner: str
    loser: str
    comparisons: int
    seen: float
    expected: float
    p_value: float
    suspicion: float


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
        peers: What each judge counts, the most first; None where all count the same.
    """

    value: str | None
    part: int
    standings: list[Standing]
    prompts: int
    position_effect: float | None = None
    position_error: float | None = None
    tie: float | None = None
    peers: list[Peer] | None = None


@dataclass(frozen=True)
class Leaderboard:
    """What a leaderboard says, as plain values.

    Attributes:
        method: How the scores were made.
        scale: The scores' unit: "logit", "elo", or the method's own.
        by: The column by which prompts are told apart, if they are.
        boards: That of all prompts first.
        judges: Who voted.
        agreement: How far they agree; None where there is but one.
        flagged: Votes that were left out as corrupted; None where the method looks for none.
        summary: What became of the votes, and what to know before trusting the result.
    """

    method: str
    scale: str
    by: str | None
    boards: list[Board]
    judges: list[Judge] = field(default_factory=list)
    agreement: Agreement | None = None
    flagged: list[Flagged] | None = None
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


def figures_of_judges(board: Leaderboard) -> dict[str, Figure]:
    """Return what a summary says of the judges: how far they agree, what the lightest count, what was flagged."""
    figures: dict[str, Figure] = {}
    if board.agreement is not None:
        figures |= {"judges": len(board.judges), "judges_alpha": board.agreement.alpha}
    if peers := board.boards[0].peers:
        lightest = listed((f"{peer.judge} {peer.weight:.2f}" for peer in reversed(peers)), MOST_NAMED)
        figures["judge_weights"] = f"of part 1: {lightest}" if parts_of(board.boards) > 1 else lightest
    if board.flagged is not None:
        flagged = sum(one.flagged or 0 for one in board.judges)
        figures |= {"flagged": flagged, "flagged_share": flagged / sum(one.comparisons for one in board.judges)}
    return figures


def parts_of(boards: Sequence[Board]) -> int:
    """Return how many groups of models were never compared with each other, on all prompts."""
    return max(board.part for board in boards if board.value is None)


def warnings_of_boards(boards: Sequence[Board], anchor: str | None) -> Iterator[str]:
    """Yield what to know of models that are not on one board with all others."""
    if (parts := parts_of(boards)) > 1:
        yield (
            f"The models fall into {parts} parts that were never compared with each other: "
            "scores and ranks of different parts cannot be compared."
        )
    if uncompared := [standing.model for board in boards if not board.part for standing in board.standings]:
        one = len(uncompared) == 1
        yield (
            f"{len(uncompared):,} of the models {'was' if one else 'were'} compared with no other, "
            f"so {'it has' if one else 'they have'} no rank: {listed(uncompared, MOST_NAMED)}."
        )
    if anchor is not None:
        with_ranks = [board for board in boards if board.part]
        without = sum(anchor not in {standing.model for standing in board.standings} for board in with_ranks)
        if without:
            yield (
                f"{listed([anchor])} is not on {without:,} of {len(with_ranks):,} boards: "
                "there, the scores' mean is fixed."
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
