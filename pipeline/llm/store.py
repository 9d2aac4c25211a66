"""The answer store: every answer that was paid for, under the key of its request, safe against a killed process.

It is cache, journal and resume in one: a run asks only for keys that it does not hold. SQLite in WAL mode with group
commits loses no committed answer when its process is killed, and serves several processes at once. Beside the answers
stands what each run asked and what the store saved it, one row for each model, written when the run ends.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ..errors import RunError
from .database import BUSY, DatabaseKind, open_database, transaction
from .meter import ModelSpend

DEFAULT_PATH = Path(".prefpipe/answers.db")
_LOOKUP = 256
_REMOVED_AT_ONCE = 10_000
_BUSY_BRIEFLY = 1_000

_ANSWERS = """
CREATE TABLE answers (
    key BLOB PRIMARY KEY,
    model TEXT NOT NULL,
    base_url TEXT NOT NULL,
    created INTEGER NOT NULL,
    latency REAL NOT NULL,
    raw BLOB NOT NULL
)
"""

_RUNS = """
CREATE TABLE runs (
    run INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    stage TEXT NOT NULL,
    model TEXT NOT NULL,
    base_url TEXT NOT NULL,
    sent INTEGER NOT NULL,
    from_store INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    spent REAL NOT NULL,
    saved REAL NOT NULL,
    unpriced_sent INTEGER NOT NULL,
    unpriced_from_store INTEGER NOT NULL
)
"""

# Formats only add tables: a process of an older prefpipe that is still running on the file goes on keeping its answers.
_KIND = DatabaseKind("answer store", 0x70667031, (_ANSWERS, _RUNS), synchronous="NORMAL")

_INSERT = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)"
_REPLACE = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)"


class Stored(NamedTuple):
    """A kept answer: what the server sent, and the seconds it took."""

    raw: bytes
    latency: float


class Kept(NamedTuple):
    """All that is kept of an answer.

    Attributes:
        key: The request's, in hex digits.
        model: Who was asked, as it stood in tables.
        base_url: What stands for the model's servers.
        created: When it arrived, in seconds since 1970.
        latency: The seconds it took.
        raw: What the server sent.
    """

    key: str
    model: str
    base_url: str
    created: int
    latency: float
    raw: bytes


class Run(NamedTuple):
    """One model's part in one run.

    Attributes:
        run: The run's number; it has a row for each model that it asked.
        ended: When it ended, in seconds since 1970.
        stage: The command.
        use: What it asked.
    """

    run: int
    ended: int
    stage: str
    use: ModelSpend


@dataclass(frozen=True)
class Selection:
    """The answers to which all of this applies; without any of it, all answers.

    Attributes:
        before: They arrived before this time, in seconds since 1970.
        models: They are of one of these models; of any where there is none.
        marked: They are the answers to marked requests, or they are not; either where it is None.
    """

    before: int | None = None
    models: tuple[str, ...] = ()
    marked: bool | None = None


ALL = Selection()


def _condition(selection: Selection) -> tuple[str, list[int | str]]:
    """Return a selection as SQL, and the values for its places."""
    parts, values = ["1"], list[int | str]()
    if selection.before is not None:
        parts.append("created < ?")
        values.append(selection.before)
    if selection.models:
        parts.append(f"model IN ({','.join('?' * len(selection.models))})")
        values.extend(selection.models)
    if selection.marked is not None:
        parts.append("key IN (SELECT key FROM marked)" if selection.marked else "key NOT IN (SELECT key FROM marked)")
    return " AND ".join(parts), values


class AnswerStore:
    """Answers on disk. Use as a context manager; leaving it commits what waits."""

    def __init__(self, path: str | Path = DEFAULT_PATH) -> None:
        """Take the path of the database; it is made when it does not exist."""
        self.path = Path(path)
        self._waiting: list[tuple[bytes, str, str, int, float, bytes]] = []
        self._replacing: list[tuple[bytes, str, str, int, float, bytes]] = []

    def __enter__(self) -> Self:
        self._database = open_database(self.path, _KIND)
        return self

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Commit all that happens inside, or nothing of it, with an error that its user can act on."""
        try:
            with transaction(self._database):
                yield
        except sqlite3.Error as error:
            raise RunError(
                f"Answers cannot be kept in {self.path}: {error}.", "Is the disk full, or the file in use elsewhere?"
            ) from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RunError(
                f"The answer store {self.path} cannot be read: {error}.",
                "If it is damaged, export what can be read, or go back to a copy.",
            ) from error

    def get(self, keys: Sequence[str]) -> dict[str, Stored]:
        """Return the answers that are held of those wanted, by key."""
        found: dict[str, Stored] = {}
        for start in range(0, len(keys), _LOOKUP):
            wanted = [bytes.fromhex(key) for key in keys[start : start + _LOOKUP]]
            places = ",".join("?" * len(wanted))
            query = f"SELECT key, raw, latency FROM answers WHERE key IN ({places})"  # noqa: S608 - only places
            found.update(
                (key.hex(), Stored(raw, latency)) for key, raw, latency in self._database.execute(query, wanted)
            )
        return found

    def put(self, key: str, model: str, base_url: str, raw: bytes, latency: float, *, replace: bool = False) -> None:
        """Take an answer; it is on disk after the next `flush`. One that is held already stays, unless told to go."""
        waiting = self._replacing if replace else self._waiting
        waiting.append((bytes.fromhex(key), model, base_url, int(time.time()), latency, raw))

    def flush(self) -> None:
        """Commit what waits.

        Raises:
            RunError: The disk is full, or another process holds the store for longer than a minute.
        """
        if not (self._waiting or self._replacing):
            return
        with self._writing():
            self._database.executemany(_INSERT, self._waiting)
            self._database.executemany(_REPLACE, self._replacing)
        self._waiting.clear()
        self._replacing.clear()

    def record_run(self, stage: str, uses: Iterable[ModelSpend]) -> None:
        """Note what a run asked of its models and what the store saved it; call it once, when the run ends.

        Args:
            stage: The command.
            uses: What it asked; models that were not asked leave no trace.

        Raises:
            RunError: It cannot be written.
        """
        if not (asked := [use for use in uses if use.sent or use.from_store]):
            return
        with self._writing():
            number = self._database.execute("SELECT coalesce(max(run), 0) + 1 FROM runs").fetchone()[0]
            self._database.executemany(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(number, int(time.time()), stage, *astuple(use)) for use in asked],
            )

    def runs(self) -> list[Run]:
        """Return what was noted of all runs, oldest first."""
        with self._reading():
            rows = self._database.execute("SELECT * FROM runs ORDER BY rowid")
            return [Run(run, ended, stage, ModelSpend(*use)) for run, ended, stage, *use in rows]

    def mark(self, keys: Iterable[str]) -> int:
        """Mark requests, for `answers` and `Selection`, until the store is closed; return how many are marked.

        The marks stand in a temporary table, so that they may be millions.
        """
        with self._reading(), transaction(self._database, "DEFERRED"):
            self._database.execute("CREATE TEMP TABLE IF NOT EXISTS marked (key BLOB PRIMARY KEY) WITHOUT ROWID")
            self._database.executemany("INSERT OR IGNORE INTO marked VALUES (?)", ((bytes.fromhex(k),) for k in keys))
            return int(self._database.execute("SELECT count(*) FROM marked").fetchone()[0])

    def answers(self, selection: Selection = ALL) -> Iterator[Kept]:
        """Yield the answers of a selection in the order of their arrival."""
        where, values = _condition(selection)
        columns = "key, model, base_url, created, latency, raw"
        with self._reading():
            query = f"SELECT {columns} FROM answers WHERE {where} ORDER BY rowid"  # noqa: S608
            for key, *rest in self._database.execute(query, values):
                yield Kept(key.hex(), *rest)

    def models(self) -> dict[str, int]:
        """Return how many answers each model has."""
        with self._reading():
            return dict(self._database.execute("SELECT model, count(*) FROM answers GROUP BY model ORDER BY model"))

    def add(self, answers: Iterable[Kept]) -> Counter[str]:
        """Take answers from another store, all or none; what is held stays as it is.

        Returns:
            How many were "new", how many were "known" (the same bytes), and how many were "conflicting" (others).

        Raises:
            RunError: They cannot be written.
        """
        counts: Counter[str] = Counter()
        with self._writing():
            for kept in answers:
                key = bytes.fromhex(kept.key)
                if self._database.execute(_INSERT, (key, *kept[1:])).rowcount:
                    counts["new"] += 1
                    continue
                held = self._database.execute("SELECT raw FROM answers WHERE key = ?", (key,)).fetchone()[0]
                counts["known" if held == kept.raw else "conflicting"] += 1
        return counts

    def remove(self, selection: Selection) -> int:
        """Remove the answers of a selection; return how many there were.

        They go in parts, so that a run that uses the store meanwhile never waits long.

        Raises:
            RunError: The file cannot be written.
        """
        where, values = _condition(selection)
        part = f"SELECT rowid FROM answers WHERE rowid > ? AND {where} ORDER BY rowid LIMIT {_REMOVED_AT_ONCE}"  # noqa: S608
        removed, last = 0, 0
        while True:
            with self._writing():
                rows = self._database.execute(part, [last, *values]).fetchall()
                self._database.executemany("DELETE FROM answers WHERE rowid = ?", rows)
            if not rows:
                return removed
            removed += len(rows)
            (last,) = rows[-1]

    def compact(self) -> str | None:
        """Give the space of removed answers back to the disk; return why not, where that is not possible now.

        It may take longer than a run in another process can wait, so it is not done beside one.
        """
        try:
            self._database.execute(f"PRAGMA busy_timeout={_BUSY_BRIEFLY}")
            # Leaving WAL mode is possible only where no other process has the store open.
            self._database.execute("PRAGMA journal_mode=DELETE")
            self._database.execute("VACUUM")
        except sqlite3.OperationalError as error:
            return str(error)
        finally:
            self._database.execute(f"PRAGMA busy_timeout={BUSY}")
            with suppress(sqlite3.OperationalError):
                # Whoever opened the store meanwhile has done this already.
                self._database.execute("PRAGMA journal_mode=WAL")
        return None

    def size(self) -> int:
        """Return the bytes that the store takes on the disk."""
        files = [self.path.with_name(self.path.name + ending) for ending in ("", "-wal", "-shm")]
        return sum(file.stat().st_size for file in files if file.exists())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self._database.close()
