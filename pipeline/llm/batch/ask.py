"""Asking through batches: the same requests as calls one by one, at half the price, answered within a day.

    requests ─▶ answer store? ─▶ spool ─▶ files ─▶ batches ─▶ answer store ─▶ answers, in order

Nothing is sent before all requests have been read. What comes back lands in the answer store under the keys of the
requests; what is missing, late or failed in passing goes into a further batch. At the end the answers are read from the
store, in the order of the requests, as they would be had they been calls.
"""

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from ...errors import UsageError
from ...tables import Status
from ..answers import Answer, read_answer
from ..bounds import Bounds
from ..meter import Meter
from ..prices import BATCH_SHARE
from ..requests import Request
from ..store import AnswerStore
from .calls import Caller
from .files import FileLimits
from .journal import Journal
from .progress import Progress
from .records import Batch
from .rounds import Rounds
from .server import Servers
from .spool import Entry, Spool
from .submit import Submitter

About = TypeVar("About")

ATTEMPTS = 3
POLL_SECONDS = 60.0

_CHUNK = 256
UNBOUNDED = Bounds()


def ask_in_batches(
    requests: Iterable[tuple[About, Request]],
    *,
    store: AnswerStore,
    journal: Journal,
    meter: Meter,
    bounds: Bounds = UNBOUNDED,
    limits: FileLimits | None = None,
    attempts: int = ATTEMPTS,
    poll_seconds: float = POLL_SECONDS,
    wait: bool = True,
    on_wait: Callable[[Sequence[Batch]], None] | None = None,
    servers: Servers | None = None,
) -> Generator[tuple[About, Answer], None, None]:
    """Yield the answer to each request beside what the request is about, in the order of the requests.

    A request whose answer the store holds is not sent, nor is one that a batch of an earlier run holds: that batch is
    waited for. A request that fails for good gives an answer of status "error".

    Args:
        requests: What each is about, which stays in memory, and what to send. All are drawn before any is sent.
        store: Where answers are looked up and kept.
        journal: Where batches are written down.
        meter: Counts what happens; `in_flight` are the requests in batches under way.
        bounds: Where the run stops by itself, when the batches under way have come back.
        limits: What one batch may hold.
        attempts: The most batches that one request goes into.
        poll_seconds: The longest pause between two looks at the batches; the first ones are shorter.
        wait: Whether to wait for batches.
        on_wait: Told of the batches under way, before each pause.
        servers: The servers; those that the requests name where none are given.

    Raises:
        UsageError: A batch may hold nothing, or a request may go into none.
        RunError: A server takes no batches, a batch failed as a whole, or a bound is reached. What was answered before
            is kept.
        WaitingError: Batches are under way, and are not to be waited for.
    """
    limits = limits or FileLimits()
    if min(limits.requests, limits.bytes, attempts) < 1:
        raise UsageError(
            f"With {limits.requests} requests and {limits.bytes} bytes a batch, and {attempts} batches a request, "
            "nothing is asked.",
            "Allow at least one of each.",
        )
    servers = servers or Servers()
    caller = Caller(servers)
    progress = Progress(bounds, attempts)
    submitter = Submitter(caller, store, journal, limits, progress)
    rounds = Rounds(caller, submitter, store, journal, meter, progress, poll_seconds, on_wait)
    with Spool[About](journal.path.parent) as spool:
        _set_aside(requests, spool, store)
        with asyncio.Runner() as runner:
            try:
                runner.run(rounds.run(lambda: _unanswered(spool), wait=wait))
            finally:
                meter.in_flight = 0
                runner.run(servers.close())
                store.flush()
        yield from _answers(spool, store, progress.given_up, meter)


def _set_aside(requests: Iterable[tuple[About, Request]], spool: Spool[About], store: AnswerStore) -> None:
    """Write all requests to disk, with what they are about; of those that are answered, the body is not needed."""
    drawn = iter(requests)
    while chunk := list(islice(drawn, _CHUNK)):
        held = store.get([request.key for _, request in chunk])
        spool.add(
            [
                Entry(about, replace(request, body=b""), stored=True)
                if request.key in held
                else Entry(about, request, stored=False)
                for about, request in chunk
            ]
        )


def _unanswered(spool: Spool[About]) -> Iterator[list[Request]]:
    for chunk in spool.chunks():
        yield [entry.request for entry in chunk if not entry.stored]


def _answers(
    spool: Spool[About], store: AnswerStore, given_up: dict[str, str], meter: Meter
) -> Iterator[tuple[About, Answer]]:
    for chunk in spool.chunks():
        held = store.get([entry.request.key for entry in chunk])
        for entry in chunk:
            key = entry.request.key
            if found := held.get(key):
                answer = read_answer(key, found.raw, found.latency)
                model, usage = entry.request.model, answer.usage
                cost = (
                    meter.count_from_store(model, usage)
                    if entry.stored
                    else meter.count_sent(model, usage, BATCH_SHARE)
                )
                answer = replace(answer, cost=cost)
            else:
                answer = Answer(key, Status.ERROR, error=given_up[key])
            meter.count_done(entry.request.model, answer.status)
            yield entry.about, answer
