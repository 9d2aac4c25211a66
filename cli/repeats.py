"""prefpipe repeats."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Criterion, ResultJson
from .terminal import show, show_json, show_warnings
from .text import aligned

if TYPE_CHECKING:
    from ..pipeline.repeats import RepeatPlan


def repeats(
    votes: Annotated[Path, typer.Argument(help="Votes of a pilot: prompts that were judged at least twice.")],
    reliability: Annotated[float, typer.Option(help="The target reliability, between 0 and 1.")] = 0.9,
    judge: Annotated[str | None, typer.Option(help="Use only the votes of this judge.")] = None,
    criterion: Criterion = None,
    min_w: Annotated[
        float | None, typer.Option(help="Show how often a coin-flipping judge would reach this Kendall's W.")
    ] = None,
    up_to: Annotated[int, typer.Option(help="The largest number of repeats to show (at most 10,000).")] = 10,
    seed: Annotated[int, typer.Option(help="Random seed for the intervals, which come from resampling prompts.")] = 0,
    json: ResultJson = False,
) -> None:
    """Estimate from a pilot how many repeats a target reliability needs, and how many calls they take."""
    from ..pipeline import repeats as stage

    plan = stage(votes, reliability=reliability, judge=judge, criterion=criterion, min_w=min_w, up_to=up_to, seed=seed)
    show_json(plan) if json else show(lines_of(plan))
    show_warnings(plan.warnings)


def lines_of(plan: "RepeatPlan") -> Iterator[str]:
    """Yield a plan as lines of text: the answer, and a table."""
    answer = "No number of repeats is expected to reach"
    if plan.repeats is not None:
        count, verb = ("repeat", "is") if plan.repeats == 1 else ("repeats", "are")
        answer = f"{plan.repeats:,} {count}{_range(plan)} {verb} expected to reach"
    whose = f"each of {plan.prompts:,} prompts" if plan.prompts > 1 else "one prompt"
    yield (
        f"One ranking has a reliability of {plan.reliability:.2f}{_interval(plan.low, plan.high)}, "
        f"from {plan.rankings:.1f} rankings of {whose}."
    )
    if plan.left_out:
        count, verb = ("prompt has", "is") if plan.left_out == 1 else ("prompts have", "are")
        yield f"{plan.left_out:,} {count} fewer than two, and {verb} left out."
    yield f"{answer} a reliability of {plan.wanted:.15g}."
    yield ""
    header = ["repeats", "reliability", "95 % interval", "with infinitely many", "calls per prompt", _calls(plan)]
    rows = [
        [
            str(step.repeats),
            f"{step.reliability:.2f}",
            _interval(step.low, step.high).strip(" ()") or "-",
            f"{step.correlation:.2f}",
            f"{step.calls_a_prompt:,.2f}".removesuffix(".00"),
            f"{step.calls:,}",
        ]
        for step in plan.steps
    ]
    if plan.min_w is not None:
        header.append(f"W ≥ {plan.min_w:.15g} by chance")
        for row, step in zip(rows, plan.steps, strict=True):
            row.append("-" if step.passed_by_chance is None else f"{step.passed_by_chance:.1%}")
    yield from aligned([header, *rows], left=())


def _calls(plan: "RepeatPlan") -> str:
    prompts = plan.prompts + plan.left_out
    return f"calls for {prompts:,} prompt{'s' * (prompts != 1)}"


def _range(plan: "RepeatPlan") -> str:
    if plan.low is None or plan.fewest == plan.most:
        return ""
    return f" ({plan.fewest:,} {'or more' if plan.most is None else f'to {plan.most:,}'})"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
