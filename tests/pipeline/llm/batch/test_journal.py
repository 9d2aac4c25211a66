import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefpipe.pipeline.errors import RunError, UsageError
from prefpipe.pipeline.llm.batch.journal import Journal
from prefpipe.pipeline.llm.batch.records import Address, BatchStep, OddLines, Queue
from prefpipe.pipeline.llm.models import Model

MODEL = Model("m", "sent-m", "http://host/v1", "KEY")
A, B, C = ("0a" * 16, "0b" * 16, "0c" * 16)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "batches.db") as opened:
        yield opened


def test_it_lies_beside_its_store() -> None:
    assert Journal.beside(".prefpipe/answers.db").path == Path(".prefpipe/answers.batches.db")


def test_every_step_is_there_for_the_next_process(tmp_path: Path) -> None:
    def found() -> tuple[object, ...]:
        with Journal(tmp_path / "j.db") as again:
            (batch,) = again.batches()
            return batch.step, batch.file_id, batch.batch_id, batch.state, batch.answered, batch.failed

    with Journal(tmp_path / "j.db") as journal:
        batch = journal.plan(MODEL, [A, B])
        assert batch.queue == Queue(Address("http://host/v1", "KEY", simulated=False), "m")
        assert found() == (BatchStep.PLANNED, None, None, None, 0, 0)
        journal.creating(batch.number, "file-1")
        assert found() == (BatchStep.CREATING, "file-1", None, None, 0, 0)
        journal.submitted(batch.number, "batch-1", "validating")
        assert found() == (BatchStep.SUBMITTED, "file-1", "batch-1", "validating", 0, 0)
        journal.seen(batch.number, "in_progress", 1, 0)
        assert found() == (BatchStep.SUBMITTED, "file-1", "batch-1", "in_progress", 1, 0)
        journal.collected(batch.number, "expired", {B: "too late"}, OddLines(1, 2, 3))
        assert found() == (BatchStep.COLLECTED, "file-1", "batch-1", "expired", 1, 1)
        assert journal.batches()[0].odd == (1, 2, 3)


def test_a_request_is_held_until_its_batch_is_collected(journal: Journal) -> None:
    batch = journal.plan(MODEL, [A, B])
    assert journal.holders([A, B, C]) == {A: batch.number, B: batch.number}
    journal.collected(batch.number, "completed", {B: "no"})
    assert journal.holders([A, B, C]) == {}
    again = journal.plan(MODEL, [B])
    assert journal.holders([A, B]) == {B: again.number}


def test_no_number_comes_twice(journal: Journal) -> None:
    first = journal.plan(MODEL, [A])
    journal.drop(first.number)
    assert journal.plan(MODEL, [A]).number > first.number


def test_more_keys_are_looked_up_than_one_query_takes(journal: Journal) -> None:
    keys = [f"{number:032x}" for number in range(1000)]
    batch = journal.plan(MODEL, keys[::2])
    assert journal.holders(keys) == dict.fromkeys(keys[::2], batch.number)
    assert journal.keys(batch.number) == set(keys[::2])


def test_a_dropped_batch_leaves_nothing(journal: Journal) -> None:
    journal.drop(journal.plan(MODEL, [A]).number)
    assert (journal.batches(), journal.holders([A])) == ([], {})


def test_batches_of_some_numbers_are_those_that_are_left(journal: Journal) -> None:
    first, second = journal.plan(MODEL, [A]), journal.plan(MODEL, [B])
    journal.drop(first.number)
    assert journal.batches({first.number, second.number}) == [second]


def test_no_two_batches_have_the_same_tag(journal: Journal) -> None:
    assert journal.plan(MODEL, [A]).tag != journal.plan(MODEL, [A]).tag


def test_one_takes_its_turn_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefpipe.pipeline.llm.batch.journal._TURN_SECONDS", 0)
    said: list[str] = []

    async def speak(name: str, journal: Journal) -> None:
        async with journal.turn():
            for _ in range(5):
                said.append(name)
                await asyncio.sleep(0)

    async def both(one: Journal, other: Journal) -> None:
        await asyncio.gather(speak("one", one), speak("other", other))

    with Journal(tmp_path / "j.db") as one, Journal(tmp_path / "j.db") as other:
        asyncio.run(both(one, other))
    assert said == ["one"] * 5 + ["other"] * 5


def test_the_key_to_a_server_is_never_written(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk-very-secret")
    batch = journal.plan(MODEL, [A])
    assert batch.address.api_key == "sk-very-secret"
    for file in journal.path.parent.iterdir():
        assert b"sk-very-secret" not in file.read_bytes()
    monkeypatch.delenv("KEY")
    assert batch.address.api_key == "none"


@pytest.mark.parametrize(
    ("change", "problem"),
    [("PRAGMA user_version=9", "has format 9"), ("PRAGMA application_id=9", "of another kind")],
)
def test_a_database_of_another_kind_is_refused(tmp_path: Path, change: str, problem: str) -> None:
    with Journal(tmp_path / "j.db"):
        pass
    database = sqlite3.connect(tmp_path / "j.db")
    database.execute(change)
    database.close()
    with pytest.raises(UsageError, match=problem), Journal(tmp_path / "j.db"):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be opened") as caught, Journal(tmp_path / "file" / "j.db"):
        pass
    assert "--store" in (caught.value.hint or "")


def test_a_journal_that_cannot_be_written_says_so(journal: Journal) -> None:
    batch = journal.plan(MODEL, [A])
    journal._database.execute("PRAGMA query_only=1")
    with pytest.raises(RunError, match="cannot be written"):
        journal.plan(MODEL, [B])
    with pytest.raises(RunError, match="cannot be written"):
        journal.creating(batch.number, "file-1")
    journal._database.execute("PRAGMA query_only=0")
    assert [found.step for found in journal.batches()] == [BatchStep.PLANNED]
