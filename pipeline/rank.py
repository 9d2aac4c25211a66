"""rank: votes in, rankings out."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import UsageError, did_you_mean
from .formats.evidence import read_evidence
from .formats.models import models_of
from .formats.rankings import Rankings
from .formats.votes import Votes, read_votes
from .provenance import Provenance
from .ranking.batch import FLAGS, measure
from .ranking.codes import Codes, counted, dense
from .ranking.comparisons import Ballots
from .ranking.conflicts import CONFLICTS
from .ranking.counting import NEEDED, VOTE_WEIGHTS, Counting
from .ranking.duels import tally_of
from .ranking.judge_variance import judge_variance
from .ranking.methods import METHODS, Method, chances_of, scorer_of
from .ranking.plan import Portion, portions
from .ranking.pooled import Shared, estimate_shared
from .ranking.ratings import ballots_of_ratings
from .ranking.results import Results
from .ranking.score_conflicts import score_conflict_ratio
from .ranking.shared_ties import estimate_ties
from .ranking.special import fair_coin_p, wilson_interval
from .ranking.tally import Floats, Tally
from .reading import fingerprint
from .summary import Figure, Summary
from .tables import RANKINGS
from .writing import ROW_GROUP_ROWS, TableWriter

ESTIMATION_CELLS = 1_000_000
"""Pairs of candidates from which shared parameters are estimated: some twenty thousand prompts of seven candidates.

They leave a position effect uncertain by 0.003 logits; of larger files, every n-th prompt is used.
"""

MARKED_BIAS = 0.05
"""How far from one half the first slot's share may lie before a user of a method that ignores slots is warned."""

MOST_JUDGES_LISTED = 20

MOST_THREADS = 8
"""Portions in work at the same time, each with some tens of megabytes; numpy lets go of the interpreter meanwhile."""


def rank(
    votes: str | Path,
    output: str | Path,
    *,
    method: str = "bradley-terry",
    responses: str | Path | None = None,
    position_effect: float | Literal["estimate"] | None = "estimate",
    prior_sd: float | None = None,
    conflicts: str = "both",
    weights: Mapping[str, float] | None = None,
    vote_weight: str = "none",
    criterion: str | None = None,
) -> Summary:
    """Rank each prompt's candidates, with standard errors and consistency measures, and write a rankings table.

    Votes that are not "ok" are counted, and compare nothing. Every prompt that comes in goes out: where nothing can be
    said, ranks and scores are null and a flag says why. Scores of a model come with each candidate's chance to beat
    another (`win_chances.chances_against_others`).

    Args:
        votes: A votes table, or a file with `prompt_id`, `judge`, `shown` and `ranks`, or `-`.
        output: Where the rankings go: .parquet, .jsonl, or `-`.
        method: One of `METHODS`: "bradley-terry" gives scores in logits, "borda" the mean number of candidates beaten;
            docs/methods.md compares them all.
        responses: The responses, to name the candidates' models.
        position_effect: How much the earlier slot is favoured, in logits; "estimate" finds it from all prompts
            together, None takes it as 0. Only "bradley-terry", "davidson" and "rao-kupper" heed it.
        prior_sd: The standard deviation of scores that is expected beforehand; None finds it from all prompts
            together. Only those three and "plackett-luce" heed it.
        conflicts: How a pair counts whose two orders, by one judge at one repeat, name different winners: as two
            opposite wins ("both"), as two ties ("tie"), not at all ("drop"), as two votes for what both orders
            together find likeliest, by the column `scores` ("likelihood"), or for the winner of the order that was
            answered with the lower `perplexity` ("perplexity"). A conflict that lacks these stands as two opposite
            wins, and a warning says how many do.
        weights: What a judge's votes count in scores, by the judge's name; 1 for those that are not named. Standard
            errors take a weight as a number of votes.
        vote_weight: What a vote on two candidates counts in scores beside that. "strength": a clear verdict counts
            three times a slight one, as in Arena-Hard, by the column `strength`. "probability": it counts in part for
            either candidate and in part as a tie, by the column `scores`. A vote that lacks the column counts as it
            does with "none", 1 for its verdict, and a warning says how many do. Lists count as with "none", and so do
            votes that `conflicts` has decided.
        criterion: Which votes to rank by, where they are by several criteria.

    Raises:
        UsageError: The votes, the responses, or an option cannot be used; or no vote has a column that an option needs.
    """
    if method not in METHODS:
        raise UsageError(f"There is no ranking method '{method}'.", did_you_mean(method, list(METHODS)))
    if conflicts not in CONFLICTS:
        raise UsageError(f"Conflicts cannot count as '{conflicts}'.", did_you_mean(conflicts, list(CONFLICTS)))
    if vote_weight not in VOTE_WEIGHTS:
        raise UsageError(f"Votes cannot be weighted by '{vote_weight}'.", did_you_mean(vote_weight, list(VOTE_WEIGHTS)))
    if vote_weight != "none" and (not METHODS[method].takes_weights or method == "reciprocal-rank"):
        raise UsageError(
            f"{method} takes every vote of a judge for as much as any other.",
            "Leave the weight of votes out, or rank with bradley-terry.",
        )
    if weights and not METHODS[method].takes_weights:
        raise UsageError(
            f"{method} takes every vote for as much as any other, so judges cannot have weights.",
            "Leave the weights out, or rank with bradley-terry.",
        )
    if prior_sd is not None and not 0 < prior_sd < math.inf:
        raise UsageError(f"Scores cannot have a standard deviation of {prior_sd:g}.", "Give a positive number.")
    known = None if position_effect == "estimate" else position_effect or 0.0
    if known is not None and not (isinstance(known, float | int) and math.isfinite(known)):
        raise UsageError(f"A position effect cannot be {position_effect}.", "Give a number of logits, or 'estimate'.")
    settings = {
        "method": method,
        "position_effect": position_effect,
        "prior_sd": prior_sd,
        "conflicts": conflicts,
        "weights": dict(weights or {}),
        "vote_weight": vote_weight,
        "criterion": criterion,
    }
    made = Provenance("rank", settings, [fingerprint(path) for path in (votes, responses) if path is not None])
    with TableWriter(output, RANKINGS.schema, made) as writer:
        read = read_votes(votes, criterion)
        models = models_of(responses, read) if responses is not None else None
        counting = _counting(votes, read, weights, conflicts, vote_weight, criterion)
        shared = _shared(read, counting, METHODS[method], known, prior_sd)
        scorer, chances, results = scorer_of(method, shared), chances_of(method, shared), Results(read.candidates)
        rankings = _rankings(read, results, method, models)

        def work(portion: Portion) -> None:
            ballots, rows = _ballots(read, counting, portion)
            scored = counting.scored(ballots, rows, len(portion.prompts), portion.items)
            measured = measure(ballots, len(portion.prompts), portion.items, scorer, scored)
            results.add(portion, measured, chances(measured.scores))

        for rows in _complete(work, _portions(read), len(read.prompt_ids)):
            writer.write(rankings.table(rows))
    figures = _figures(read, results) | _of_shared(shared, METHODS[method])
    return Summary(
        "rank",
        str(output),
        "prompts",
        rows_in=len(read.prompt_ids),
        rows_out=writer.rows,
        figures=figures,
        warnings=(*_warnings(read, results, method), *_gaps(read, counting)),
    )


