"""The journal of batches: what is handed to a server, written down before and after, so that no batch is lost.

A batch goes through steps, each of them on disk before the next begins:

    planned ─▶ creating ─▶ submitted ─▶ collected

A killed process leaves a batch in one of them. Planned: the server may hold a file, which costs nothing, but no batch.
Creating: the server may hold a batch, known by its file and its tag. Submitted: the server holds it. In each case the
keys of its requests are known, which is what a later run asks by, whatever its output is called.
"""

import asyncio
import fcntl
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...errors import RunError
from ..database import DatabaseKind, open_database, transaction
from ..models import Model
from .records import NO_ODD_LINES, Address, Batch, BatchStep, OddLines

_LOOKUP = 256
_TURN_SECONDS = 0.2

_SCHEMA = """
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tag TEXT NOT NULL,
    model TEXT NOT NULL,
    base_url TEXT NOT NULL,
    key_variable TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    kept_at TEXT NOT NULL,
    requests INTEGER NOT NULL,
    created REAL NOT NULL,
    step TEXT NOT NULL,
    file_id TEXT,
    batch_id TEXT,
    state TEXT,
    answered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    garbled INTEGER NOT NULL DEFAULT 0,
    foreign_lines INTEGER NOT NULL DEFAULT 0,
    repeated INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE requests (
    key BLOB NOT NULL,
    batch INTEGER NOT NULL REFERENCES batches (number),
    error TEXT,
    PRIMARY KEY (key, batch)
) WITHOUT ROWID;
CREATE INDEX requests_of_batch ON requests (batch);
"""

# A batch is thousands of paid answers: its few commits are worth a disk's full attention.
_KIND = DatabaseKind("journal of batches", 0x70667062, (_SCHEMA,), synchronous="FULL")


class Journal:
    """Batches and their requests on disk. Use as a context manager. Every method has committed when it returns."""

    def __init__(self, path: str | Path) -> None:
        """Take the path of the database; it is made when it does not exist."""
        self.path = Path(path)

    @classmethod
    def beside(cls, store: str | Path) -> Self:
        """Return the journal that belongs to an answer store: `answers.batches.db` for `answers.db`."""
        return cls(Path(store).with_suffix(".batches.db"))

    def __enter__(self) -> Self:
        self._database = open_database(self.path, _KIND)
        return self

    def _write(self, *statements: tuple[str, Sequence[Any]]) -> None:
        try:
            with transaction(self._database):
                for statement, values in statements:
                    self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> RunError:
        return RunError(
            f"The journal of batches {self.path} cannot be written: {error}.",
            "Is the disk full, or the file in use elsewhere?",
        )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until no other process submits batches from this journal, and keep others waiting meanwhile.

        The turn of a killed process ends with it: a batch found on its way inside a turn has nobody who cares for it.
        """
        with self.path.with_suffix(".lock").open("ab") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(_TURN_SECONDS)
                else:
                    break
            yield

    def plan(self, model: Model, keys: Collection[str]) -> Batch:
        """Write down that these requests are about to be submitted together."""
        tag = secrets.token_hex(8)
        try:
            with transaction(self._database):
                number = self._database.execute(
                    "INSERT INTO batches (tag, model, base_url, key_variable, simulated, kept_at, requests, created, "
                    "step) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(tag, model.name, model.base_url, model.key_variable, model.simulated, model.address),
                        *(len(keys), time.time(), BatchStep.PLANNED),
                    ),
                ).lastrowid
                rows = ((bytes.fromhex(key), number) for key in keys)
                self._database.executemany("INSERT INTO requests (key, batch) VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise self._failure(error) from error
        assert number is not None  # noqa: S101 - SQLite numbers every row it inserts
        (planned,) = self.batches([number])
        return planned

    def creating(self, number: int, file_id: str) -> None:
        """Write down that the file is on the server, and that the batch is about to be created from it."""
        change = "UPDATE batches SET step = ?, file_id = ? WHERE number = ?"
        self._write((change, (BatchStep.CREATING, file_id, number)))

    def submitted(self, number: int, batch_id: str, state: str) -> None:
        """Write down that the server holds the batch."""
        change = "UPDATE batches SET step = ?, batch_id = ?, state = ? WHERE number = ?"
        self._write((change, (BatchStep.SUBMITTED, batch_id, state, number)))

    def seen(self, number: int, state: str, answered: int, failed: int) -> None:
        """Write down what the server says of the batch."""
        change = "UPDATE batches SET state = ?, answered = ?, failed = ? WHERE number = ?"
        self._write((change, (state, answered, failed, number)))

    def collected(self, number: int, state: str, failures: Mapping[str, str], odd: OddLines = NO_ODD_LINES) -> None:
        """Write down that all answers are in the answer store, and why the other requests have none."""
        errors = "UPDATE requests SET error = ? WHERE key = ? AND batch = ?"
        reasons = ((errors, (reason, bytes.fromhex(key), number)) for key, reason in failures.items())
        change = (
            "UPDATE batches SET step = ?, state = ?, failed = ?, answered = requests - ?, garbled = ?, "
            "foreign_lines = ?, repeated = ? WHERE number = ?"
        )
        self._write(*reasons, (change, (BatchStep.COLLECTED, state, len(failures), len(failures), *odd, number)))

    def drop(self, number: int) -> None:
        """Forget a batch; its requests are as if they had never been submitted."""
        self._write(
            ("DELETE FROM requests WHERE batch = ?", (number,)),
            ("DELETE FROM batches WHERE number = ?", (number,)),
        )

    def holders(self, keys: Sequence[str]) -> dict[str, int]:
        """Return, by key, the number of the batch that is going to give the answer."""
        found: dict[str, int] = {}
        for start in range(0, len(keys), _LOOKUP):
            wanted = [bytes.fromhex(key) for key in keys[start : start + _LOOKUP]]
            places = ",".join("?" * len(wanted))
            rows = self._database.execute(
                "SELECT key, number FROM requests JOIN batches ON number = batch "  # noqa: S608 - only places
                f"WHERE key IN ({places}) AND step <> 'collected' ORDER BY number",
                wanted,
            )
            found.update((key.hex(), number) for key, number in rows)
        return found

    def keys(self, number: int) -> set[str]:
        """Return the keys of a batch's requests."""
        rows = self._database.execute("SELECT key FROM requests WHERE batch = ?", (number,))
        return {key.hex() for (key,) in rows}

    def batches(self, numbers: Collection[int] | None = None) -> list[Batch]:
        """Return all batches, or those of some numbers that are not forgotten, the oldest first."""
        columns = (
            "number, tag, model, base_url, key_variable, simulated, kept_at, requests, created, step, file_id, "
            "batch_id, state, answered, failed, garbled, foreign_lines, repeated"
        )
        rows = self._database.execute(f"SELECT {columns} FROM batches ORDER BY number")  # noqa: S608 - ours
        return [_batch(*row) for row in rows if numbers is None or row[0] in numbers]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()


def _batch(
    number: int, tag: str, model: str, url: str, variable: str, simulated: int, kept_at: str, *rest: Any
) -> Batch:
    requests, created, step, file_id, batch_id, state, answered, failed, *odd = rest
    address = Address(url, variable, bool(simulated))
    known = (file_id, batch_id, state, answered, failed, OddLines(*odd))
    return Batch(number, tag, model, address, kept_at, requests, created, BatchStep(step), *known)
