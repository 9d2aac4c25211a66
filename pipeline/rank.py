"""rank: votes in, rankings out."""

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .errors import UsageError, did_you_mean
from .formats.models import models_of
from .formats.rankings import Rankings
from .formats.votes import Votes, read_votes
from .provenance import Provenance
from .ranking.batch import FLAGS, measure
from .ranking.codes import Codes, dense
from .ranking.comparisons import Ballots, pairs_of, tally
from .ranking.methods import METHODS, POSITION_BLIND, scorer_of
from .ranking.plan import Portion, portions
from .ranking.pooled import Shared, estimate_shared
from .ranking.ratings import ballots_of_ratings
from .ranking.results import Results
from .ranking.special import fair_coin_p, wilson_interval
from .ranking.tally import Tally
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
"""Portions in work at the same time, each with some hundred megabytes; numpy lets go of the interpreter meanwhile."""


def rank(
    votes: str | Path,
    output: str | Path,
    *,
    method: str = "bradley-terry",
    responses: str | Path | None = None,
    position_effect: float | Literal["estimate"] | None = "estimate",
    prior_sd: float | None = None,
) -> Summary:
    """Rank each prompt's candidates, with standard errors and consistency measures, and write a rankings table.

    Votes that are not "ok" are counted, and compare nothing. Every prompt that comes in goes out: where nothing can be
    said, ranks and scores are null and a flag says why.

    Args:
        votes: A votes table, or a file with `prompt_id`, `judge`, `shown` and `ranks`, or `-`.
        output: Where the rankings go: .parquet, .jsonl, or `-`.
        method: "bradley-terry" gives scores in logits, "borda" the mean number of candidates beaten.
        responses: The responses, to name the candidates' models.
        position_effect: How much the earlier slot is favoured, in logits; "estimate" finds it from all prompts
            together, None takes it as 0. Only "bradley-terry" heeds it.
        prior_sd: The standard deviation of scores that is expected beforehand; None finds it from all prompts
            together. Only "bradley-terry" heeds it.

    Raises:
        UsageError: The votes, the responses, or an option cannot be used.
    """
    if method not in METHODS:
        raise UsageError(f"There is no ranking method '{method}'.", did_you_mean(method, list(METHODS)))
    if prior_sd is not None and not 0 < prior_sd < math.inf:
        raise UsageError(f"Scores cannot have a standard deviation of {prior_sd:g}.", "Give a positive number.")
    known = None if position_effect == "estimate" else position_effect or 0.0
    if known is not None and not (isinstance(known, float | int) and math.isfinite(known)):
        raise UsageError(f"A position effect cannot be {position_effect}.", "Give a number of logits, or 'estimate'.")
    settings = {"method": method, "position_effect": position_effect, "prior_sd": prior_sd}
    made = Provenance("rank", settings, [fingerprint(path) for path in (votes, responses) if path is not None])
    with TableWriter(output, RANKINGS.schema, made) as writer:
        read = read_votes(votes)
        models = models_of(responses, read) if responses is not None else None
        source = _sources(read)
        shared = Shared(0.0, 0.0, 1.0)
        if method not in POSITION_BLIND:
            shared = estimate_shared(_sample(read, source), position_effect=known, prior_sd=prior_sd)
        scorer, results = scorer_of(method, shared), Results(read.candidates)

        def work(portion: Portion) -> None:
            ballots = _ballots(read, source, portion)
            results.add(portion, measure(ballots, len(portion.prompts), portion.items, scorer))

        with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
            deque(pool.map(work, _portions(read)), maxlen=0)
        for table in _rankings(read, results, method, models).tables(ROW_GROUP_ROWS):
            writer.write(table)
    figures = _figures(read, results) | ({} if method in POSITION_BLIND else _of_shared(shared))
    return Summary(
        "rank",
        str(output),
        "prompts",
        rows_in=len(read.prompt_ids),
        rows_out=writer.rows,
        figures=figures,
        warnings=tuple(_warnings(read, results, method)),
    )


