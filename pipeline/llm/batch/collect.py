"""Collecting: the answers of a batch that has ended into the answer store, and a reason for each that is missing."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ..failures import CallError
from ..store import AnswerStore
from .calls import Caller
from .files import Reading
from .journal import Journal
from .records import Batch, OddLines
from .server import BatchServer, Remote

_COMMIT = 512


async def collect(
    batch: Batch, remote: Remote, caller: Caller, *, store: AnswerStore, journal: Journal
) -> dict[str, CallError]:
    """Put every answer into the store, mark the batch as collected, and return why the other requests have none.

    The answers are safe on disk before the mark is: who is killed in between collects again, which changes nothing.

    Args:
        batch: The batch, as the journal knows it.
        remote: The same, as its server sees it; it has ended.
        caller: What fetches its files.
        store: Where the answers go.
        journal: Where the batch is marked.

    Raises:
        CallError: A file cannot be had.
    """
    keys = journal.keys(batch.number)

    async def read(server: BatchServer) -> Reading:
        reading = Reading(keys)
        waiting = 0
        for file in remote.files:
            async for lines in server.lines(file):
                for line in lines:
                    if found := reading.take(line, remote.seconds):
                        # A batch tells nothing of single calls: all took as long as it did.
                        latency = remote.seconds or 0.0
                        store.put(found.answer.key, batch.model, batch.kept_at, found.raw, latency)
                        waiting += 1
                if waiting >= _COMMIT:
                    store.flush()
                    waiting = 0
        return reading

    reading = await caller.call(batch.address, read)
    store.flush()
    _make_durable(store.path)
    failures = reading.failures()
    odd = OddLines(reading.garbled, reading.foreign, reading.repeated)
    journal.collected(batch.number, remote.state, {key: failure.reason for key, failure in failures.items()}, odd)
    return failures


def _make_durable(path: Path) -> None:
    """Bring the store's log to the disk: what the journal calls collected must outlast a power cut, too."""
    with closing(sqlite3.connect(path, timeout=60)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
