"""Opening a SQLite file of ours: made where there is none, brought up to date, refused where it is something else."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

BUSY = 60_000
"""Milliseconds to wait for another process."""


@dataclass(frozen=True)
class DatabaseKind:
    """What a file of ours holds.

    Attributes:
        name: What its user calls it.
        application_id: The number in its head that tells it from other databases.
        formats: The statements that make each format the next one, from an empty file to the latest.
        synchronous: How long a commit waits for the disk: NORMAL survives a killed process, FULL a power cut, too.
    """

    name: str
    application_id: int
    formats: Sequence[str]
    synchronous: str


def open_database(path: Path, kind: DatabaseKind) -> sqlite3.Connection:
    """Return a connection to a file in its latest format, in WAL mode, outside of any transaction.

    Raises:
        UsageError: It cannot be opened, is of another kind, or has a format that is not known.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=BUSY / 1000, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(f"PRAGMA synchronous={kind.synchronous}")
            # One process prepares, others wait: the check and the making stand in one transaction.
            with transaction(database):
                _prepare(database, path, kind)
        except BaseException:
            database.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise UsageError(
            f"The {kind.name} {path} cannot be opened: {error}.", "Choose a folder that you may write to with --store."
        ) from error
    return database


def _prepare(database: sqlite3.Connection, path: Path, kind: DatabaseKind) -> None:
    version, latest = 0, len(kind.formats)
    if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        application_id, version = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if application_id != kind.application_id:
            raise UsageError(
                f"The {kind.name} {path} cannot be opened: it is a database of another kind.",
                "Name another answer store with --store.",
            )
        if not 0 < version <= latest:
            raise UsageError(
                f"The {kind.name} {path} has format {version}; this prefpipe reads formats up to {latest}.",
                "Use the prefpipe that made it, or name another answer store with --store.",
            )
    if version == latest:
        return
    for statements in kind.formats[version:]:
        for statement in statements.split(";"):
            database.execute(statement)
    database.execute(f"PRAGMA application_id={kind.application_id}")
    database.execute(f"PRAGMA user_version={latest}")


@contextmanager
def transaction(database: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commit all that happens inside, or nothing of it."""
    database.execute(f"BEGIN {kind}")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
