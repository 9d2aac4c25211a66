import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.errors import RunError, UsageError
from prefpipe.pipeline.llm import store as store_module
from prefpipe.pipeline.llm.meter import ModelSpend
from prefpipe.pipeline.llm.store import AnswerStore, Kept, Selection

KEY, OTHER = "00" * 16, "ff" * 16

# The statements with which format 1 was made, as they were then.
FORMAT_1 = """
CREATE TABLE answers (
    key BLOB PRIMARY KEY,
    model TEXT NOT NULL,
    base_url TEXT NOT NULL,
    created INTEGER NOT NULL,
    latency REAL NOT NULL,
    raw BLOB NOT NULL
);
PRAGMA application_id=1885761585;
PRAGMA user_version=1;
"""
INSERT_1 = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)"
ROW_1 = (bytes.fromhex(KEY), "m", "http://host/v1", 1_700_000_000, 0.25, b"paid")


@pytest.fixture
def format_1(tmp_path: Path) -> Path:
    """A store that the first prefpipe made, with one answer."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(FORMAT_1)
        database.execute(INSERT_1, ROW_1)
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def kept(key: str, raw: bytes = b"raw", model: str = "m", created: int = 0) -> Kept:
    return Kept(key, model, "u", created, 0.5, raw)


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
    with pytest.raises(UsageError, match="of another kind"), AnswerStore(path):
        pass
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    database.close()


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


def test_a_store_of_the_first_format_keeps_its_answers_and_counts_runs_from_now_on(format_1: Path) -> None:
    with AnswerStore(format_1) as store:
        assert list(store.answers()) == [Kept(KEY, "m", "http://host/v1", 1_700_000_000, 0.25, b"paid")]
        assert store.runs() == []
        store.record_run("judge", [ModelSpend("m", "http://host/v1", sent=1)])
        store.put(OTHER, "m", "u", b"new", 0.0)
    assert version(format_1) == 2
    with AnswerStore(format_1) as store:
        assert set(store.get([KEY, OTHER])) == {KEY, OTHER}
        assert len(store.runs()) == 1


def test_a_running_process_of_the_first_prefpipe_goes_on_keeping_its_answers(format_1: Path) -> None:
    with closing(sqlite3.connect(format_1, isolation_level=None)) as older:
        older.execute(INSERT_1, ROW_1)
        with AnswerStore(format_1):
            pass
        older.execute(INSERT_1, (bytes.fromhex(OTHER), *ROW_1[1:]))
    with AnswerStore(format_1) as store:
        assert OTHER in store.get([OTHER])


def test_a_migration_that_fails_leaves_the_store_as_it_was(format_1: Path) -> None:
    with closing(sqlite3.connect(format_1, isolation_level=None)) as database:
        database.execute("CREATE TABLE runs (x)")
    with pytest.raises(UsageError, match="cannot be opened"), AnswerStore(format_1):
        pass
    assert version(format_1) == 1
    with closing(sqlite3.connect(format_1)) as database:
        assert database.execute("SELECT * FROM answers").fetchall() == [ROW_1]


def _open(path: Path) -> None:
    with AnswerStore(path):
        pass


def test_processes_that_migrate_at_once_do_not_hinder_each_other(format_1: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_open, args=(format_1,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert version(format_1) == 2


@pytest.mark.parametrize("number", [-1, 0, 3])
def test_a_store_of_an_unknown_format_is_refused_and_left_alone(format_1: Path, number: int) -> None:
    with closing(sqlite3.connect(format_1, isolation_level=None)) as database:
        database.execute(f"PRAGMA user_version={number}")
    with pytest.raises(UsageError, match=f"has format {number}; this prefpipe reads formats up to 2"):
        AnswerStore(format_1).__enter__()
    assert version(format_1) == number


def test_opening_a_store_of_the_present_format_writes_nothing(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db"):
        pass
    before = (tmp_path / "a.db").read_bytes()
    with AnswerStore(tmp_path / "a.db"):
        pass
    assert (tmp_path / "a.db").read_bytes() == before


def test_what_a_flush_could_not_keep_is_kept_by_the_next_one(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store._database.execute("PRAGMA query_only=1")
        store.put(KEY, "m", "u", b"raw", 0.0)
        with pytest.raises(RunError, match="cannot be kept"):
            store.flush()
        store._database.execute("PRAGMA query_only=0")
        store.flush()
        assert KEY in store.get([KEY])


def test_runs_are_noted_with_a_row_for_each_model_that_was_asked(tmp_path: Path) -> None:
    first = ModelSpend("m", "u", sent=2, from_store=1, spent=0.5, saved=0.25)
    second = ModelSpend("n", "u", from_store=3)
    with AnswerStore(tmp_path / "a.db") as store:
        store.record_run("generate", [first, ModelSpend("idle", "u"), second])
        store.record_run("judge", [ModelSpend("idle", "u")])
        store.record_run("judge", iter([first]))
    with AnswerStore(tmp_path / "a.db") as store:
        noted = [(run.run, run.stage, run.use) for run in store.runs()]
        assert all(run.ended > 1_700_000_000 for run in store.runs())
    assert noted == [(1, "generate", first), (1, "generate", second), (2, "judge", first)]


def test_answers_come_back_in_the_order_of_their_arrival(tmp_path: Path) -> None:
    arrived = [kept(f"{number:032x}", str(number).encode()) for number in (5, 1, 9, 3)]
    with AnswerStore(tmp_path / "a.db") as store:
        store.add(arrived)
        assert list(store.answers()) == arrived


def test_what_is_added_never_replaces_what_is_held(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.add([kept(KEY, b"held")])
        assert store.add([kept(KEY, b"held"), kept(KEY, b"other"), kept(OTHER)]) == {
            "known": 1,
            "conflicting": 1,
            "new": 1,
        }
        assert store.get([KEY])[KEY].raw == b"held"


def test_of_answers_that_cannot_all_be_added_none_is(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Kept]:
        yield kept(KEY)
        raise KeyboardInterrupt

    with AnswerStore(tmp_path / "a.db") as store:
        with pytest.raises(KeyboardInterrupt):
            store.add(interrupted())
        assert list(store.answers()) == []
        assert store.add([kept(KEY)]) == {"new": 1}


@given(
    st.sets(st.integers(0, 30)),
    st.none() | st.integers(0, 30),
    st.sets(st.sampled_from(["a", "b"])),
    st.sampled_from([None, True, False]),
)
def test_exactly_what_is_selected_is_removed(
    marked: set[int], before: int | None, models: set[str], is_marked: bool | None
) -> None:
    held = [kept(f"{number:032x}", model="abc"[number % 3], created=number) for number in range(30)]
    selection = Selection(before, tuple(models), is_marked)
    chosen = [
        answer
        for answer in held
        if (before is None or answer.created < before)
        and (not models or answer.model in models)
        and (is_marked is None or (answer.created in marked) == is_marked)
    ]
    with AnswerStore(":memory:") as store:
        store.add(held)
        assert store.mark(f"{number:032x}" for number in marked) == len(marked)
        assert list(store.answers(selection)) == chosen
        assert store.remove(selection) == len(chosen)
        assert list(store.answers()) == [answer for answer in held if answer not in chosen]


def test_marks_add_up_and_each_counts_once(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        assert store.mark([KEY, KEY]) == 1
        assert store.mark([KEY, OTHER]) == 2
        store.add([kept(KEY)])
        assert [answer.key for answer in store.answers(Selection(marked=True))] == [KEY]


def test_marks_end_with_the_store(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.mark([KEY])
    with AnswerStore(tmp_path / "a.db") as store:
        assert store.mark([]) == 0


def test_the_models_are_counted(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.add(kept(f"{number:031x}{model}", model=model) for number, model in product(range(3), "ba"))
        assert store.models() == {"a": 3, "b": 3}


def test_the_space_of_removed_answers_goes_back_to_the_disk(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.add(kept(f"{number:032x}", bytes(10_000)) for number in range(100))
        full = store.size()
        assert full > 1_000_000
        store.remove(Selection())
        assert store.compact() is None
        assert store.size() < full / 10


def test_a_store_that_another_process_has_open_is_not_compacted_and_stays_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_BUSY_BRIEFLY", 1)
    with AnswerStore(tmp_path / "a.db") as store, AnswerStore(tmp_path / "a.db") as other:
        other.get([KEY])
        assert store.compact() == "database is locked"
        for each, key in ((store, KEY), (other, OTHER)):
            each.put(key, "m", "u", b"raw", 0.0)
            each.flush()
        assert set(store.get([KEY, OTHER])) == {KEY, OTHER}


def test_a_compacted_store_is_as_safe_as_before(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        assert store.compact() is None
        assert store._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._database.execute("PRAGMA busy_timeout").fetchone() == (60_000,)


def test_more_is_removed_than_goes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_REMOVED_AT_ONCE", 3)
    with AnswerStore(tmp_path / "a.db") as store:
        store.add(kept(f"{number:032x}", model="ab"[number % 2]) for number in range(20))
        assert store.remove(Selection(models=("a",))) == 10
        assert store.models() == {"b": 10}


def test_marks_that_cannot_all_be_made_leave_the_store_usable(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        with pytest.raises(ValueError, match="hexadecimal"):
            store.mark([KEY, "no key"])
        assert store.mark([]) == 0
        store.add([kept(KEY)])


def test_a_damaged_store_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with AnswerStore(path) as store:
        store.add(kept(f"{number:032x}", bytes(3000)) for number in range(100))
    content = bytearray(path.read_bytes())
    content[40_000:200_000] = bytes(160_000)
    path.write_bytes(content)
    with AnswerStore(path) as store, pytest.raises(RunError, match="cannot be read"):
        list(store.answers())