def _counting(
    path: str | Path,
    votes: Votes,
    weights: Mapping[str, float] | None,
    conflicts: str,
    vote_weight: str,
    criterion: str | None,
) -> Counting:
    options = [option for option in (conflicts, vote_weight) if option in NEEDED]
    evidence = {option: read_evidence(path, votes, NEEDED[option], criterion) for option in options}
    return Counting(*_sources(votes, weights), conflicts, vote_weight, evidence)


def _sources(votes: Votes, weights: Mapping[str, float] | None) -> tuple[Codes, Floats | None]:
    repeats = int(votes.repeat.max(initial=0)) + 1
    if len(votes.judges) * repeats == 1:
        of_vote, keys = votes.judge, np.zeros(1, np.int64)
    else:
        of_vote, keys = dense(votes.judge * np.int64(repeats) + votes.repeat, len(votes.judges) * repeats)
    if not weights:
        return of_vote, None
    for name, weight in weights.items():
        if name not in votes.judges:
            raise UsageError(f"No vote is by a judge named '{name}'.", did_you_mean(name, votes.judges))
        if not 0 < weight < math.inf:
            raise UsageError(f"The judge '{name}' cannot weigh {weight:g}.", "Give a positive number.")
    by_judge = np.array([float(weights.get(name, 1)) for name in votes.judges])
    return of_vote, by_judge[keys // repeats]


def _shared(votes: Votes, counting: Counting, method: Method, known: float | None, prior_sd: float | None) -> Shared:
    """Estimate what all prompts share, as far as the method needs it."""
    if not method.has_prior:
        return Shared(0.0, 0.0, 1.0)
    sample = list(_sample(votes, counting, "both"))
    if not method.corrects_position:
        known = 0.0
    if method.ties is None:
        return estimate_shared(sample, position_effect=known, prior_sd=prior_sd)
    spread = estimate_shared(sample, position_effect=known, prior_sd=prior_sd).prior_sd
    scored = None if counting.conflicts == "both" else _sample(votes, counting, counting.conflicts)
    found = estimate_ties(method.ties, sample, scored, prior_sd=spread, stretch=prior_sd is None, position_effect=known)
    return Shared(found.position_effect, found.position_error, found.prior_sd, found.tie)


def _portions(votes: Votes, every: int = 1) -> Iterator[Portion]:
    items = np.diff(votes.candidates)
    return portions(items, votes.prompt, votes.sizes, np.arange(len(items)) % every == 0)


def _sample(votes: Votes, counting: Counting, conflicts: str) -> Iterator[Tally]:
    """Yield the comparisons of so many prompts as the shared parameters need."""
    cells = float((np.diff(votes.candidates).astype(np.float64) ** 2).sum())
    for portion in _portions(votes, every=math.ceil(cells / ESTIMATION_CELLS)):
        prompts, items = len(portion.prompts), portion.items
        ballots, rows = _ballots(votes, counting, portion)
        scored = counting.scored(ballots, rows, prompts, items, conflicts)
        yield tally_of(ballots if scored is None else scored, prompts, items)


def _ballots(votes: Votes, counting: Counting, portion: Portion) -> tuple[Ballots, Codes]:
    """Return the valid votes of a portion, and where each stands among all votes.

    Candidates that were rated one at a time are ranked by their ratings; such a ballot is no one vote: -1.
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
    """Yield all rows in order, a group as soon as the work on it and on what stands before it is done."""
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
    """Yield portions when the work on them is done; some are worked on meanwhile."""
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
    """Return rankings that are filled as the results are."""
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


def _figures(votes: Votes, results: Results) -> dict[str, Figure]:
    total = {name: int(counts.sum()) for name, counts in results.counts.items()}
    flagged = {name.replace("-", "_"): int(results.flags[:, index].sum()) for index, name in enumerate(FLAGS)}
    return {
        "votes": len(votes.valid),
        "invalid": int((~votes.valid).sum()),
        "conflicts": total["conflicts"],
        "position_consistency": total["consistent"] / total["both_orders"] if total["both_orders"] else None,
        **_first_slot(total["first_won"], total["decisive"]),
        **_of_judges(votes),
        "rankings_by_repeat": total["repeats"],
        "incomplete_rankings": total["incomplete"],
        "mean_kendall_w": results.mean("kendall_w"),
        "mean_consistency": results.mean("consistency"),
        **{name: count for name, count in flagged.items() if count},
    }


def _first_slot(first_won: int, decisive: int) -> dict[str, Figure]:
    if not decisive:
        return {"first_slot_share": None}
    low, high = wilson_interval(first_won, decisive)
    return {
        "first_slot_share": first_won / decisive,
        "first_slot_share_low": low,
        "first_slot_share_high": high,
        "first_slot_p_value": fair_coin_p(first_won, decisive),
    }


def _of_judges(votes: Votes) -> dict[str, Figure]:
    """Return how often each judge's decisive pairwise votes went to the first slot, where there are several judges."""
    if not 1 < len(votes.judges) <= MOST_JUDGES_LISTED:
        return {}
    pairs = np.flatnonzero(votes.valid & (votes.sizes == 2))
    first, second = votes.ranks[votes.offsets[pairs]], votes.ranks[votes.offsets[pairs] + 1]
    decided = (first > 0) & (second > 0) & (first != second)
    judge = votes.judge[pairs[decided]]
    decisive = np.bincount(judge, minlength=len(votes.judges))
    won = np.bincount(judge, first[decided] < second[decided], minlength=len(votes.judges))
    return {
        f"first_slot_share of {name}": float(won[code] / decisive[code])
        for code, name in enumerate(votes.judges)
        if decisive[code]
    }


def _of_shared(shared: Shared, method: Method) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    if method.corrects_position:
        figures |= {"position_effect": shared.position_effect, "position_effect_error": shared.position_error}
    if method.has_prior:
        figures["prior_sd"] = shared.prior_sd
    if method.ties is not None:
        figures["tie_parameter"] = shared.tie if math.isfinite(shared.tie) else None
    return figures


def _warnings(votes: Votes, results: Results, method: str) -> Iterator[str]:
    silent = int((~results.voted).sum())
    if silent:
        yield f"{silent:,} of {len(results.voted):,} prompts have no valid vote: their ranks and scores are null."
    first_won, decisive = (int(results.counts[name].sum()) for name in ("first_won", "decisive"))
    low, high = wilson_interval(first_won, decisive) if decisive else (0.5, 0.5)
    if not METHODS[method].corrects_position and max(low - 0.5, 0.5 - high) > MARKED_BIAS:
        yield (
            f"The first slot won {first_won / decisive:.0%} of the decisive votes, and {method} does not correct "
            "for that. Judge in both orders, or rank with bradley-terry."
        )
    unscored = int((results.voted & ~results.scored).sum())
    if unscored:
        yield f"{unscored:,} prompts have votes, but none that {method} can score: their scores are null."
    unrated = int((votes.valid & (votes.sizes == 1) & np.isnan(votes.ratings)).sum())
    if unrated:
        yield f"{unrated:,} votes show one candidate and give it no score, so they compare nothing."


def _gaps(votes: Votes, counting: Counting) -> Iterator[str]:
    """Yield warnings of votes that lack what an option needs."""
    if not counting.evidence:
        return
    begins = votes.offsets[:-1]
    pairs = np.flatnonzero(votes.valid & (votes.sizes == 2))
    decided = pairs[votes.ranks[begins[pairs]] != votes.ranks[begins[pairs] + 1]]
    for option, evidence in counting.evidence.items():
        asked = decided if option == "strength" else pairs
        lacking = int(np.isnan(evidence[asked].reshape(len(asked), -1)[:, 0]).sum())
        if lacking:
            yield (
                f"{lacking:,} of {len(asked):,} votes on two candidates have no '{NEEDED[option]}', so they count as "
                f"without {option}."
            )
