"""prefpipe cache: what the answer store holds, and how to prune and share it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .apps import Command, new_app
from .options import STORE, Json, ResultJson, Store
from .terminal import say, show, show_json, show_summary
from .text import aligned, money

if TYPE_CHECKING:
    from ..pipeline.cache import Contents, Holding, Month, Plan
    from ..pipeline.llm.prices import Money


def contents(store: Store = STORE, json: ResultJson = False) -> None:
    """Show what the store holds by model and server, what it cost, and what it saved."""
    from ..pipeline import cache as stage

    seen = stage.show(store)
    show_json(seen) if json else show(_lines(seen))


def prune(
    older_than: Annotated[str | None, typer.Option(help="Remove only answers older than this: 12h, 90d, 8w.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Remove only answers of this model; repeat for more.")] = None,
    keep: Annotated[
        list[Path] | None, typer.Option(help="Keep the answers behind these responses or votes; repeat for more.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove them without asking.")] = False,
    store: Store = STORE,
    json: Json = False,
) -> None:
    """Remove the answers that match all the options given; asking for them again costs money again."""
    from ..pipeline import cache as stage

    plan = stage.plan_pruning(store, older_than=older_than, models=model or (), keep=keep or ())
    say(_plan(plan))
    if plan.answers and not yes and not typer.confirm("Remove them?", err=True):
        say("Nothing was removed.")
        return
    show_summary(stage.prune(plan), as_json=json)


def export(
    file: Annotated[Path, typer.Argument(help="The file to write: .parquet.")],
    of: Annotated[
        list[Path] | None, typer.Option(help="Only the answers behind these responses or votes; repeat for more.")
    ] = None,
    store: Store = STORE,
    json: Json = False,
) -> None:
    """Write answers to a file, so that others can repeat a paid run without sending any call."""
    from ..pipeline import cache as stage

    show_summary(stage.export(store, file, of=of or ()), as_json=json)


def import_(
    file: Annotated[Path, typer.Argument(help="A file from `prefpipe cache export`, made by somebody you trust.")],
    store: Store = STORE,
    json: Json = False,
) -> None:
    """Add the answers of an export to the store; answers that it already holds stay as they are."""
    from ..pipeline import cache as stage

    show_summary(stage.import_(store, file), as_json=json)


COMMANDS: dict[str, tuple[Command, str]] = {
    "show": (contents, "prefpipe cache show"),
    "prune": (prune, "prefpipe cache prune --older-than 90d --keep responses.parquet --keep votes.parquet"),
    "export": (export, "prefpipe cache export run.parquet --of responses.parquet --of votes.parquet"),
    "import": (import_, "prefpipe cache import run.parquet"),
}

app = new_app(
    "cache",
    COMMANDS,
    about="Show and prune the answer store, and share a paid run.",
    example="prefpipe cache show",
)


def _plan(plan: "Plan") -> str:
    share = f"{plan.answers:,} of {plan.held:,} answers"
    return f"{share} would be removed: {_bytes(plan.size)}, which cost {_money(plan.cost)}."


_HOLDINGS = ("model", "server", "answers", "prompt tokens", "completion tokens", "cost", "hits", "saved", "from", "to")
_MONTHS = ("runs of", "sent", "from store", "spent", "saved")


def _lines(seen: "Contents") -> Iterator[str]:
    answers = sum(holding.answers for holding in seen.holdings)
    yield f"{seen.store}: {answers:,} answers, {_bytes(seen.size)} on the disk"
    if seen.holdings:
        yield ""
        yield from aligned([_HOLDINGS, *map(_holding, seen.holdings)], left={0, 1})
    if seen.months:
        yield ""
        yield from aligned([_MONTHS, *map(_month, seen.months)], left={0})
    if any(holding.cost.unknown for holding in seen.holdings):
        yield ""
        yield "? stands for an unknown price; prefpipe.toml can give it."


def _holding(holding: "Holding") -> tuple[str, ...]:
    return (
        holding.model,
        holding.base_url,
        f"{holding.answers:,}",
        f"{holding.prompt_tokens:,}",
        f"{holding.completion_tokens:,}",
        _money(holding.cost),
        f"{holding.hits:,}",
        _money(holding.saved),
        f"{holding.oldest:%Y-%m-%d}" if holding.oldest else "",
        f"{holding.newest:%Y-%m-%d}" if holding.newest else "",
    )


def _month(month: "Month") -> tuple[str, ...]:
    return month.month, f"{month.sent:,}", f"{month.hits:,}", _money(month.spent), _money(month.saved)


def _money(total: "Money") -> str:
    """Return US dollars; "?" where nothing is known, and a "+ ?" behind a sum that leaves something out."""
    if total.unknown and not total.known:
        return "?"
    return f"{money(total.known)}{' + ?' if total.unknown else ''}"


def _bytes(size: int) -> str:
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
