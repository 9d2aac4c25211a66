"""How a run ends before its time, and what is kept: in virtual time, with a server that does as it is told."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefpipe.pipeline.errors import RunError
from prefpipe.pipeline.llm.answers import Answer
from prefpipe.pipeline.llm.ask import UNBOUNDED, ask
from prefpipe.pipeline.llm.bounds import Bounds
from prefpipe.pipeline.llm.failures import StopError, ThrottledError, TransientError, failure_of, without_key
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.requests import Request, Sampling, chat
from prefpipe.pipeline.llm.sender import Reply
from prefpipe.pipeline.llm.store import AnswerStore
from prefpipe.pipeline.tables import Status

pytestmark = pytest.mark.usefixtures("virtual_time")

MODEL = Model("m", "m", "http://a/v1", "A_KEY")
ANSWER = json.dumps({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}).encode()

Script = Callable[[int, int, str], float | bytes | Exception]


class Server:
    """Answers call by call, attempt by attempt and address by address as the script says: after seconds, or not."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.sent: list[int] = []

    async def send(self, request: Request, base_url: str) -> Reply:
        number = int(json.loads(request.body)["messages"][0]["content"])
        self.sent.append(number)
        outcome = self.script(number, self.sent.count(number), base_url)
        if isinstance(outcome, Exception):
            await asyncio.sleep(0.01)
            raise outcome
        await asyncio.sleep(outcome if isinstance(outcome, float) else 0.01)
        return Reply(outcome if isinstance(outcome, bytes) else ANSWER, 0.1)

    async def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "answers.db") as opened:
        yield opened


def requests(count: int, model: Model = MODEL) -> list[tuple[int, Request]]:
    return [(n, chat(model, [{"role": "user", "content": str(n)}], Sampling(), 0)) for n in range(count)]


def run(
    asked: list[tuple[int, Request]], store: AnswerStore, script: Script, bounds: Bounds = UNBOUNDED
) -> list[tuple[int, Answer]]:
    return list(ask(asked, store=store, meter=Meter(), concurrency=50, bounds=bounds, sender=Server(script)))


def test_calls_in_flight_are_waited_for_when_the_account_is_empty(store: AnswerStore) -> None:
    asked = requests(200)
    with pytest.raises(RunError, match="HTTP 402: no money left"):
        run(asked, store, lambda n, attempt, url: failure_of(402, b"no money left") if n == 60 else 30.0)
    assert len(store.get([request.key for _, request in asked])) >= 50 + 9


def test_calls_that_were_begun_get_their_other_attempts_when_no_more_may_begin(store: AnswerStore) -> None:
    asked = requests(100)
    refused_at_first = ThrottledError("HTTP 429", 3.0)
    with pytest.raises(RunError, match="--max-calls 20 is reached"):
        run(asked, store, lambda n, attempt, url: refused_at_first if attempt < 2 else 1.0, Bounds(max_calls=20))
    assert len(store.get([request.key for _, request in asked])) == 20


def test_one_server_that_asks_for_an_hour_is_left_alone_while_another_serves(store: AnswerStore) -> None:
    both = Model("m", "m", "http://a/v1", "A_KEY", other_urls=("http://b/v1",))
    answers = run(
        requests(500, both), store, lambda n, attempt, url: ThrottledError("HTTP 429", 3600.0) if "b" in url else 1.0
    )
    assert {answer.status for _, answer in answers} == {Status.OK}


def test_a_server_that_asks_for_two_hours_ends_the_run_with_what_to_do(store: AnswerStore) -> None:
    with pytest.raises(RunError, match=r"takes no more calls for 2\.0 h") as caught:
        run(requests(500), store, lambda n, attempt, url: ThrottledError("HTTP 429", 7200.0) if n > 100 else 1.0)
    assert "run the same command again" in (caught.value.hint or "")


def test_a_key_that_a_server_repeats_reaches_no_row(store: AnswerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-very-secret-key-of-some-length"
    monkeypatch.setenv("A_KEY", key)
    error = json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}).encode()
    cut = TransientError("x" * 180 + key[:20])
    outcomes: dict[int, bytes | Exception] = {0: error, 1: cut}
    answers = run(requests(30), store, lambda n, attempt, url: outcomes.get(n, 1.0))
    assert [answer.status for _, answer in answers[:3]] == [Status.ERROR, Status.ERROR, Status.OK]
    for _, answer in answers[:2]:
        assert "***" in (answer.error or "")
        assert "sk-very" not in (answer.error or "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("key: sk-12345678", "key: ***"), ("cut: sk-12345", "cut: ***"), ("cut: sk-12", "cut: sk-12"), ("none", "none")],
)
def test_a_key_is_left_out_even_where_a_cut_went_through_it(text: str, shown: str) -> None:
    assert without_key(text, "sk-12345678") == shown


def test_a_stop_is_told_before_what_follows_from_it(store: AnswerStore) -> None:
    with pytest.raises(RunError, match="HTTP 401"):
        run(requests(50), store, lambda n, attempt, url: StopError("HTTP 401") if n == 0 else TransientError("later"))
