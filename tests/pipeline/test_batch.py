import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefpipe.pipeline.batch import cancel, collect, forget, status
from prefpipe.pipeline.errors import RunError, UsageError, WaitingError
from prefpipe.pipeline.llm.answers import Answer
from prefpipe.pipeline.llm.batch.ask import ask_in_batches
from prefpipe.pipeline.llm.batch.journal import Journal
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model, parse_model
from prefpipe.pipeline.llm.requests import Sampling, chat
from prefpipe.pipeline.llm.simulator import Simulator, running
from prefpipe.pipeline.llm.store import AnswerStore

STORE = Path("answers.db")


@pytest.fixture
def url() -> Iterator[str]:
    with running(Simulator()) as base_url:
        yield base_url


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        pass

    monkeypatch.setattr("prefpipe.pipeline.llm.retry.sleep", sleep)


def ask(model: Model, *, wait: bool) -> list[tuple[int, Answer]]:
    requests = ((n, chat(model, [{"role": "user", "content": f"{n}?"}], Sampling(), 0)) for n in range(6))
    with AnswerStore(STORE) as store, Journal.beside(STORE) as journal:
        return list(
            ask_in_batches(requests, store=store, journal=journal, meter=Meter(), poll_seconds=0, wait=wait, attempts=1)
        )


def leave(model: Model) -> str:
    with pytest.raises(WaitingError):
        ask(model, wait=False)
    with Journal.beside(STORE) as journal:
        return journal.batches()[-1].batch_id or ""


def test_without_a_journal_there_are_no_batches_and_none_is_made() -> None:
    assert status(STORE) == collect(STORE) == []
    assert list(Path().iterdir()) == []


def test_the_status_follows_a_batch_and_says_what_to_do_next(url: str) -> None:
    name = leave(parse_model(f"strong?drop=0.3&failures_in_a_row=9@{url}"))
    seen = list(itertools.chain.from_iterable(status(STORE) for _ in range(3)))
    assert [(one.state, one.answered) for one in seen] == [("finalizing", 6), ("completed", 6), ("completed", 6)]
    assert [one.next for one in seen[:2]] == [
        "wait, or run its command again to wait with it",
        "ended: run its command again, or `prefpipe batch collect`",
    ]
    assert (seen[0].batch, seen[0].server, seen[0].requests) == (name, url, 6)
    (left,) = collect(STORE)
    assert (left.state, left.answered + left.failed) == ("collected", 6)
    assert "without an answer: run its command again" in left.next


def test_the_age_of_a_batch_counts_from_when_it_was_planned(url: str) -> None:
    leave(parse_model(f"strong@{url}"))
    with Journal.beside(STORE) as journal:
        created = journal.batches()[0].created
    assert [one.age for one in status(STORE, clock=lambda: created + 90)] == [90]


def test_what_is_collected_need_not_be_waited_for(url: str) -> None:
    leave(parse_model(f"strong@{url}"))
    assert collect(STORE) == []
    status(STORE)
    assert [one.next for one in collect(STORE)] == ["all done"]
    assert collect(STORE) == []
    answers = ask(parse_model(f"strong@{url}"), wait=False)
    assert len({answer.text for _, answer in answers}) == 6


def test_a_server_that_does_not_answer_costs_no_line_of_the_status() -> None:
    with running(Simulator()) as url:
        leave(parse_model(f"strong@{url}"))
        leave(parse_model(f"weak@{url}"))
    told = status(STORE)
    assert [one.state for one in told] == ["in_progress", "in_progress"]
    assert all("its server does not tell: no connection to" in one.next for one in told)
    with pytest.raises(RunError, match="cannot be reached"):
        collect(STORE)


def test_a_cancelled_batch_keeps_its_answers_and_the_rest_is_asked_anew(url: str) -> None:
    model = parse_model(f"strong?batch_looks=2@{url}")
    name = leave(model)
    status(STORE)
    assert [one.state for one in cancel([name], STORE)] == ["cancelling"]
    answers = ask(model, wait=True)
    assert [answer.error for _, answer in answers if answer.error] == ["its batch ended without an answer"] * 3
    assert {answer.error for _, answer in ask(model, wait=True)} == {None}
    with pytest.raises(UsageError, match="is not at a server"):
        cancel([name], STORE)


def test_a_server_that_refuses_to_cancel_says_why(url: str) -> None:
    name = leave(parse_model(f"strong@{url}"))
    status(STORE)
    status(STORE)
    with pytest.raises(
        RunError, match=r"cannot be cancelled: HTTP 400: Cannot cancel a batch with status 'completed'\.$"
    ):
        cancel([name], STORE)


def test_a_forgotten_batch_is_asked_again(url: str) -> None:
    name = leave(parse_model(f"strong@{url}"))
    assert [one.batch for one in forget([name], STORE)] == [name]
    assert status(STORE) == []
    assert leave(parse_model(f"strong@{url}")) != name


def test_an_unknown_batch_is_refused_with_the_nearest_known_one(url: str) -> None:
    name = leave(parse_model(f"strong@{url}"))
    with pytest.raises(UsageError, match="There is no batch") as caught:
        forget([name[:-1]], STORE)
    assert caught.value.hint == f"Did you mean '{name}'?"
    with pytest.raises(UsageError, match=r"no batches for the answer store other\.db"):
        cancel([name], "other.db")


@pytest.mark.parametrize(
    ("step", "state", "says"),
    [("plan", "planned", "interrupted before it was sent"), ("creating", "creating", "interrupted while it was sent")],
)
def test_an_interrupted_batch_is_shown_as_such(step: str, state: str, says: str) -> None:
    with Journal.beside(STORE) as journal:
        batch = journal.plan(parse_model("sim:strong"), ["00" * 16])
        if step == "creating":
            journal.creating(batch.number, "file-1")
    (shown,) = status(STORE)
    assert (shown.batch, shown.state) == (batch.tag, state)
    assert shown.next.startswith(says)
