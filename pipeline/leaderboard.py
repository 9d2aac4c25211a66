"""leaderboard: votes in, the models ranked over all prompts out."""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from .errors import UsageError, did_you_mean
from .formats.leaderboards import (
    Against,
    Agreement,
    Board,
    Flagged,
    Judge,
    Kappa,
    Leaderboard,
    Peer,
    Standing,
    figures_of_judges,
    known,
    table_rows,
    unranked,
    warnings_of_boards,
)
from .formats.metadata import values_of
from .formats.shown import Shown, read_shown
from .formats.vote_batches import Flags
from .ranking.boards import METHODS, PEER_RANK, Settings, boards_of
from .ranking.boards import Board as Ranked
from .ranking.codes import Codes, spans
from .ranking.contestants import contestants, of_others
from .ranking.head_to_head import HeadToHead
from .ranking.judge_agreement import JudgeAgreement, judge_agreement
from .ranking.leaderboards import IN_LOGITS, WITH_POSITION
from .ranking.model_comparisons import Counts, compare_models
from .ranking.prompt_groups import Comparisons
from .ranking.special import wilson_interval
from .ranking.suspects import Suspects, suspects
from .reading import display
from .summary import Figure, Summary
from .tables import LEADERBOARD
from .writing import TableWriter, provenance_of

__all__ = ["Board", "Flagged", "Leaderboard", "Peer", "Standing", "leaderboard"]

SCALES = ("logit", "elo")
MOST_MODELS = 500
FEWEST_DRAWS = 20
MOST_DRAWS = 100_000
ROUNDING = 1e-9
MARKED_BIAS = 0.05
"""How far from one half the first slot's share may lie before a user of a method that ignores slots is warned."""


def leaderboard(
    votes: str | Path,
    output: str | Path | None = None,
    *,
    responses: str | Path | None = None,
    by: str | None = None,
    criterion: str | None = None,
    method: str = "bradley-terry",
    position_effect: float | Literal["estimate"] | None = "estimate",
    scale: str = "logit",
    anchor: str | None = None,
    draws: int = 100,
    seed: int = 0,
) -> Leaderboard:
    """Rank the models over all prompts, with errors that hold where votes on one prompt are alike.

    Prompts, not votes, are drawn anew to see how far the result is due to chance. Models that were never compared with
    each other, not even through others, are ranked apart.

    Args:
        votes: A votes table, or a file with `prompt_id`, `judge`, `shown` and `ranks`, or `-`.
        output: Where the leaderboard goes as a table, if it is wanted as one: .parquet, .jsonl, or `-`.
        responses: The responses, to know which model wrote what was shown; without them, what was shown is ranked.
        by: A column of the prompts, for a leaderboard of each of its values beside that of all prompts.
        criterion: Which votes to rank by, where they are by several criteria.
        method: One of `ranking.boards.METHODS`.
        position_effect: How much the earlier slot is favoured, in logits; "estimate" finds it together with the scores,
            None takes it as 0. Only the models of comparisons heed it.
        scale: "logit", or "elo" for points of which 400 are odds of ten to one, around 1000.
        anchor: The model whose score is fixed, at 0 logits or 1000 points; without it, their mean is.
        draws: How often prompts are drawn, from `FEWEST_DRAWS` to `MOST_DRAWS`.
        seed: What the draws depend on, from 0.

    Raises:
        UsageError: A file or an option cannot be used.
    """
    effect = _check(method, position_effect, scale, anchor)
    _check_draws(draws, seed)
    if by is not None and responses is None:
        raise UsageError("Prompts can be told apart by a column only with the responses.", "Give --responses.")
    settings = {
        "method": method,
        "by": by,
        "criterion": criterion,
        "position_effect": position_effect,
        "scale": scale,
        "anchor": anchor,
        "draws": draws,
        "seed": seed,
    }
    with ExitStack() as stack:
        writer = None
        if output is not None:
            made = provenance_of("leaderboard", settings, [votes, responses], [output])
            writer = stack.enter_context(TableWriter(output, LEADERBOARD.schema, made))
        shown = read_shown(votes, responses, criterion)
        _check_models(shown.models, votes, anchor, by_name=responses is None)
        number = None if anchor is None else shown.models.index(anchor)
        contestant = contestants(shown.judges, shown.models) if method == PEER_RANK else None
        how = Settings(method, effect, scale == "elo", number, draws, seed, contestant)
        read, said = _compared(shown, method, None if contestant is None else of_others(contestant))
        if not len(read.prompt):
            raise _nothing_compared(votes, _left_out(shown, said, said, how), how)
        agreement = judge_agreement(read, seed=seed)
        suspicious = suspects(read) if method == "robust" else None
        comparisons, compares = read, said
        if suspicious is not None and len(suspicious.judge):
            comparisons, compares = _compared(shown, method, suspicious.cleared)
        counted, ranked, uncompared = boards_of(comparisons, how)
        if responses is None and len(shown.prompt_ids) > 1 and counted.prompts.max() == 1:
            raise UsageError(
                f"What was shown in {display(votes)} are answers, not models: none is shown on two prompts.",
                "Give --responses, which say which model wrote each.",
            )
        found = [*_boards(shown, counted, ranked, None, how), *_uncompared(shown.models, uncompared)]
        if by is not None and responses is not None:
            codes, values = values_of(responses, by, shown.prompt_ids)
            of_comparison = codes[comparisons.prompt]
            for code, value in enumerate(values):
                if (chosen := of_comparison == code).any():
                    part, ranked, _ = boards_of(comparisons.where(chosen), how)
                    found += _boards(shown, part, ranked, value, how)
        result = Leaderboard(
            method,
            scale if method in IN_LOGITS else method,
            by,
            found,
            _judges(shown.judges, read, agreement, suspicious),
            None if agreement is None else _agreement(shown.judges, agreement),
            None if suspicious is None else list(_flagged(shown, suspicious)),
        )
        if writer is not None:
            writer.write_rows(list(table_rows(result)))
    target = "standard output" if output is None else str(output)
    dropped = _left_out(shown, said, compares, how)
    return replace(result, summary=_summary(shown, counted, result, anchor, target, compares, dropped))


