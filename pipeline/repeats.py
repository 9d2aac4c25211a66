"""repeats: from a pilot's votes, how many repeats a target reliability needs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from .errors import UsageError, did_you_mean
from .formats.leaderboards import known
from .formats.votes import Votes, read_votes, some
from .ranking.codes import Codes, dense
from .ranking.comparisons import Ballots, pairs_of
from .ranking.kendall_w import pass_rate_of_random_judge
from .ranking.plan import Portion, portions
from .ranking.ratings import ballots_of_ratings
from .ranking.reliability import needed, reliability_of_one, shared_variance, together
from .ranking.repeats import rankings_of_repeats
from .reading import display

DRAWS = 1000
FEW_PROMPTS = 20
MOST_REPEATS = 10_000
ROUNDING = 1e-9


@dataclass(frozen=True)
class Step:
    """What some number of repeats is expected to bring.

    Attributes:
        repeats: m, the number of rankings of each prompt.
        reliability: The reliability of the m together: their correlation with m others.
        low: The lower end of its 95 % interval.
        high: The upper end.
        correlation: The correlation with the ranking by infinitely many, the square root of the reliability.
        calls_a_prompt: How many calls that takes.
        calls: For as many prompts as the pilot has.
        passed_by_chance: Share of prompts at which a coin-flipping judge reaches the W that was asked about.
    """

    repeats: int
    reliability: float
    low: float | None
    high: float | None
    correlation: float
    calls_a_prompt: float
    calls: int
    passed_by_chance: float | None


@dataclass(frozen=True)
class RepeatPlan:
    """How many repeats are needed, as plain values; what is unknown is None.

    Attributes:
        wanted: The reliability that is wanted.
        repeats: How many rankings of each prompt are expected to reach it; None if no number does.
        fewest: The number if the reliability is at the upper end of its interval; None likewise.
        most: The number if it is at the lower end; None likewise.
        reliability: Of a single ranking.
        low: The lower end of its 95 % interval.
        high: The upper end.
        prompts: With two rankings or more, from which that follows.
        left_out: Prompts with fewer.
        rankings: How many such a prompt has on average.
        questions: How many calls one ranking of a prompt takes.
        min_w: The threshold of Kendall's W that was asked about.
        steps: For 1, 2, 3, … repeats.
        warnings: Warnings to read before relying on it.
    """

    wanted: float
    repeats: int | None
    fewest: int | None
    most: int | None
    reliability: float
    low: float | None
    high: float | None
    prompts: int
    left_out: int
    rankings: float
    questions: float
    min_w: float | None
    steps: list[Step]
    warnings: tuple[str, ...]


def repeats(
    votes: str | Path,
    *,
    reliability: float = 0.9,
    judge: str | None = None,
    criterion: str | None = None,
    min_w: float | None = None,
    up_to: int = 10,
    seed: int = 0,
) -> RepeatPlan:
    """Estimate from a pilot's votes how many repeats a target reliability needs.

    Every judge and repeat gives one ranking of a prompt's candidates. The similarity of two of them, over all prompts,
    gives the reliability of one, and the Spearman–Brown formula that of any number together.

    Args:
        votes: A votes table whose prompts were judged at least twice, or `-`.
        reliability: The target reliability, between 0 and 1.
        judge: The judge whose votes to use, if there are several; without it, the rankings of all judges are treated
            alike.
        criterion: The criterion to use, if the votes are by several criteria.
        min_w: A threshold of Kendall's W; the plan then says how often a coin-flipping judge would reach it.
        up_to: The largest number of repeats to show, at most 10,000.
        seed: The seed of the draws of prompts.

    Raises:
        UsageError: The votes or an option cannot be used, or no prompt was ranked twice.
    """
    if not 0 < reliability < 1:
        raise UsageError(
            f"A reliability of {reliability:.15g} cannot be planned.", "Give one between 0 and 1, such as 0.9."
        )
    if min_w is not None and not 0 <= min_w <= 1:
        raise UsageError(f"--min-w {min_w:.15g} lies outside 0 to 1.", "Kendall's W is 1 for equal rankings.")
    if up_to < 1:
        raise UsageError(f"With --up-to {up_to}, nothing is shown.", "Give 1 or more.")
    if up_to > MOST_REPEATS:
        raise UsageError(f"--up-to {up_to:,} is too many.", f"Give {MOST_REPEATS:,} or fewer.")
    if seed < 0:
        raise UsageError(f"--seed {seed} is negative.", "Give 0 or more.")
    read = _by(read_votes(votes, criterion), judge, votes)
    if not read.valid.any():
        raise UsageError(
            f"No vote in {display(votes)} has a verdict.",
            "A vote has one if its status is ok and its ranks are not null.",
        )
    pilot, prompts = _measured(read), len(np.unique(read.prompt))
    usable = np.flatnonzero(pilot.rankings > 1)
    if not len(usable) or not pilot.total[usable].sum() > 0:
        tied = " that tell any candidates apart" if len(usable) else ""
        raise UsageError(
            f"No prompt of {display(votes)} has two complete rankings{tied}.",
            "Judge with --repeats 2 or more; a pilot of a hundred prompts will do.",
        )
    # In order of id, so that the draws do not depend on the order of the votes.
    ordered = usable[np.argsort(pc.rank(read.prompt_ids).to_numpy()[usable])]
    one = reliability_of_one(pilot.shared[ordered], pilot.total[ordered], draws=DRAWS, seed=seed)
    sizes = Counter(np.diff(read.candidates)[usable].tolist())
    low, high = known(one.low), known(one.high)
    steps = [
        Step(
            repeats=count,
            reliability=together(one.value, count),
            low=None if low is None else together(low, count),
            high=None if high is None else together(high, count),
            correlation=together(one.value, count) ** 0.5,
            calls_a_prompt=count * pilot.questions,
            calls=round(count * pilot.questions * prompts),
            passed_by_chance=None if min_w is None or count < 2 else _passed_by_chance(sizes, count, min_w),
        )
        for count in range(1, up_to + 1)
    ]
    return RepeatPlan(
        wanted=reliability,
        repeats=needed(one.value, reliability),
        fewest=needed(one.high, reliability),
        most=needed(one.low, reliability),
        reliability=one.value,
        low=low,
        high=high,
        prompts=len(usable),
        left_out=prompts - len(usable),
        rankings=float(pilot.rankings[usable].mean()),
        questions=pilot.questions,
        min_w=min_w,
        steps=steps,
        warnings=tuple(_warnings(read, len(usable), one.low)),
    )


def _by(votes: Votes, judge: str | None, path: str | Path) -> Votes:
    """Return the votes by one judge, if it is named."""
    if judge is None:
        return votes
    if judge not in votes.judges:
        raise UsageError(
            f"No vote in {display(path)} is by a judge named '{judge}'.", did_you_mean(judge, votes.judges)
        )
    return replace(some(votes, votes.judge == votes.judges.index(judge)), judges=[judge])


@dataclass(frozen=True)
class _Pilot:
    """A pilot of P prompts: covariance of two rankings, variance of one, how many, and the calls for one."""

    shared: NDArray[np.float64]
    total: NDArray[np.float64]
    rankings: Codes
    questions: float


def _measured(votes: Votes) -> _Pilot:
    count = int(votes.repeat.max(initial=0)) + 1
    source, keys = dense(votes.judge * np.int64(count) + votes.repeat, (int(votes.judge.max(initial=0)) + 1) * count)
    prompts = len(votes.prompt_ids)
    shared, total, rankings = np.full(prompts, np.nan), np.full(prompts, np.nan), np.zeros(prompts, np.int64)
    items = np.diff(votes.candidates)
    for portion in portions(items, votes.prompt, votes.sizes):
        ballots, size = _ballots(votes, source, portion), (len(portion.prompts), portion.items)
        found = rankings_of_repeats(ballots, pairs_of(ballots), *size)
        rankings[portion.prompts] = found.present.sum(1) if portion.items > 1 else 0
        shared[portion.prompts], total[portion.prompts] = shared_variance(found.rankings, found.present)
    asked = np.unique(votes.prompt * np.int64(len(keys)) + source)
    return _Pilot(shared, total, rankings, len(votes.prompt) / len(asked))


def _ballots(votes: Votes, source: Codes, portion: Portion) -> Ballots:
    valid = votes.valid[portion.votes]
    rows, local = portion.votes[valid], portion.local[valid]
    rated = ~np.isnan(votes.ratings[rows])
    shown = Ballots.gathered(rows[~rated], local[~rated], source, votes.offsets, votes.items, votes.ranks)
    alone = rows[rated]
    items = votes.items[votes.offsets[alone]].astype(np.int32)
    return shown.followed_by(
        ballots_of_ratings(local[rated], source[alone], items, votes.ratings[alone], portion.items)
    )


def _passed_by_chance(sizes: Counter[int], rankings: int, min_w: float) -> float:
    passing = (count * pass_rate_of_random_judge(rankings, items, min_w - ROUNDING) for items, count in sizes.items())
    return sum(passing) / sizes.total()


def _warnings(votes: Votes, prompts: int, low: float) -> Iterator[str]:
    judges = len(votes.judges)
    if judges > 1:
        yield (f"Rankings by {judges} judges count as repeats of one; name one with --judge to plan for it alone.")
    if prompts < FEW_PROMPTS:
        counted = "1 prompt that was" if prompts == 1 else f"{prompts:,} prompts that were"
        yield f"The pilot has {counted} ranked twice: too few to rely on the interval."
    if not low > 0:
        yield "The rankings may be no more alike than random ones, so that no number of repeats would help."
