"""prefpipe batch."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .boundary import guarded
from .options import STORE, Json, Store
from .terminal import show

if TYPE_CHECKING:
    from ..pipeline.batch import BatchState

Names = Annotated[list[str], typer.Argument(metavar="BATCH...", help="Batches, as `prefpipe batch status` names them.")]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Show, collect, cancel or forget the batches that --batch has sent.",
    epilog="Example: prefpipe batch status",
)


def status(store: Store = STORE, json: Json = False) -> None:
    """Show all batches: their models, requests, states and ages, and what to do next."""
    from ..pipeline.batch import status as look

    _show(look(store), as_json=json)


def collect(store: Store = STORE, json: Json = False) -> None:
    """Put the answers of batches that have ended into the answer store."""
    from ..pipeline.batch import collect as bring_in

    _show(bring_in(store), as_json=json)


def cancel(batches: Names, store: Store = STORE, json: Json = False) -> None:
    """Ask servers to cancel batches; what was answered before can be collected."""
    from ..pipeline.batch import cancel as call_off

    _show(call_off(batches, store), as_json=json)


def forget(batches: Names, store: Store = STORE, json: Json = False) -> None:
    """Forget batches that cannot be collected any more; their requests will be asked, and paid, again."""
    from ..pipeline.batch import forget as give_up

    _show(give_up(batches, store), as_json=json)


for command in (status, collect, cancel, forget):
    app.command()(guarded(command))


def _show(batches: Sequence["BatchState"], *, as_json: bool) -> None:
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode([asdict(batch) for batch in batches]).decode())
    elif not batches:
        show("No batches.")
    else:
        show(_table(batches))


def _table(batches: Sequence["BatchState"]) -> str:
    head = ("batch", "model", "requests", "done", "failed", "state", "age")
    lines = [head] + [
        (
            *(batch.batch, batch.model, f"{batch.requests:,}", f"{batch.answered:,}", f"{batch.failed:,}"),
            *(batch.state, _age(batch.age)),
        )
        for batch in batches
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    rows = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines]
    notes = ["next", *(batch.next for batch in batches)]
    return "\n".join(f"{row}  {note}" for row, note in zip(rows, notes, strict=True))


def _age(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"
