import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.database import DatabaseKind, open_database, transaction

FIRST = DatabaseKind("box", 7, ("CREATE TABLE a (x); CREATE TABLE b (x)",), "NORMAL")
SECOND = replace(FIRST, formats=(*FIRST.formats, "CREATE TABLE c (x)"))


def tables(path: Path, kind: DatabaseKind) -> list[str]:
    with closing(open_database(path, kind)) as database:
        return [name for (name,) in database.execute("SELECT name FROM sqlite_master ORDER BY name")]


def test_a_new_file_goes_through_all_formats_and_an_older_one_through_those_it_lacks(tmp_path: Path) -> None:
    assert tables(tmp_path / "new.db", SECOND) == ["a", "b", "c"]
    assert tables(tmp_path / "old.db", FIRST) == ["a", "b"]
    assert tables(tmp_path / "old.db", SECOND) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (replace(SECOND, application_id=8), "The box .* is a database of another kind"),
        (FIRST, "has format 2; this prefpipe reads formats up to 1"),
    ],
)
def test_what_is_refused_is_closed_and_keeps_its_tables(tmp_path: Path, kind: DatabaseKind, problem: str) -> None:
    path = tmp_path / "a.db"
    assert tables(path, SECOND) == ["a", "b", "c"]
    with pytest.raises(UsageError, match=problem):
        open_database(path, kind)
    assert list(tmp_path.iterdir()) == [path], "an open database has a log beside it"
    assert tables(path, SECOND) == ["a", "b", "c"]


def test_a_transaction_that_fails_changes_nothing(tmp_path: Path) -> None:
    with closing(open_database(tmp_path / "a.db", FIRST)) as database:
        with pytest.raises(sqlite3.Error), transaction(database):
            database.executemany("INSERT INTO a VALUES (?)", [(1,), (object(),)])
        assert database.execute("SELECT count(*) FROM a").fetchone() == (0,)
        assert not database.in_transaction