def _sources(votes: Votes) -> Codes:
    """Return one code for each judge and repeat: what gives one ranking of a prompt."""
    repeats = int(votes.repeat.max(initial=0)) + 1
    return dense(votes.judge * np.int64(repeats) + votes.repeat, len(votes.judges) * repeats)[0]


def _portions(votes: Votes, every: int = 1) -> Iterator[Portion]:
    items = np.diff(votes.candidates)
    return portions(items, votes.prompt, np.diff(votes.offsets), np.arange(len(items)) % every == 0)


def _sample(votes: Votes, source: Codes) -> Iterator[Tally]:
    """Yield the comparisons of so many prompts as the shared parameters need."""
    cells = float((np.diff(votes.candidates).astype(np.float64) ** 2).sum())
    for portion in _portions(votes, every=math.ceil(cells / ESTIMATION_CELLS)):
        yield tally(pairs_of(_ballots(votes, source, portion)), len(portion.prompts), portion.items)


def _ballots(votes: Votes, source: Codes, portion: Portion) -> Ballots:
    """Return the valid votes of a portion; candidates that were rated one at a time are ranked by their ratings."""
    valid = votes.valid[portion.votes]
    rows, local = (portion.votes, portion.local) if valid.all() else (portion.votes[valid], portion.local[valid])
    rated = ~np.isnan(votes.ratings[rows])
    together = Ballots.gathered(rows[~rated], local[~rated], source, votes.offsets, votes.items, votes.ranks)
    if not rated.any():
        return together
    alone = rows[rated]
    items = votes.items[votes.offsets[alone]]
    return together.followed_by(
        ballots_of_ratings(local[rated], source[alone], items, votes.ratings[alone], portion.items)
    )


def _rankings(votes: Votes, results: Results, method: str, models: pa.Array | None) -> Rankings:
    offsets = votes.candidates
    at = pa.array(np.repeat(offsets[:-1], np.diff(offsets)) + results.places)
    prompts = len(votes.prompt_ids)
    counts: dict[str, NDArray[Any]] = {
        "votes": np.bincount(votes.prompt, minlength=prompts),
        "invalid": np.bincount(votes.prompt[~votes.valid], minlength=prompts),
        "conflicts": results.counts["conflicts"],
        "repeats": results.counts["repeats"],
        "cyclic_triads": np.where(results.voted, results.counts["cyclic_triads"], np.nan),
    }
    return Rankings(
        votes.prompt_ids,
        method,
        offsets,
        votes.response_ids.take(at),
        None if models is None else models.take(at),
        results.voted,
        results.ranks,
        results.scores,
        results.standard_errors,
        FLAGS,
        results.flags,
        counts | results.measures,
    )


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
    pairs = np.flatnonzero(votes.valid & (np.diff(votes.offsets) == 2))
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


def _of_shared(shared: Shared) -> dict[str, Figure]:
    return {
        "position_effect": shared.position_effect,
        "position_effect_error": shared.position_error,
        "prior_sd": shared.prior_sd,
    }


def _warnings(votes: Votes, results: Results, method: str) -> Iterator[str]:
    silent = int((~results.voted).sum())
    if silent:
        yield f"{silent:,} of {len(results.voted):,} prompts have no valid vote: their ranks and scores are null."
    first_won, decisive = (int(results.counts[name].sum()) for name in ("first_won", "decisive"))
    low, high = wilson_interval(first_won, decisive) if decisive else (0.5, 0.5)
    if method in POSITION_BLIND and max(low - 0.5, 0.5 - high) > MARKED_BIAS:
        yield (
            f"The first slot won {first_won / decisive:.0%} of the decisive votes, and {method} does not correct "
            "for that. Judge in both orders, or rank with bradley-terry."
        )
    sizes = np.diff(votes.offsets)
    unrated = int((votes.valid & (sizes == 1) & np.isnan(votes.ratings)).sum())
    if unrated:
        yield f"{unrated:,} votes show one candidate and give it no score, so they compare nothing."
