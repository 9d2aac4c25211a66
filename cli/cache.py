"""prefpipe cache: the answer store from outside."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .boundary import guarded
from .options import STORE, Json, Store
from .terminal import console, show, show_summary

if TYPE_CHECKING:
    from ..pipeline.cache import Contents, Holding, Month, Plan
    from ..pipeline.llm.prices import Money

app = typer.Typer(
    name="cache",
    help="Look into the answer store, remove answers, and share a paid run.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def contents(store: Store = STORE, json: Json = False) -> None:
    """Show what the store holds by model and server, what it cost, and what it saved."""
    import msgspec

    from ..pipeline.cache import show as look

    seen = look(store)
    typer.echo(msgspec.json.encode(seen).decode()) if json else show("\n".join(_lines(seen)))


def prune(
    older_than: Annotated[str | None, typer.Option(help="Answers that came longer ago: 12h, 90d, 8w.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Answers of this model; repeat for more.")] = None,
    keep: Annotated[
        list[Path] | None,
        typer.Option(help="Answers that did not go into these responses or votes; name every table that you need."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove them without asking.")] = False,
    store: Store = STORE,
    json: Json = False,
) -> None:
    """Remove the answers to which all the options apply; they would have to be paid again."""
    from ..pipeline.cache import plan_pruning
    from ..pipeline.cache import prune as remove

    plan = plan_pruning(store, older_than=older_than, models=model or (), keep=keep or ())
    console.print(_plan(plan), markup=False)
    if plan.answers and not yes and not typer.confirm("Remove them?", err=True):
        console.print("Nothing was removed.")
        return
    show_summary(remove(plan), as_json=json)


def export(
    file: Annotated[Path, typer.Argument(help="The export to write: .parquet.")],
    of: Annotated[
        list[Path] | None, typer.Option(help="Only the answers that went into these responses or votes; repeat.")
    ] = None,
    store: Store = STORE,
    json: Json = False,
) -> None:
    """Write answers into a file, so that a paid run can be shared and made again without asking anybody."""
    from ..pipeline.cache import export as write

    show_summary(write(store, file, of=of or ()), as_json=json)


def import_(
    file: Annotated[Path, typer.Argument(help="A file from `prefpipe cache export`, of somebody whom you trust.")],
    store: Store = STORE,
    json: Json = False,
) -> None:
    """Take the answers of an export into the store; what it holds stays as it is."""
    from ..pipeline.cache import import_ as take

    show_summary(take(store, file), as_json=json)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "show": (contents, "prefpipe cache show"),
    "prune": (prune, "prefpipe cache prune --older-than 90d --keep responses.parquet --keep votes.parquet"),
    "export": (export, "prefpipe cache export run.parquet --of responses.parquet --of votes.parquet"),
    "import": (import_, "prefpipe cache import run.parquet"),
}

for name, (command, example) in COMMANDS.items():
    app.command(name, epilog=f"Example: {example}")(guarded(command))


def _plan(plan: "Plan") -> str:
    share = f"{plan.answers:,} of {plan.held:,} answers"
    return f"{share} would be removed: {_bytes(plan.size)}, which cost {_money(plan.cost)}."


def _lines(seen: "Contents") -> Iterator[str]:
    answers = sum(holding.answers for holding in seen.holdings)
    yield f"{seen.store}: {answers:,} answers, {_bytes(seen.size)} on the disk"
    if seen.holdings:
        yield ""
        yield from _table(
            ("model", "server", "answers", "prompt tokens", "completion tokens", "cost", "hits", "saved", "from", "to"),
            [_holding(holding) for holding in seen.holdings],
        )
    if seen.months:
        yield ""
        yield from _table(("runs of", "sent", "from store", "spent", "saved"), [_month(month) for month in seen.months])
    if any(holding.cost.unknown for holding in seen.holdings):
        yield ""
        yield "? stands for a price that is not known; prefpipe.toml can give it."


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


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield aligned lines: texts to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    left = {"model", "server", "runs of"}
    for row in (head, *rows):
        cells = (
            f"{cell:<{width}}" if name in left else f"{cell:>{width}}"
            for name, cell, width in zip(head, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _money(money: "Money") -> str:
    """Return US dollars; "?" where nothing is known, and a "+ ?" behind a sum that leaves something out."""
    if money.unknown and not money.known:
        return "?"
    return f"${money.known:,.{2 if money.known >= 1 or not money.known else 6}f}{' + ?' if money.unknown else ''}"


def _bytes(size: int) -> str:
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
