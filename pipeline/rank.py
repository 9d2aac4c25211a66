"""rank: votes in, rankings out."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import UsageError, did_you_mean
from .formats.evidence import evidence_of
from .formats.models import models_of
from .formats.rankings import Rankings
from .formats.votes import Votes, read_votes
from .rank_summary import figures, warnings
from .ranking.batch import FLAGS, measure
from .ranking.codes import Codes, counted, dense
from .ranking.comparisons import Ballots
from .ranking.conflicts import CONFLICTS
from .ranking.counting import NEEDED, VOTE_WEIGHTS, Counting
from .ranking.judge_effects import effects_of_judges, tallies_of_judges
from .ranking.judge_variance import judge_variance
from .ranking.methods import METHODS, Method, chances_of, scorer_of
from .ranking.plan import Portion, portions
from .ranking.pooled import Shared
from .ranking.ratings import ballots_of_ratings
from .ranking.results import Results
from .ranking.score_conflicts import score_conflict_ratio
from .ranking.shared import find_shared
from .ranking.tally import Floats, Tally
from .summary import Summary
from .tables import RANKINGS
from .writing import ROW_GROUP_ROWS, TableWriter, provenance_of

ESTIMATION_CELLS = 1_000_000
"""Pairs of candidates from which shared parameters are estimated: some twenty thousand prompts of seven candidates.

