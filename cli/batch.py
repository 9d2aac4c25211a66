"""prefpipe batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .apps import Command, new_app
from .options import STORE, ResultJson, Store
from .terminal import show, show_json
from .text import aligned

if TYPE_CHECKING:
    from ..pipeline.batch import BatchState

Names = Annotated[
    list[str], typer.Argument(metavar="BATCH...", help="The names of batches, as `prefpipe batch status` shows them.")
]


def status(store: Store = STORE, json: ResultJson = False) -> None:
    """Show all batches: their models, requests, states and ages, and what to do next."""
    from ..pipeline import batch as stage

    _show(stage.status(store), as_json=json)


def collect(store: Store = STORE, json: ResultJson = False) -> None:
    """Put the answers of batches that have ended into the answer store."""
    from ..pipeline import batch as stage

    _show(stage.collect(store), as_json=json)


def cancel(batches: Names, store: Store = STORE, json: ResultJson = False) -> None:
    """Ask servers to cancel batches; answers that came before can still be collected."""
    from ..pipeline import batch as stage

    _show(stage.cancel(batches, store), as_json=json)


def forget(batches: Names, store: Store = STORE, json: ResultJson = False) -> None:
    """Forget batches that can no longer be collected; their requests will be sent, and paid for, again."""
    from ..pipeline import batch as stage

    _show(stage.forget(batches, store), as_json=json)


COMMANDS: dict[str, tuple[Command, str]] = {
    "status": (status, "prefpipe batch status"),
    "collect": (collect, "prefpipe batch collect"),
    "cancel": (cancel, "prefpipe batch cancel batch_123"),
    "forget": (forget, "prefpipe batch forget batch_123"),
}

app = new_app(
    "batch",
    COMMANDS,
    about="Show, collect, cancel or forget the batches that --batch has sent.",
    example="prefpipe batch status",
)


def _show(batches: Sequence["BatchState"], *, as_json: bool) -> None:
    if as_json:
        show_json(batches)
    else:
        show(_table(batches) if batches else "No batches.")


def _table(batches: Sequence["BatchState"]) -> list[str]:
    head = ("batch", "model", "requests", "done", "failed", "state", "age", "next")
    rows = [
        (
            *(batch.batch, batch.model, f"{batch.requests:,}", f"{batch.answered:,}", f"{batch.failed:,}"),
            *(batch.state, _age(batch.age), batch.next),
        )
        for batch in batches
    ]
    return aligned([head, *rows])


def _age(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"
