"""The closing account of a chain of stages: what became of the prompts, and what a kept preference cost."""

from collections.abc import Sequence
from itertools import pairwise

from .llm.meter import Meter
from .summary import Figure, Summary


def summary_of(folder: str, summaries: Sequence[Summary], meters: Sequence[Meter]) -> Summary:
    """Return the summary of a whole run.

    Its money is that of this run (`spent`), and that of the same run had the answer store been empty (`cost`). A sum
    that leaves out calls of unknown price says so, and gives no cost of a preference.

    Args:
        folder: Where the tables went.
        summaries: One a stage, in order; each stage takes what the one before has left.
        meters: What the stages have asked.
    """
    uses = [use for meter in meters for use in meter.uses.values()]
    spent, saved = sum(use.spent for use in uses), sum(use.saved for use in uses)
    unpriced_sent = sum(use.unpriced_sent for use in uses)
    unpriced = unpriced_sent + sum(use.unpriced_from_store for use in uses)
    kept = next((summary.figures.get("preferences") for summary in summaries if summary.stage == "export"), None)
    figures: dict[str, Figure] = {
        "calls": sum(meter.done for meter in meters),
        "sent": sum(meter.sent for meter in meters),
        "from_store": sum(meter.stored for meter in meters),
        "failed": sum(meter.failed for meter in meters),
        "prompt_tokens": sum(use.prompt_tokens for use in uses),
        "completion_tokens": sum(use.completion_tokens for use in uses),
        "spent_usd": spent,
        "saved_usd": saved,
        "of_unknown_price": unpriced,
        "preferences": kept,
        "spent_per_preference_usd": _share(spent, kept, unpriced_sent),
        "cost_per_preference_usd": _share(spent + saved, kept, unpriced),
    }
    left = [*(summary.rows_in for summary in summaries), summaries[-1].rows_out]
    lost = {
        f"by {summary.stage}": before - after
        for summary, (before, after) in zip(summaries, pairwise(left), strict=True)
    }
    return Summary(
        "run",
        folder,
        summaries[0].unit,
        rows_in=left[0],
        rows_out=left[-1],
        dropped=lost,
        figures=figures,
        warnings=_warnings(unpriced, kept),
    )


def _share(money: float, kept: Figure, unpriced: int) -> float | None:
    return money / kept if isinstance(kept, int) and kept and not unpriced else None


def _warnings(unpriced: int, kept: Figure) -> tuple[str, ...]:
    if not unpriced:
        return ()
    calls = f"{unpriced:,} call{'s' * (unpriced != 1)}"
    left_out = ", and what a preference cost is not known" if kept else ""
    return (
        f"The price of {calls} is not known: the sums leave them out{left_out}. "
        "Give prompt_price and completion_price in prefpipe.toml.",
    )