Their position effect has a standard error of 0.003 logits; of larger files, about one prompt in n is used.
"""

MOST = 1e6
"""The largest standard deviation and weight, and the reciprocal of the least: beyond it, rounding would dominate."""

MOST_THREADS = 8
"""Portions processed at the same time, each with some tens of megabytes; numpy releases the interpreter lock."""


def rank(
    votes: str | Path,
    output: str | Path,
    *,
    method: str = "bradley-terry",
    responses: str | Path | None = None,
    position_effect: float | Literal["estimate"] | None = "estimate",
    prior_sd: float | None = None,
    conflicts: str = "both",
    judge_weights: Mapping[str, float] | None = None,
    vote_weight: str = "none",
    criterion: str | None = None,
) -> Summary:
    """Rank each prompt's candidates, with standard errors and consistency measures, and write a rankings table.

    Votes that are not "ok" are counted, but compare nothing. Every input prompt has an output row: if it cannot be
    ranked, ranks and scores are null and a flag says why. Scores of a model come with each candidate's probability of
    beating another (`win_chances.chances_against_others`).

    Args:
        votes: A votes table, or a file with `prompt_id`, `judge`, `shown` and `ranks`, or `-`.
        output: Where the rankings go: .parquet, .jsonl, or `-`.
        method: One of `METHODS`: "bradley-terry" gives scores in logits, "borda" the mean number of candidates beaten;
            docs/methods.md compares them all.
        responses: The responses, to name the candidates' models.
        position_effect: How much judges favour the earlier slot, in logits; "estimate" estimates it for each judge from
            all prompts together, None takes it as 0. Only "bradley-terry", "davidson" and "rao-kupper" use it.
        prior_sd: The standard deviation of the prior on the scores; None estimates it from all prompts together. Only
            those three and "plackett-luce" use it.
        conflicts: How a pair counts if its two orders, by one judge at one repeat, name different winners: as two
            opposite wins ("both"), as two ties ("tie"), not at all ("drop"), as two votes for the most likely verdict
            of both orders together, by the column `scores` ("likelihood"), or for the winner in the order that was
            answered with the lower `perplexity` ("perplexity"). A conflict that lacks the column counts as two opposite
            wins, and a warning says how many do.
        judge_weights: The weight of a judge's votes in scores, by the judge's name; 1 for those not named. Standard
            errors treat a weight as a number of votes.
        vote_weight: A further weight in scores for votes on two candidates. "strength": a clear verdict counts three
            times as much as a slight one, as in Arena-Hard, by the column `strength`. "probability": a vote counts in
            part for each candidate and in part as a tie, by the column `scores`. A vote that lacks the column counts as
            with "none", 1 for its verdict, and a warning says how many do. Lists count as with "none", and so do votes
            that `conflicts` has resolved.
        criterion: The criterion to rank by, if the votes are by several criteria.

    Raises:
        UsageError: The votes, the responses, or an option cannot be used; or no vote has a column that an option needs.
    """
    if method not in METHODS:
        raise UsageError(f"There is no ranking method '{method}'.", did_you_mean(method, METHODS))
    if conflicts not in CONFLICTS:
        raise UsageError(f"Conflicts cannot count as '{conflicts}'.", did_you_mean(conflicts, CONFLICTS))
    if vote_weight not in VOTE_WEIGHTS:
        raise UsageError(f"Votes cannot be weighted by '{vote_weight}'.", did_you_mean(vote_weight, VOTE_WEIGHTS))
    if vote_weight != "none" and (not METHODS[method].takes_weights or METHODS[method].fuses_rankings):
        raise UsageError(
            f"{method} takes every vote of a judge for as much as any other.",
            "Leave the weight of votes out, or rank with bradley-terry.",
        )
    if judge_weights and not METHODS[method].takes_weights:
        raise UsageError(
            f"{method} takes every vote for as much as any other, so judges cannot have weights.",
            "Leave the weights out, or rank with bradley-terry.",
        )
    if prior_sd is not None and not 1 / MOST <= prior_sd <= MOST:
        raise UsageError(
            f"Scores cannot have a standard deviation of {prior_sd:g}.", f"Give a positive number up to {MOST:,.0f}."
        )
    known = None if position_effect == "estimate" else position_effect or 0.0
    if known is not None and not (isinstance(known, float | int) and math.isfinite(known)):
        raise UsageError(f"A position effect cannot be {position_effect}.", "Give a number of logits, or 'estimate'.")
    settings = {
        "method": method,
        "position_effect": position_effect,
        "prior_sd": prior_sd,
        "conflicts": conflicts,
        "judge_weights": dict(judge_weights or {}),
        "vote_weight": vote_weight,
        "criterion": criterion,
    }
    made = provenance_of("rank", settings, [votes, responses], [output])
    with TableWriter(output, RANKINGS.schema, made) as writer:
        options = [option for option in (conflicts, vote_weight) if option in NEEDED]
        read = read_votes(votes, criterion, {NEEDED[option] for option in options})
        models = models_of(responses, read) if responses is not None else None
        evidence = {option: evidence_of(read, NEEDED[option], votes) for option in options}
        counting = Counting(*_sources(read, judge_weights), conflicts, vote_weight, evidence)
        shared = _shared(read, counting, METHODS[method], known, prior_sd)
        scorer, chances, results = scorer_of(method, shared), chances_of(method, shared), Results(read.candidates)
        rankings = _rankings(read, results, method, models)

        def work(portion: Portion) -> None:
            ballots, rows = _ballots(read, counting, portion)
            scored = counting.scored(ballots, rows, len(portion.prompts), portion.items)
            measured = measure(ballots, len(portion.prompts), portion.items, scorer, counting.judge, scored)
            results.add(portion, measured, chances(measured.scores))

        for rows in _complete(work, _portions(read), len(read.prompt_ids)):
            writer.write(rankings.table(rows))
    return Summary(
        "rank",
        str(output),
        "prompts",
        rows_in=len(read.prompt_ids),
        rows_out=writer.rows,
        figures=figures(read, results, counting, shared, method),
        warnings=tuple(warnings(read, results, counting, method)),
    )


def _sources(votes: Votes, weights: Mapping[str, float] | None) -> tuple[Codes, Codes, Floats | None]:
    """Return the source of each vote, and the judge and the weight of each source."""
    repeats = int(votes.repeat.max(initial=0)) + 1
    if len(votes.judges) * repeats == 1:
        of_vote, keys = votes.judge, np.zeros(1, np.int64)
    else:
        of_vote, keys = dense(votes.judge * np.int64(repeats) + votes.repeat, len(votes.judges) * repeats)
    if not weights:
        return of_vote, keys // repeats, None
    for name, weight in weights.items():
        if name not in votes.judges:
            raise UsageError(f"No vote is by a judge named '{name}'.", did_you_mean(name, votes.judges))
        if not 1 / MOST <= weight <= MOST:
            raise UsageError(
                f"The judge '{name}' cannot weigh {weight:g}.", f"Give a positive number up to {MOST:,.0f}."
            )
    by_judge = np.array([float(weights.get(name, 1)) for name in votes.judges])
    return of_vote, keys // repeats, by_judge[keys // repeats]


def _shared(votes: Votes, counting: Counting, method: Method, known: float | None, prior_sd: float | None) -> Shared:
    """Estimate what all prompts share, as far as the method needs it."""
    if not method.has_prior:
        return Shared(0.0, 0.0, 1.0)
    of_source = np.zeros(len(counting.judge), np.int64)
    if method.corrects_position and known is None:
        of_source = effects_of_judges(votes.judges, counted(votes.judge, len(votes.judges)))[counting.judge]
    resolved = method.ties is not None and counting.conflicts != "both"
    return find_shared(
        method,
        list(_sample(votes, counting, of_source, "both")),
        list(_sample(votes, counting, of_source, counting.conflicts)) if resolved else None,
        of_source,
        position_effect=known,
        prior_sd=prior_sd,
    )


def _portions(votes: Votes, every: int = 1) -> Iterator[Portion]:
    """Yield portions of all prompts, or of about one in `every`, chosen by id, whatever their order."""
    chosen = None
    if every > 1:
        hashes = np.array([crc32(name.encode()) for name in votes.prompt_ids.to_pylist()])
        chosen = hashes % every == 0
        chosen[hashes.argmin()] = True
    return portions(np.diff(votes.candidates), votes.prompt, votes.sizes, chosen)


def _sample(votes: Votes, counting: Counting, of_source: Codes, conflicts: str) -> Iterator[list[Tally]]:
    """Yield the comparisons of as many prompts as the shared parameters need, by position effect (S,)."""
    effects = int(of_source.max(initial=0)) + 1
    cells = float((np.diff(votes.candidates).astype(np.float64) ** 2).sum()) * effects
    for portion in _portions(votes, every=math.ceil(cells / ESTIMATION_CELLS)):
        prompts, items = len(portion.prompts), portion.items
        ballots, rows = _ballots(votes, counting, portion)
        scored = counting.scored(ballots, rows, prompts, items, conflicts)
        yield tallies_of_judges(ballots if scored is None else scored, of_source, effects, prompts, items)


def _ballots(votes: Votes, counting: Counting, portion: Portion) -> tuple[Ballots, Codes]:
    """Return the valid votes of a portion, and the index of each among all votes.

    Candidates that were rated one at a time are ranked by their ratings; such a ballot is not a single vote: -1.
    """
    source = counting.source
    valid = votes.valid[portion.votes]
    rows, local = (portion.votes, portion.local) if valid.all() else (portion.votes[valid], portion.local[valid])
    rated = ~np.isnan(votes.ratings[rows])
    together = Ballots.gathered(rows[~rated], local[~rated], source, votes.offsets, votes.items, votes.ranks)
    if not rated.any():
        return together, rows
    alone = rows[rated]
    items = votes.items[votes.offsets[alone]].astype(np.int32)
    ranked = ballots_of_ratings(local[rated], source[alone], items, votes.ratings[alone], portion.items)
    return together.followed_by(ranked), np.r_[rows[~rated], np.full(len(ranked.prompt), -1)]


def _complete(work: Callable[[Portion], None], parts: Iterator[Portion], prompts: int) -> Iterator[slice]:
    """Yield all rows in order, each group as soon as it and all groups before it are done."""
    left = np.ones(prompts + 1, bool)
    start = 0
    for done in _worked(work, parts):
        left[done.prompts] = False
        ready = start + int(left[start:].argmax())
        while start < ready and (ready == prompts or ready - start >= ROW_GROUP_ROWS):
            rows = slice(start, min(start + ROW_GROUP_ROWS, ready))
            yield rows
            start = rows.stop


def _worked(work: Callable[[Portion], None], parts: Iterator[Portion]) -> Iterator[Portion]:
    """Yield portions when they are done; others are processed meanwhile."""
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    waiting: deque[tuple[Portion, Future[None]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for portion in parts:
            waiting.append((portion, pool.submit(work, portion)))
            if len(waiting) > 2 * threads:
                waiting[0][1].result()
                yield waiting.popleft()[0]
        for portion, future in waiting:
            future.result()
            yield portion


def _rankings(votes: Votes, results: Results, method: str, models: pa.Array | None) -> Rankings:
    """Return rankings that share the arrays of the results, and are filled as those are."""
    prompts = len(votes.prompt_ids)
    counts: dict[str, NDArray[Any]] = {
        "votes": counted(votes.prompt, prompts),
        "invalid": np.bincount(votes.prompt[~votes.valid], minlength=prompts),
        "conflicts": results.counts["conflicts"],
        "repeats": results.counts["repeats"],
        "score_variance": _score_variance(votes),
        "score_conflicts": score_conflict_ratio(
            votes.judge, votes.prompt, votes.offsets, votes.items, votes.ranks, votes.ratings, votes.candidates
        ),
    }
    return Rankings(
        votes.prompt_ids,
        method,
        votes.candidates,
        votes.response_ids,
        models,
        results.places,
        results.voted,
        results.ranks,
        results.scores,
        results.standard_errors,
        results.win_probabilities,
        FLAGS,
        results.flags,
        counts | results.measures,
    )


def _score_variance(votes: Votes) -> Floats:
    rated = np.flatnonzero(~np.isnan(votes.ratings))
    items = votes.items[votes.offsets[rated]].astype(np.int32)
    return judge_variance(votes.prompt[rated], items, votes.judge[rated], votes.ratings[rated], len(votes.prompt_ids))
