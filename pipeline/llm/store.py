"""The answer store: every answer that was paid for, under the key of its request, safe against a killed process.

It is cache, journal and resume in one: a run asks only for keys that it does not hold. SQLite in WAL mode with group
commits loses no committed answer when its process is killed, and serves several processes at once.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ..errors import RunError, UsageError

DEFAULT_PATH = Path(".prefpipe/answers.db")
_APPLICATION_ID = 0x70667031
_VERSION = 1
_LOOKUP = 256

_SCHEMA = """
CREATE TABLE answers (
    key BLOB PRIMARY KEY,
    model TEXT NOT NULL,
    base_url TEXT NOT NULL,
    created INTEGER NOT NULL,
    latency REAL NOT NULL,
    raw BLOB NOT NULL
)
"""


class Stored(NamedTuple):
    """A kept answer: what the server sent, and the seconds it took."""

    raw: bytes
    latency: float


class AnswerStore:
    """Answers on disk. Use as a context manager; leaving it commits what waits."""

    def __init__(self, path: str | Path = DEFAULT_PATH) -> None:
        """Take the path of the database; it is made when it does not exist."""
        self.path = Path(path)
        self._waiting: list[tuple[bytes, str, str, int, float, bytes]] = []

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise UsageError(
                f"The answer store {self.path} cannot be opened: {error}.",
                "Choose a folder that you may write to with --store.",
            ) from error
        return self

    def _prepare(self) -> None:
        self._database.execute("PRAGMA busy_timeout=60000")
        # One process prepares, others wait: the check and the making stand in one transaction.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("BEGIN IMMEDIATE")
        try:
            application = self._pragma("application_id")
            version = self._pragma("user_version")
            tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                self._database.execute(_SCHEMA)
                self._database.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                self._database.execute(f"PRAGMA user_version={_VERSION}")
            elif application != _APPLICATION_ID:
                raise UsageError(
                    f"{self.path} is a database, but not an answer store.", "Name another file with --store."
                )
            elif version != _VERSION:
                raise UsageError(
                    f"The answer store {self.path} has format {version}; this prefpipe reads format {_VERSION}.",
                    "Use the prefpipe that made it, or name another file with --store.",
                )
        finally:
            self._database.execute("COMMIT")

    def _pragma(self, name: str) -> int:
        return int(self._database.execute(f"PRAGMA {name}").fetchone()[0])

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

    def put(self, key: str, model: str, base_url: str, raw: bytes, latency: float) -> None:
        """Take an answer; it is on disk after the next `flush`."""
        self._waiting.append((bytes.fromhex(key), model, base_url, int(time.time()), latency, raw))

    def flush(self) -> None:
        """Commit what waits.

        Raises:
            RunError: The disk is full, or another process holds the store for longer than a minute.
        """
        if not self._waiting:
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)", self._waiting)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise RunError(
                f"Answers cannot be kept in {self.path}: {error}.", "Is the disk full, or the file in use elsewhere?"
            ) from error
        self._waiting.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self._database.close()