def _compared(shown: Shown, method: str, counts: Counts | None) -> tuple[Comparisons, Flags]:
    return compare_models(
        shown.prompt,
        shown.offsets,
        shown.model,
        shown.ranks,
        shown.ratings,
        shown.repeat,
        len(shown.models),
        judge=shown.judge if len(shown.judges) > 1 else None,
        by_ballot=method == "borda",
        counts=counts,
    )


def _check(
    method: str, position_effect: float | Literal["estimate"] | None, scale: str, anchor: str | None
) -> float | None:
    """Check the options; return the position effect where it is known."""
    if method not in METHODS:
        raise UsageError(f"There is no method '{method}'.", did_you_mean(method, METHODS))
    if scale not in SCALES:
        raise UsageError(f"There is no scale '{scale}'.", did_you_mean(scale, SCALES))
    if method not in IN_LOGITS and (scale != "logit" or anchor is not None):
        raise UsageError(
            f"The scores of {method} have a unit of their own, so they take neither --scale nor --anchor.",
            f"Methods that do: {', '.join(name for name in METHODS if name in IN_LOGITS)}.",
        )
    effect = None if position_effect == "estimate" else position_effect or 0.0
    if effect is not None and not (isinstance(effect, float | int) and math.isfinite(effect)):
        raise UsageError(f"A position effect cannot be {position_effect}.", "Give a number of logits, or 'estimate'.")
    if effect and method != "bradley-terry":
        raise UsageError(f"{method} takes no given position effect.", "Give it to bradley-terry, or have it estimated.")
    return effect


def _check_draws(draws: int, seed: int) -> None:
    if not FEWEST_DRAWS <= draws <= MOST_DRAWS:
        raise UsageError(
            f"--draws {draws:,} lies outside {FEWEST_DRAWS} to {MOST_DRAWS:,}.",
            "100 draws are enough for most purposes.",
        )
    if seed < 0:
        raise UsageError(f"--seed {seed} is negative.", "Give 0 or more.")


