"""filter: rankings in, the ones that can be trusted out; every dropped row with its reason."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import UsageError
from .ranking.kendall_w import pass_rate_of_random_judge
from .reading import STREAM, display, read
from .summary import Summary
from .tables import RANKINGS
from .writing import TableWriter, provenance_of

CHANCE_WORTH_A_WARNING = 0.05
SHARE_WORTH_A_WARNING = 0.05
ROUNDING = 1e-9
"""What a measure may lie below a threshold that it equals but for the rounding of floating-point numbers."""

WITH_REASON = RANKINGS.schema.append(pa.field("reason", pa.string()))

_RANGES = {
    "min_w": (0, 1),
    "min_consistency": (-1, 1),
    "keep_top": (0, 1),
    "min_position_consistency": (0, 1),
    "min_votes": (0, math.inf),
    "min_margin": (0, math.inf),
}


def filter(  # noqa: A001 - the verb of the command; the builtin is not needed here
    rankings: str | Path,
    output: str | Path,
    *,
    dropped: str | Path | None = None,
    min_w: float | None = None,
    min_consistency: float | None = None,
    keep_top: float | None = None,
    min_position_consistency: float | None = None,
    min_votes: int | None = None,
    min_margin: float | None = None,
) -> Summary:
    """Keep the rankings that pass every criterion given, and write a rankings table.

    A measure that is unknown (null) does not pass a criterion on it. At least one criterion is needed.

    Args:
        rankings: A rankings table.
        output: Where the kept rows go.
        dropped: Where the others go, with a column `reason`.
        min_w: The least Kendall's W, between 0 and 1.
        min_consistency: The least chance-corrected W (mean correlation between repeats), between -1 and 1.
        keep_top: The share of rows to keep, the most consistent first; rows equal to the last one are kept too.
        min_position_consistency: The least share of pairs judged alike in both orders.
        min_votes: The fewest votes that count.
        min_margin: The least difference in score between best and worst candidate.

    Raises:
        UsageError: The table or a threshold cannot be used.
    """
    criteria = {
        "min_w": min_w,
        "min_consistency": min_consistency,
        "keep_top": keep_top,
        "min_position_consistency": min_position_consistency,
        "min_votes": min_votes,
        "min_margin": min_margin,
    }
    check_criteria(criteria)
    made = provenance_of("filter", criteria, [rankings], [output, dropped])
    tables: Callable[[], Iterator[pa.Table]] = partial(read, rankings, RANKINGS)
    if keep_top is not None and str(rankings) == STREAM:
        # It is read twice, and standard input passes but once.
        tables = list(tables()).__iter__
    floor = _consistency_of_top(tables(), display(rankings), keep_top) if keep_top is not None else None
    reasons: Counter[str] = Counter()
    shapes: Counter[tuple[int, int]] = Counter()
    with ExitStack() as stack:
        kept = stack.enter_context(TableWriter(output, RANKINGS.schema, made))
        left = stack.enter_context(TableWriter(dropped, WITH_REASON, made)) if dropped is not None else None
        for table in tables():
            reason = pa.array(_reasons(table, criteria, floor), pa.string())
            kept.write(table.filter(reason.is_null()))
            if left is not None:
                left.write(table.append_column("reason", reason).filter(reason.is_valid()))
            reasons.update(reason.drop_null().to_pylist())
            sizes = pc.list_value_length(table["response_ids"]).to_pylist()
            shapes.update(zip(table["repeats"].fill_null(0).to_pylist(), sizes, strict=True))
    return Summary(
        "filter",
        str(output),
        "prompts",
        rows_in=kept.rows + reasons.total(),
        rows_out=kept.rows,
        dropped=dict(reasons.most_common()),
        figures={"consistency_threshold": floor} if floor is not None else {},
        warnings=(
            *_warnings(shapes, min_w, min_consistency, floor),
            *_tie_warning(keep_top, kept.rows, kept.rows + reasons.total()),
        ),
    )


def check_criteria(criteria: Mapping[str, float | None]) -> None:
    """Refuse criteria that keep everything, keep nothing, or lie outside their range.

    Raises:
        UsageError: Says which one.
    """
    if all(value is None for value in criteria.values()):
        raise UsageError(
            "No criterion is given, so nothing would be filtered.",
            "Give one, such as --min-consistency 0.5 or --keep-top 0.5.",
        )
    for name, (low, high) in _RANGES.items():
        value = criteria.get(name)
        if value is None:
            continue
        option = "--" + name.replace("_", "-")
        if name == "keep_top" and value == 0:
            raise UsageError("--keep-top 0 would keep nothing.", "Give a share above 0, such as 0.5.")
        if not low <= value <= high:
            raise UsageError(f"{option} {value:g} lies outside {low:g} to {high:g}.", "Give a number within.")


def _consistency_of_top(tables: Iterable[pa.Table], name: str, share: float) -> float:
    """Return the consistency that the most consistent share of all rows reaches.

    Rows of unknown consistency count among all, and come last.
    """
    columns, votes = [], 0
    for table in tables:
        columns.append(table["consistency"].to_numpy())
        votes += pc.sum(table["votes"]).as_py() or 0
    values = np.concatenate(columns).astype(np.float64)
    known = np.sort(values[~np.isnan(values)])[::-1]
    if not votes:
        raise UsageError(
            f"No row of {name} has a single vote that can be counted.",
            "The votes say why, in their columns status and error: look with prefpipe inspect.",
        )
    if not len(known):
        raise UsageError(
            f"No row of {name} has a consistency: it needs at least two complete rankings of a prompt.",
            "Judge with --repeats 2 or more, or with several judges; or filter by --min-position-consistency.",
        )
    return float(known[min(len(known), max(1, math.ceil(share * len(values) - ROUNDING))) - 1])


def _reasons(table: pa.Table, criteria: dict[str, float | None], floor: float | None) -> list[str | None]:
    """Return for each row why it is dropped, by the first criterion that it fails; None where it is kept."""
    valid = pc.subtract(table["votes"], table["invalid"])
    measures = (
        ("Kendall's W", table["kendall_w"], criteria["min_w"]),
        ("consistency", table["consistency"], criteria["min_consistency"]),
        ("consistency", table["consistency"], floor),
        ("position consistency", table["position_consistency"], criteria["min_position_consistency"]),
        ("number of votes", valid, criteria["min_votes"]),
        ("margin", table["margin"], criteria["min_margin"]),
    )
    reasons = np.full(table.num_rows, None, object)
    for name, column, least in measures:
        if least is None:
            continue
        values = column.cast(pa.float64()).to_numpy()
        undecided = np.array([reason is None for reason in reasons], bool)
        reasons[undecided & np.isnan(values)] = f"with unknown {name}"
        reasons[undecided & (values < least - ROUNDING)] = f"with {name} below {least:.4g}"
    return list(reasons)


def _warnings(
    shapes: Counter[tuple[int, int]], min_w: float | None, min_consistency: float | None, floor: float | None
) -> tuple[str, ...]:
    """Warn where judges that flip coins would pass: with few repeats of few candidates they often agree by chance."""
    least = [value for value in (min_consistency, floor) if value is not None]
    known = {shape: count for shape, count in shapes.items() if shape[0] > 1 and shape[1] > 1}
    if not known or (min_w is None and not least):
        return ()
    passing = sum(count * _chance(*shape, min_w, max(least, default=-1.0)) for shape, count in known.items())
    share = passing / sum(known.values())
    if share < CHANCE_WORTH_A_WARNING:
        return ()
    repeats, candidates = max(known, key=lambda shape: known[shape])
    return (
        f"A judge that flips coins would pass for {share:.0%} of the prompts, as most have {repeats} rankings of "
        f"{candidates} candidates. More repeats or a higher threshold tell it apart.",
    )


def _tie_warning(keep_top: float | None, kept: int, rows: int) -> tuple[str, ...]:
    """Warn where far more is kept than was asked for, as many rows are as consistent as the last one."""
    wanted = rows if keep_top is None else math.ceil(keep_top * rows - ROUNDING)
    if kept - wanted <= SHARE_WORTH_A_WARNING * rows:
        return ()
    return (
        f"{kept:,} of {rows:,} prompts were kept instead of {wanted:,}: many are just as consistent as the last one. "
        "More repeats tell them apart.",
    )


def _chance(repeats: int, candidates: int, min_w: float | None, min_consistency: float) -> float:
    """Return how often a judge without any preference reaches both thresholds."""
    corrected = ((repeats - 1) * min_consistency + 1) / repeats
    return pass_rate_of_random_judge(repeats, candidates, max(min_w or 0.0, corrected) - ROUNDING)
