"""batch: the batches that are in the journal of an answer store: how far they are, and what can be done with them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import RunError, UsageError, did_you_mean
from .llm.batch.calls import Caller, stopped
from .llm.batch.collect import collect as collect_batch
from .llm.batch.journal import Journal
from .llm.batch.records import Address, Batch, BatchStep
from .llm.batch.server import Remote, Servers
from .llm.failures import CallError, UnreachableError
from .llm.store import DEFAULT_PATH, AnswerStore

_ENDED = frozenset({"completed", "expired", "cancelled"})
_AGAIN = "run its command again"


@dataclass(frozen=True)
class BatchState:
    """One batch, as its user sees it.

    Attributes:
        batch: The server's name for it; its tag where it has none yet.
        model: The model that it asks.
        server: The address of the server.
        requests: How many it holds.
        answered: How many of them have an answer so far.
        failed: How many of them have an error so far.
        state: What the server says of it, or how far it came before.
        age: Seconds since it was planned.
        next: What to do with it.
    """

    batch: str
    model: str
    server: str
    requests: int
    answered: int
    failed: int
    state: str
    age: float
    next: str


def status(
    store: str | Path = DEFAULT_PATH, *, servers: Servers | None = None, clock: Callable[[], float] = time.time
) -> list[BatchState]:
    """Return the state of all batches, asking the servers of those under way.

    Args:
        store: The answer store that the batches are for.
        servers: The servers; those that the journal names where none are given.
        clock: Tells the time, in seconds since 1970.
    """
    silent: dict[Address, str] = {}

    async def look(journal: Journal, caller: Caller) -> list[BatchState]:
        return [await _state(batch, journal, caller, silent, clock) for batch in journal.batches()]

    return _with_servers(store, servers, look) if _has_journal(store) else []


def collect(store: str | Path = DEFAULT_PATH, *, servers: Servers | None = None) -> list[BatchState]:
    """Put the answers of all batches that have ended into the answer store; return the state of these batches.

    Raises:
        RunError: A file cannot be had.
    """

    async def collect_all(journal: Journal, caller: Caller) -> list[BatchState]:
        collected = []
        with AnswerStore(store) as kept:
            for batch in _under_way(journal.batches()):
                try:
                    remote = await _look(batch, caller)
                    if remote.state in _ENDED:
                        await collect_batch(batch, remote, caller, store=kept, journal=journal)
                        collected.append(batch.number)
                except CallError as error:
                    raise stopped(batch.queue, error) from error
        return [_described(batch) for batch in journal.batches(collected)]

    return _with_servers(store, servers, collect_all) if _has_journal(store) else []


def cancel(
    names: Collection[str], store: str | Path = DEFAULT_PATH, *, servers: Servers | None = None
) -> list[BatchState]:
    """Ask servers to cancel batches; what was answered before can be collected.

    Args:
        names: The batches, as `status` names them.
        store: The answer store that they are for.
        servers: The servers; those that the journal names where none are given.

    Raises:
        UsageError: One is unknown, or is not at a server.
        RunError: A server refuses.
    """

    async def cancel_all(journal: Journal, caller: Caller) -> list[BatchState]:
        chosen = _chosen(journal, names)
        if missing := [batch for batch in chosen if batch not in _under_way(chosen)]:
            raise UsageError(f"The batch {_name(missing[0])} is not at a server.", "Nothing is left to be cancelled.")
        for batch in chosen:
            try:
                remote = await _cancel(batch, caller)
            except CallError as error:
                reason = error.reason.removesuffix(".")
                raise RunError(f"The batch {_name(batch)} cannot be cancelled: {reason}.") from error
            journal.seen(batch.number, remote.state, remote.answered, remote.failed)
        return [_described(batch) for batch in journal.batches({batch.number for batch in chosen})]

    return _with_servers(store, servers, cancel_all)


def forget(names: Collection[str], store: str | Path = DEFAULT_PATH) -> list[BatchState]:
    """Take batches out of the journal; what was not collected is asked, and paid, again.

    Raises:
        UsageError: One is unknown.
    """

    async def forget_all(journal: Journal, _: Caller) -> list[BatchState]:
        chosen = _chosen(journal, names)
        for batch in chosen:
            journal.drop(batch.number)
        return [_described(batch) for batch in chosen]

    return _with_servers(store, None, forget_all)


def _has_journal(store: str | Path) -> bool:
    return Journal.beside(store).path.exists()


def _with_servers(
    store: str | Path, servers: Servers | None, action: Callable[[Journal, Caller], Awaitable[list[BatchState]]]
) -> list[BatchState]:
    """Run an action with the journal of a store."""
    if not _has_journal(store):
        raise UsageError(f"There are no batches for the answer store {store}.", "Name another one with --store.")
    connected = servers or Servers()

    async def run() -> list[BatchState]:
        try:
            return await action(journal, Caller(connected))
        finally:
            await connected.close()

    with Journal.beside(store) as journal:
        return asyncio.run(run())


def _under_way(batches: Sequence[Batch]) -> list[Batch]:
    return [batch for batch in batches if batch.step is BatchStep.SUBMITTED]


def _chosen(journal: Journal, names: Collection[str]) -> list[Batch]:
    known = {_name(batch): batch for batch in journal.batches()}
    for name in names:
        if name not in known:
            raise UsageError(f"There is no batch {name} in {journal.path}.", did_you_mean(name, known))
    return [known[name] for name in names]


async def _look(batch: Batch, caller: Caller) -> Remote:
    return await caller.call(batch.address, lambda server: server.look(batch.batch_id or ""))


async def _cancel(batch: Batch, caller: Caller) -> Remote:
    return await caller.call(batch.address, lambda server: server.cancel(batch.batch_id or ""))


async def _state(
    batch: Batch, journal: Journal, caller: Caller, silent: dict[Address, str], clock: Callable[[], float]
) -> BatchState:
    """Return the state of a batch; a server that cannot be reached is tried once for all its batches."""
    if batch.step is not BatchStep.SUBMITTED:
        return _described(batch, clock)
    if batch.address in silent:
        return _described(batch, clock, silent[batch.address])
    try:
        remote = await _look(batch, caller)
    except CallError as error:
        unknown = f"its server does not tell: {error.reason}"
        if isinstance(error, UnreachableError):
            silent[batch.address] = unknown
        return _described(batch, clock, unknown)
    journal.seen(batch.number, remote.state, remote.answered, remote.failed)
    (seen,) = journal.batches({batch.number})
    return _described(seen, clock)


def _described(batch: Batch, clock: Callable[[], float] = time.time, what_next: str | None = None) -> BatchState:
    return BatchState(
        _name(batch),
        batch.model,
        batch.address.base_url,
        batch.requests,
        batch.answered,
        batch.failed,
        batch.step.value if batch.step is not BatchStep.SUBMITTED or batch.state is None else batch.state,
        clock() - batch.created,
        what_next or _next(batch),
    )


def _name(batch: Batch) -> str:
    return batch.batch_id or batch.tag


def _next(batch: Batch) -> str:
    match batch.step:
        case BatchStep.PLANNED:
            return f"interrupted before it was sent: {_AGAIN}"
        case BatchStep.CREATING:
            return f"interrupted while it was sent: {_AGAIN}"
        case BatchStep.COLLECTED if batch.failed:
            return f"{batch.failed:,} without an answer: {_AGAIN} to ask them anew"
        case BatchStep.COLLECTED:
            return "all done"
    if batch.state in _ENDED:
        return f"ended: {_AGAIN}, or `prefpipe batch collect`"
    if batch.state == "failed":
        return f"refused: {_AGAIN}, which tells why"
    return f"wait, or {_AGAIN} to wait with it"