def _nothing_compared(votes: str | Path, dropped: dict[str, int], how: Settings) -> UsageError:
    others = " other than the judge" if how.contestant is not None else ""
    silent = dropped["without a verdict"]
    hints = {
        "without a verdict": f"Votes without a verdict: {silent:,}; their columns status and error may say why.",
        "on the judge's own answers": "Judges do not count on their own answers; use bradley-terry.",
    }
    hint = hints.get(max(dropped, key=dropped.__getitem__), "Votes must rank answers of two different models.")
    return UsageError(f"No vote in {display(votes)} compares two models{others}.", hint)


def _check_models(models: Sequence[str], votes: str | Path, anchor: str | None, *, by_name: bool) -> None:
    if len(models) > MOST_MODELS:
        hint = "Give --responses, so that answers of the same model count as one." if by_name else "Leave some out."
        raise UsageError(
            f"The votes in {display(votes)} are on {len(models):,} different {'ids' if by_name else 'models'}; "
            f"a leaderboard takes at most {MOST_MODELS}.",
            hint,
        )
    if anchor is not None and anchor not in models:
        raise UsageError(f"There is no model '{anchor}' to fix.", did_you_mean(anchor, models))


def _boards(
    shown: Shown, counted: HeadToHead, found: list[Ranked], value: str | None, how: Settings
) -> Iterator[Board]:
    for part, board in enumerate(found, start=1):
        effects = board.estimate.drawn_position
        yield Board(
            value,
            part,
            list(_standings(shown.models, board, counted, how.anchor)),
            board.prompts,
            _rounded(board.estimate.position),
            _rounded(float(np.std(effects, ddof=1))) if len(effects) > 1 else None,
            known(board.estimate.tie),
            _peers(shown.judges, board),
        )


def _rounded(value: float) -> float | None:
    """Return a number that is zero but for rounding as zero, and nothing for NaN."""
    return 0.0 if abs(value) < ROUNDING else known(value)


def _peers(judges: list[str], board: Ranked) -> list[Peer] | None:
    if (found := board.peers) is None:
        return None
    peers = [
        Peer(judges[code], bool(found.competes[code]), float(found.weights[code]), known(found.errors[code]))
        for code in np.flatnonzero(found.votes)
    ]
    return sorted(peers, key=lambda peer: -peer.weight)


def _judges(
    judges: list[str], comparisons: Comparisons, agreement: JudgeAgreement | None, found: Suspects | None
) -> list[Judge]:
    size = len(judges)
    by = np.zeros(len(comparisons.cell), np.int64) if comparisons.judge is None else comparisons.judge
    made = np.bincount(by, comparisons.count, size)
    flagged = None if found is None else np.bincount(found.judge, found.comparisons, size)
    kappas = np.full(size, np.nan) if agreement is None else agreement.kappas(size)
    return [
        Judge(name, round(made[code]), known(kappas[code]), None if flagged is None else round(flagged[code]))
        for code, name in enumerate(judges)
    ]


def _agreement(judges: list[str], found: JudgeAgreement) -> Agreement:
    pairs = [
        Kappa(judges[one], judges[other], kappa.value, 1 - kappa.observed, int(kappa.units))
        for (one, other), kappa in found.pairs.items()
    ]
    return Agreement(found.alpha.value, int(found.alpha.units), pairs)


def _flagged(shown: Shown, found: Suspects) -> Iterator[Flagged]:
    for index, code in enumerate(found.judge):
        yield Flagged(
            shown.judges[code],
            shown.models[found.winner[index]],
            shown.models[found.loser[index]],
            round(found.comparisons[index]),
            *(float(part[index]) for part in (found.seen, found.expected, found.p_value, found.suspicion)),
        )


def _uncompared(models: list[str], uncompared: Codes) -> Iterator[Board]:
    if len(uncompared):
        yield Board(None, 0, [unranked(models[code]) for code in uncompared], 0)


