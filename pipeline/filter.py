"""filter: rankings in, the ones that can be trusted out; every dropped row with its reason."""

import math
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .errors import UsageError
from .provenance import Provenance
from .ranking.kendall_w import pass_rate_of_random_judge
from .reading import fingerprint, read
from .summary import Summary
from .tables import RANKINGS
from .writing import TableWriter

CHANCE_WORTH_A_WARNING = 0.05
ROUNDING = 1e-9
"""What a measure may lie below a threshold that it equals but for the rounding of floating-point numbers."""

WITH_REASON = RANKINGS.schema.append(pa.field("reason", pa.string()))

_RANGES = {
    "min_w": (0, 1),
    "min_consistency": (-1, 1),
    "keep_top": (0, 1),
    "min_position_consistency": (0, 1),
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
    _check(criteria)
    floor = _consistency_of_top(rankings, keep_top) if keep_top is not None else None
    made = Provenance("filter", criteria, [fingerprint(rankings)])
    reasons: Counter[str] = Counter()
    shapes: Counter[tuple[int, int]] = Counter()
    with ExitStack() as stack:
        kept = stack.enter_context(TableWriter(output, RANKINGS.schema, made))
        left = stack.enter_context(TableWriter(dropped, WITH_REASON, made)) if dropped is not None else None
        for table in read(rankings, RANKINGS):
            reason = pa.array(_reasons(table, criteria, floor), pa.string())
            kept.write(table.filter(reason.is_null()))
            if left is not None:
                left.write(table.append_column("reason", reason).filter(reason.is_valid()))
            reasons.update(reason.drop_null().to_pylist())
            sizes = pc.list_value_length(table["response_ids"]).to_pylist()
            shapes.update(zip(table["repeats"].to_pylist(), sizes, strict=True))
    return Summary(
        "filter",
        str(output),
        "prompts",
        rows_in=kept.rows + reasons.total(),
        rows_out=kept.rows,
        dropped=dict(reasons.most_common()),
        figures={"consistency_threshold": floor} if floor is not None else {},
        warnings=_warnings(shapes, min_w, min_consistency, floor),
    )


def _check(criteria: dict[str, float | None]) -> None:
    if all(value is None for value in criteria.values()):
        raise UsageError(
            "No criterion is given, so nothing would be filtered.",
            "Give one, such as --min-consistency 0.5 or --keep-top 0.5.",
        )
    for name, (low, high) in _RANGES.items():
        value = criteria[name]
        if value is not None and not low <= value <= high:
            option = "--" + name.replace("_", "-")
            raise UsageError(f"{option} {value:g} lies outside {low:g} to {high:g}.", f"{option} is a share or index.")


def _consistency_of_top(rankings: str | Path, share: float) -> float:
    """Return the consistency that the most consistent share of all rows reaches.

    Rows of unknown consistency count among all, and come last.
    """
    columns = [table["consistency"].to_numpy() for table in read(rankings, RANKINGS)]
    values = np.concatenate(columns).astype(np.float64)
    known = np.sort(values[~np.isnan(values)])[::-1]
    if not len(known):
        raise UsageError(
            f"No row of {rankings} has a consistency: it needs at least two complete rankings of a prompt.",
            "Judge with --repeats 2 or more, or with several judges; or filter by --min-position-consistency.",
        )
    return float(known[min(len(known), math.ceil(share * len(values))) - 1])


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
    rates = [
        (max(_chance(m, n, min_w, least) for least in (min_consistency, floor)), count, m, n)
        for (m, n), count in shapes.items()
        if m > 1 and n > 1
    ]
    total = sum(count for _, count, _, _ in rates)
    if not total or min_w is min_consistency is floor is None:
        return ()
    mean = sum(rate * count for rate, count, _, _ in rates) / total
    if mean < CHANCE_WORTH_A_WARNING:
        return ()
    _, _, repeats, candidates = max(rates, key=lambda rate: rate[1])
    return (
        f"A judge that flips coins would pass these thresholds for {mean:.0%} of the prompts "
        f"(most have {repeats} rankings of {candidates} candidates). More repeats or a higher threshold tell it apart.",
    )


def _chance(repeats: int, candidates: int, min_w: float | None, min_consistency: float | None) -> float:
    """Return how often a judge without any preference reaches both thresholds."""
    least_w = max(
        -math.inf if min_w is None else min_w,
        -math.inf if min_consistency is None else ((repeats - 1) * min_consistency + 1) / repeats,
    )
    return pass_rate_of_random_judge(repeats, candidates, least_w)
