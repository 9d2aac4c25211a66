"""Batches survive kill -9 at any moment: nothing is submitted twice, nothing that was submitted is lost."""

import json
import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from prefpipe.pipeline.llm.answers import Answer
from prefpipe.pipeline.llm.batch.ask import ask_in_batches
from prefpipe.pipeline.llm.batch.files import FileLimits
from prefpipe.pipeline.llm.batch.journal import Journal
from prefpipe.pipeline.llm.batch.records import Batch
from prefpipe.pipeline.llm.batch.server import BatchServer, Remote, Servers
from prefpipe.pipeline.llm.failures import TransientError
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model, parse_model
from prefpipe.pipeline.llm.requests import Sampling, chat
from prefpipe.pipeline.llm.simulator import Simulator, running
from prefpipe.pipeline.llm.store import AnswerStore
from prefpipe.pipeline.tables import Status

REQUESTS = 4
ROUGH = "strong?expire=0.3&drop=0.2&failures_in_a_row=1"


def run(
    folder: Path,
    model: Model,
    simulator: Simulator | None = None,
    on_wait: Callable[[Sequence[Batch]], None] | None = None,
) -> list[tuple[int, Answer]]:
    """Ask as a process of its own would: all it knows is on disk."""
    requests = (
        (number, chat(model, [{"role": "user", "content": f"Question {number}?"}], Sampling(seed=1), 0))
        for number in range(REQUESTS)
    )
    with AnswerStore(folder / "answers.db") as store, Journal.beside(store.path) as journal:
        return list(
            ask_in_batches(
                requests,
                store=store,
                journal=journal,
                meter=Meter(),
                limits=FileLimits(3),
                attempts=9,
                poll_seconds=0,
                on_wait=on_wait,
                servers=Servers(simulator),
            )
        )


def batches_at(simulator: Simulator) -> list[str]:
    """Return the ids of all batches that the server holds."""
    found = json.loads(simulator.respond("GET", "/v1/batches?limit=100", {}, b"").body)
    assert not found["has_more"]
    return [batch["id"] for batch in found["data"]]


def paid(simulator: Simulator) -> int:
    """How many requests the server works on in the end, for whoever asked, and whether he has forgotten it or not."""
    for batch in batches_at(simulator):
        for _ in range(9):
            simulator.respond("GET", f"/v1/batches/{batch}", {}, b"")
    return sum(simulator.served.by_model.values())


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it, and once it has come, nothing of the process works any more."""


class Reaper:
    """Kills at a moment: before or after any step of the protocol, counted from the first."""

    def __init__(self, moment: int, patch: pytest.MonkeyPatch) -> None:
        self.left = moment
        self.dead = False
        for owner, names in (
            (BatchServer, ("upload", "create", "find", "look")),
            (Journal, ("plan", "creating", "submitted", "seen", "collected", "drop")),
            (AnswerStore, ("put", "flush")),
        ):
            for name in names:
                patch.setattr(owner, name, self._watched(getattr(owner, name), wait=owner is BatchServer))
        patch.setattr(BatchServer, "lines", self._watched_lines(BatchServer.lines))

    def step(self) -> None:
        if self.dead or self.left == 0:
            self.dead = True
            raise KilledError
        self.left -= 1

    def _watched(self, method: Callable[..., Any], *, wait: bool) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.step()
            result = method(*arguments)
            self.step()
            return result

        async def call_and_wait(*arguments: Any) -> Any:
            self.step()
            result = await method(*arguments)
            self.step()
            return result

        return call_and_wait if wait else call

    def _watched_lines(self, method: Callable[..., AsyncIterator[list[bytes]]]) -> Callable[..., Any]:
        async def lines(*arguments: Any) -> AsyncIterator[list[bytes]]:
            async for some in method(*arguments):
                for line in some:
                    self.step()
                    yield [line]

        return lines


class Hasty(sqlite3.Connection):
    """Waits for no disk: that only matters to a power cut, and hundreds of runs would wait for minutes."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        return super().execute("PRAGMA synchronous=OFF" if "synchronous" in sql else sql, *arguments)


def test_killed_at_any_step_a_run_loses_nothing_and_pays_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Hasty))
    monkeypatch.setattr("prefpipe.pipeline.llm.batch.collect._make_durable", lambda path: None)
    model = parse_model(f"sim:{ROUGH}")
    undisturbed = Simulator()
    expected = run(tmp_path, model, undisturbed)
    assert {answer.status for _, answer in expected} == {Status.OK}
    assert REQUESTS < paid(undisturbed) < 2 * REQUESTS
    for moment in count():
        folder, simulator = tmp_path / str(moment), Simulator()
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            reaper = Reaper(moment, patch)
            with suppress(KilledError):
                run(folder, model, simulator)
        answers = run(folder, model, simulator)
        assert [answer.text for _, answer in answers] == [answer.text for _, answer in expected], moment
        assert paid(simulator) == paid(undisturbed), moment
        if not reaper.dead:
            break
    assert moment > 50


def test_a_creation_whose_answer_is_lost_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = BatchServer.create
    lost = iter([True, True, False, False])

    async def create_and_lose(server: BatchServer, file_id: str, tag: str) -> Remote:
        remote = await create(server, file_id, tag)
        if next(lost):
            raise TransientError("the connection was lost")
        return remote

    async def sleep(seconds: float) -> None:
        pass

    monkeypatch.setattr("prefpipe.pipeline.llm.retry.sleep", sleep)
    monkeypatch.setattr(BatchServer, "create", create_and_lose)
    simulator = Simulator()
    run(tmp_path, parse_model("sim:strong"), simulator)
    assert paid(simulator) == REQUESTS
    assert len(batches_at(simulator)) == 2


def _kill_myself(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _run_and_die(folder: Path, model: Model, moment: str) -> None:
    if moment == "after a batch was created":
        Journal.submitted = _kill_myself  # type: ignore[method-assign, assignment]
    if moment == "before a batch is marked as collected":
        Journal.collected = _kill_myself  # type: ignore[method-assign, assignment]
    run(folder, model, on_wait=_kill_myself if moment == "while batches are under way" else None)


@pytest.mark.parametrize(
    "moment",
    ["after a batch was created", "while batches are under way", "before a batch is marked as collected"],
)
def test_a_process_that_is_really_killed_is_no_different(tmp_path: Path, moment: str) -> None:
    simulator = Simulator()
    with running(simulator) as url:
        model = parse_model(f"strong@{url}")
        process = multiprocessing.get_context("spawn").Process(target=_run_and_die, args=(tmp_path, model, moment))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert {answer.status for _, answer in run(tmp_path, model)} == {Status.OK}
    assert paid(simulator) == REQUESTS


def test_two_at_once_share_their_batches(tmp_path: Path) -> None:
    simulator = Simulator()
    found: list[list[tuple[int, Answer]]] = []
    with running(simulator) as url:
        model = parse_model(f"strong?batch_looks=5@{url}")
        threads = [threading.Thread(target=lambda: found.append(run(tmp_path, model))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [[answer.status for _, answer in answers] for answers in found] == [[Status.OK] * REQUESTS] * 2
    assert paid(simulator) == REQUESTS