def _standings(models: list[str], board: Ranked, counted: HeadToHead, anchor: int | None) -> Iterator[Standing]:
    found, sure = board.estimate, board.standings
    by_vote, by_prompt = (np.sqrt(np.maximum(np.diagonal(part), 0)) for part in (found.by_vote, found.by_prompt))
    met, total = counted.met, counted.ties.sum(1)
    for place, code in enumerate(board.members):
        fixed = code == anchor  # by the user's choice, not by the votes
        won, lost = counted.wins[code].sum(), counted.wins[:, code].sum()
        flags = {"never-won": not won + total[code], "never-lost": not lost + total[code]}
        yield Standing(
            model=models[code],
            rank=int(board.ranks[place]),
            rank_low=int(sure.best[place]),
            rank_high=int(sure.worst[place]),
            score=float(found.scores[place]),
            low=None if fixed else known(sure.low[place]),
            high=None if fixed else known(sure.high[place]),
            standard_error=None if fixed else known(sure.standard_errors[place]),
            vote_error=None if fixed else known(by_vote[place]),
            prompt_error=None if fixed else known(by_prompt[place]),
            over_next=known(sure.over_next[place]),
            flags=[name for name, raised in flags.items() if raised],
            win_rate=float((won + total[code] / 2) / met[code].sum()),
            votes=round(counted.votes[code]),
            prompts=int(counted.prompts[code]),
            wins=round(won),
            ties=round(total[code]),
            losses=round(lost),
            against=[
                Against(
                    models[other],
                    round(counted.wins[code, other]),
                    round(counted.ties[code, other]),
                    round(counted.wins[other, code]),
                    int(counted.pair_prompts[code, other]),
                )
                for other in np.flatnonzero(met[code])
            ],
        )


def _summary(
    shown: Shown,
    counted: HeadToHead,
    result: Leaderboard,
    anchor: str | None,
    output: str,
    compares: Flags,
    dropped: dict[str, int],
) -> Summary:
    best = result.boards[0]
    prompts = int(np.count_nonzero(np.bincount(shown.prompt[compares])))
    figures: dict[str, Figure] = {
        "models": len(shown.models),
        "prompts": prompts,
        "comparisons": round(counted.met.sum() / 2),
        "boards": sum(board.part > 0 for board in result.boards),
        "position_effect": best.position_effect,
        "position_effect_error": best.position_error,
        "tie_parameter": best.tie,
    } | figures_of_judges(result)
    return Summary(
        "leaderboard",
        output,
        "votes",
        rows_in=len(compares),
        rows_out=int(compares.sum()),
        dropped=dropped,
        figures={name: figure for name, figure in figures.items() if figure is not None},
        warnings=tuple(_warnings(result, counted, anchor, prompts)),
    )


def _left_out(shown: Shown, said: Flags, compares: Flags, how: Settings) -> dict[str, int]:
    """Return how many votes do not count, by reason; those that said something, but were flagged, are the last."""
    silent = np.flatnonzero(shown.valid & ~said)
    sizes = np.diff(shown.offsets)[silent]
    slots = shown.model[spans(shown.offsets[silent], sizes)]
    begins = np.cumsum(sizes) - sizes
    alike = own = np.zeros(0, bool)
    if len(silent):
        alike = (sizes > 1) & (np.minimum.reduceat(slots, begins) == np.maximum.reduceat(slots, begins))
        if how.contestant is not None:
            mine = slots == np.repeat(how.contestant[shown.judge[silent]], sizes)
            own = np.logical_or.reduceat(mine, begins) & ~alike
    return {
        "without a verdict": int((~shown.valid).sum()),
        "between answers of one model": int(alike.sum()),
        "on the judge's own answers": int(own.sum()),
        "that compare nothing": int((~alike).sum() - own.sum()),
        "flagged as corrupted": int((said & ~compares).sum()),
    }


def _warnings(result: Leaderboard, counted: HeadToHead, anchor: str | None, prompts: int) -> Iterator[str]:
    yield from warnings_of_boards(result.boards, anchor)
    if prompts < 2:
        yield "All votes are on one prompt, so nothing is known of what other prompts would say."
    first_won, decisive = round(counted.first_slot[0]), round(sum(counted.first_slot))
    low, high = wilson_interval(first_won, decisive) if decisive else (0.5, 0.5)
    if result.method not in WITH_POSITION and max(low - 0.5, 0.5 - high) > MARKED_BIAS:
        yield (
            f"The first slot won {first_won / decisive:.0%} of the decisive comparisons, and {result.method} does not "
            "correct for that. Judge in both orders, or use bradley-terry."
        )
