import multiprocessing
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from prefpipe.pipeline.errors import RunError, UsageError
from prefpipe.pipeline.llm.store import AnswerStore

KEY, OTHER = "00" * 16, "ff" * 16


def test_an_answer_is_given_back_as_it_came(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.put(KEY, "m", "http://host/v1", b"\x00raw\xff", 0.25)
        store.flush()
        assert store.get([KEY, OTHER]) == {KEY: (b"\x00raw\xff", 0.25)}


def test_leaving_commits_what_waits(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.put(KEY, "m", "u", b"raw", 0.0)
    with AnswerStore(tmp_path / "a.db") as store:
        assert KEY in store.get([KEY])


def test_more_keys_are_looked_up_than_one_query_takes(tmp_path: Path) -> None:
    keys = [f"{number:032x}" for number in range(1000)]
    with AnswerStore(tmp_path / "a.db") as store:
        for key in keys[::2]:
            store.put(key, "m", "u", key.encode(), 0.0)
        store.flush()
        assert set(store.get(keys)) == set(keys[::2])


def test_the_first_answer_to_a_key_stays(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.put(KEY, "m", "u", b"first", 0.0)
        store.flush()
        store.put(KEY, "m", "u", b"second", 0.0)
        store.flush()
        assert store.get([KEY])[KEY].raw == b"first"


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE precious (x)")
    database.close()
    with pytest.raises(UsageError, match="not an answer store"), AnswerStore(path):
        pass
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    database.close()


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db"):
        pass
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(UsageError, match="format 99"), AnswerStore(tmp_path / "a.db"):
        pass


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("not a database" * 100)
    with pytest.raises(UsageError, match="cannot be opened"), AnswerStore(tmp_path / "a.db"):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be opened") as caught, AnswerStore(tmp_path / "file" / "a.db"):
        pass
    assert caught.value.hint is not None
    assert "--store" in caught.value.hint


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store._database.execute("PRAGMA query_only=1")
        store.put(KEY, "m", "u", b"raw", 0.0)
        with pytest.raises(RunError, match="cannot be kept"):
            store.flush()
        store._waiting.clear()


def _write_until_killed(path: Path, ready: "multiprocessing.queues.Queue[str]") -> None:
    with AnswerStore(path) as store:
        for number in range(10**9):
            key = f"{number:032x}"
            store.put(key, "m", "u", b"raw", 0.0)
            store.flush()
            ready.put(key)


def test_a_committed_answer_survives_a_killed_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    committed = context.Queue()
    process = context.Process(target=_write_until_killed, args=(tmp_path / "a.db", committed))
    process.start()
    keys = [committed.get(timeout=30) for _ in range(50)]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    committed.close()
    with AnswerStore(tmp_path / "a.db") as store:
        assert set(store.get(keys)) == set(keys)
        assert store._database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _write_many(path: Path, start: int) -> None:
    with AnswerStore(path) as store:
        for number in range(start, start + 200):
            store.put(f"{number:032x}", "m", "u", str(number).encode(), 0.0)
            store.flush()


def test_processes_share_a_store(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_many, args=(tmp_path / "a.db", start)) for start in (0, 100, 1000)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with AnswerStore(tmp_path / "a.db") as store:
        wanted = [f"{number:032x}" for number in [*range(300), *range(1000, 1200)]]
        found = store.get(wanted)
    assert all(found[key].raw == str(int(key, 16)).encode() for key in wanted)
