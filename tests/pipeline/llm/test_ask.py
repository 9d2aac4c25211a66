import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefpipe.pipeline.errors import RunError
from prefpipe.pipeline.llm import ask as asking
from prefpipe.pipeline.llm.answers import Answer
from prefpipe.pipeline.llm.ask import UNBOUNDED, ask
from prefpipe.pipeline.llm.bounds import Bounds
from prefpipe.pipeline.llm.failures import (
    PermanentError,
    RefusedError,
    StopError,
    ThrottledError,
    TransientError,
    UnreachableError,
)
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.requests import Request, Sampling, chat
from prefpipe.pipeline.llm.sender import Reply
from prefpipe.pipeline.llm.store import AnswerStore
from prefpipe.pipeline.tables import Status

MODEL = Model("m", "m", "http://host/v1", "KEY")


def request(text: str, repeat: int = 0) -> Request:
    return chat(MODEL, [{"role": "user", "content": text}], Sampling(), repeat)


def asked(request: Request) -> str:
    return str(json.loads(request.body)["messages"][0]["content"])


class Echo:
    """Answers with what was asked; a script may delay, fail, or answer otherwise."""

    def __init__(self, script: Callable[[str, int], float | Exception | bytes] = lambda text, attempt: 0.0) -> None:
        self.script = script
        self.sent: Counter[str] = Counter()
        self.in_flight = self.most_in_flight = 0
        self.closed = False
        self.order: list[str] = []

    async def send(self, request: Request, base_url: str) -> Reply:
        text = asked(request)
        self.sent[text] += 1
        self.order.append(text)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            outcome = self.script(text, self.sent[text])
            if isinstance(outcome, Exception):
                await asyncio.sleep(0)
                raise outcome
            if isinstance(outcome, bytes):
                return Reply(outcome, 0.0)
            await asyncio.sleep(outcome)
        finally:
            self.in_flight -= 1
        body = {"choices": [{"message": {"content": f"re: {text}"}, "finish_reason": "stop"}]}
        return Reply(json.dumps(body).encode(), 0.1)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "answers.db") as opened:
        yield opened


pytestmark = pytest.mark.usefixtures("virtual_time")


def run(
    texts: list[str],
    store: AnswerStore,
    sender: Echo | None = None,
    meter: Meter | None = None,
    concurrency: int = 8,
    bounds: Bounds = UNBOUNDED,
) -> list[tuple[str, Answer]]:
    requests = ((text, request(text)) for text in texts)
    return list(
        ask(
            requests,
            store=store,
            meter=meter or Meter(),
            concurrency=concurrency,
            bounds=bounds,
            sender=sender or Echo(),
        )
    )


def test_answers_come_in_the_order_of_requests_however_they_arrive(store: AnswerStore) -> None:
    texts = [str(number) for number in range(600)]
    slow_first = Echo(lambda text, attempt: 0.05 if text == "0" else 0.0)
    answers = run(texts, store, slow_first)
    assert [about for about, _ in answers] == texts
    assert [answer.text for _, answer in answers] == [f"re: {text}" for text in texts]


def test_a_slow_call_holds_nobody_back(store: AnswerStore) -> None:
    release = asyncio.Event()
    others = 500

    class OneWaits(Echo):
        async def send(self, request: Request, base_url: str) -> Reply:
            if asked(request) == "slow":
                # If the window were a batch with a barrier, the others would never be sent and this would hang.
                async with asyncio.timeout(20):
                    await release.wait()
            elif sum(self.sent.values()) == others - 1:
                release.set()
            return await super().send(request, base_url)

    answers = run(["slow", *map(str, range(others))], store, OneWaits(), concurrency=4)
    assert len(answers) == others + 1


def test_the_window_is_full_and_never_fuller(store: AnswerStore) -> None:
    sender = Echo(lambda text, attempt: 0.001)
    run([str(number) for number in range(100)], store, sender, concurrency=7)
    assert sender.most_in_flight == 7


def test_a_second_run_sends_nothing_and_says_the_same(store: AnswerStore) -> None:
    texts = [str(number) for number in range(700)]
    first, silent, meter = run(texts, store), Echo(), Meter()
    assert run(texts, store, silent, meter) == first
    assert not silent.sent
    assert (meter.done, meter.stored, meter.sent) == (700, 700, 0)


def test_only_what_is_missing_is_sent_whatever_the_order(store: AnswerStore) -> None:
    run(["a", "b", "c"], store)
    sender = Echo()
    answers = run(["c", "new", "a", "b"], store, sender)
    assert sender.sent == {"new": 1}
    assert [answer.text for _, answer in answers] == ["re: c", "re: new", "re: a", "re: b"]


def test_the_same_request_twice_is_sent_once_and_answers_both(store: AnswerStore) -> None:
    sender = Echo()
    answers = ask(
        ((place, request("same")) for place in range(5)), store=store, meter=Meter(), concurrency=2, sender=sender
    )
    assert [(about, answer.text) for about, answer in answers] == [(place, "re: same") for place in range(5)]
    assert sender.sent == {"same": 1}


def test_repeats_are_asked_each_for_themselves(store: AnswerStore) -> None:
    sender = Echo()
    list(ask(((n, request("same", n)) for n in range(3)), store=store, meter=Meter(), sender=sender))
    assert sender.sent == {"same": 3}


def test_a_transient_failure_is_tried_again_and_leaves_no_trace(store: AnswerStore) -> None:
    sender = Echo(lambda text, attempt: TransientError("HTTP 500") if attempt < 3 else 0.0)
    meter = Meter()
    answers = run(["a", "b"], store, sender, meter)
    assert [answer.status for _, answer in answers] == [Status.OK, Status.OK]
    assert meter.retries == 4


def test_garbage_is_tried_again(store: AnswerStore) -> None:
    answers = run(["a"], store, Echo(lambda text, attempt: b"<html>" if attempt == 1 else 0.0))
    assert answers[0][1].text == "re: a"


def test_a_permanent_failure_is_a_row_with_its_reason_and_touches_no_neighbour(store: AnswerStore) -> None:
    sender = Echo(lambda text, attempt: PermanentError("HTTP 400: too long") if text == "b" else 0.0)
    answers = run(["a", "b", "c"], store, sender)
    assert [answer.status for _, answer in answers] == [Status.OK, Status.ERROR, Status.OK]
    assert answers[1][1].error == "HTTP 400: too long"
    assert sender.sent["b"] == 1


def test_a_failure_is_never_kept_as_an_answer(store: AnswerStore) -> None:
    run(["a", "b"], store, Echo(lambda text, attempt: PermanentError("no") if text == "b" else 0.0))
    sender = Echo()
    answers = run(["a", "b"], store, sender)
    assert sender.sent == {"b": 1}
    assert answers[1][1].text == "re: b"


def test_transient_failures_that_never_end_become_a_row(store: AnswerStore) -> None:
    answers = run(["a", "b"], store, Echo(lambda text, attempt: TransientError("HTTP 503") if text == "a" else 0.0))
    assert answers[0][1].status is Status.ERROR
    assert answers[0][1].error == "HTTP 503"
    assert answers[1][1].status is Status.OK


def test_a_wrong_key_stops_the_run_at_once_and_keeps_what_was_answered(store: AnswerStore) -> None:
    texts = [str(number) for number in range(1000)]
    sender = Echo(lambda text, attempt: StopError("HTTP 401: bad key") if text == "20" else 0.0)
    with pytest.raises(RunError, match="HTTP 401: bad key") as caught:
        run(texts, store, sender)
    assert "KEY" in (caught.value.hint or "")
    assert sum(sender.sent.values()) < 100
    assert sender.closed
    assert len(store.get([request(text).key for text in texts])) >= 10


def test_an_unreachable_server_stops_the_run(store: AnswerStore) -> None:
    with pytest.raises(RunError, match="cannot be reached"):
        run(["a", "b"], store, Echo(lambda text, attempt: UnreachableError("connection refused")))


def test_a_server_that_went_away_for_good_ends_the_run_with_everything_kept(store: AnswerStore) -> None:
    sender = Echo(lambda text, attempt: UnreachableError("gone") if int(text) >= 5 else 0.0)
    with pytest.raises(RunError, match="No call to m succeeded for 15 min: gone"):
        run([str(number) for number in range(30)], store, sender, concurrency=3)
    assert store.get([request(str(number)).key for number in range(5)]).keys()
    # Single calls try whether it is back, a minute apart: whoever waits for its return does not use up its attempts.
    assert sum(sender.sent.values()) < 60


def test_requests_are_drawn_as_the_window_advances(store: AnswerStore) -> None:
    drawn = 0

    def endless() -> Iterator[tuple[int, Request]]:
        nonlocal drawn
        while True:
            drawn += 1
            yield drawn, request(str(drawn))

    stream = ask(endless(), store=store, meter=Meter(), sender=Echo())
    assert next(stream)[1].text == "re: 1"
    stream.close()
    assert drawn < 2000


def test_a_stuck_call_bounds_what_waits_behind_it(store: AnswerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_LOOKAHEAD", 512)
    gate = asyncio.Event()

    class Stuck(Echo):
        async def send(self, request: Request, base_url: str) -> Reply:
            if asked(request) == "0":
                while sum(self.sent.values()) < 300:  # noqa: ASYNC110 - nothing signals that many were sent
                    await asyncio.sleep(0)
                await asyncio.sleep(0.05)
                assert sum(self.sent.values()) < 1100
                gate.set()
            return await super().send(request, base_url)

    answers = run([str(number) for number in range(3000)], store, Stuck())
    assert gate.is_set()
    assert len(answers) == 3000


def test_the_meter_counts_what_happened(store: AnswerStore) -> None:
    run(["old"], store)
    meter = Meter()
    run(["old", "new", "bad"], store, Echo(lambda t, a: PermanentError("no") if t == "bad" else 0.0), meter)
    assert (meter.done, meter.stored, meter.sent, meter.failed, meter.in_flight) == (3, 1, 2, 1, 0)


def test_no_more_calls_are_sent_than_allowed_and_those_are_kept(store: AnswerStore) -> None:
    texts = [str(number) for number in range(50)]
    sender = Echo()
    with pytest.raises(RunError, match="--max-calls 20 is reached"):
        run(texts, store, sender, bounds=Bounds(max_calls=20))
    assert sum(sender.sent.values()) == 20
    with pytest.raises(RunError):
        run(texts, store, Echo(), bounds=Bounds(max_calls=20))
    last = Echo()
    assert len(run(texts, store, last, bounds=Bounds(max_calls=20))) == 50
    assert sum(last.sent.values()) == 10


def test_a_run_that_needs_just_what_is_allowed_ends_well(store: AnswerStore) -> None:
    assert len(run(["a", "b"], store, bounds=Bounds(max_calls=2))) == 2


def test_too_many_failures_stop_the_run_with_everything_kept(store: AnswerStore) -> None:
    texts = [str(number) for number in range(1000)]
    sender = Echo(lambda text, attempt: PermanentError("HTTP 400") if int(text) % 2 else 0.0)
    with pytest.raises(RunError, match=r"calls failed, which is more than --max-failures 0\.2"):
        run(texts, store, sender, bounds=Bounds(max_failures=0.2))
    assert sum(sender.sent.values()) < 100
    store.flush()
    assert len(store.get([request(text).key for text in texts])) == sum(int(text) % 2 == 0 for text in sender.sent)


def test_the_first_ctrl_c_sends_nothing_more_and_keeps_what_is_in_flight(store: AnswerStore) -> None:
    def script(text: str, attempt: int) -> float:
        if text == "20":
            os.kill(os.getpid(), signal.SIGINT)
        return 0.01

    sender = Echo(script)
    with pytest.raises(KeyboardInterrupt):
        run([str(number) for number in range(200)], store, sender)
    sent = sum(sender.sent.values())
    assert 20 < sent < 40
    assert len(store.get([request(text).key for text in sender.sent])) == sent
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_call_that_waits_for_another_attempt_leaves_its_place_to_others(store: AnswerStore) -> None:
    sender = Echo(lambda text, attempt: ThrottledError("HTTP 429", 9.0) if (text, attempt) == ("a", 1) else 1.0)
    answers = run(["a", "b", "c"], store, sender, concurrency=1)
    assert [answer.text for _, answer in answers] == ["re: a", "re: b", "re: c"]
    assert sender.most_in_flight == 1
    assert sender.order == ["a", "b", "c", "a"]


def test_calls_that_come_back_together_never_overfill_the_window(store: AnswerStore) -> None:
    sender = Echo(lambda text, attempt: ThrottledError("HTTP 429") if attempt < 3 else 0.001)
    meter = Meter()
    assert len(run([str(number) for number in range(60)], store, sender, meter, concurrency=5)) == 60
    assert sender.most_in_flight <= 5
    assert meter.in_flight == 0


def test_a_kept_answer_that_is_asked_for_once_more_is_replaced_and_the_others_stay(store: AnswerStore) -> None:
    texts = ["a", "b", "c", "b"]
    run(
        texts, store, Echo(lambda text, attempt: b'{"choices": [{"message": {"content": ""}}]}' if text == "b" else 0.0)
    )
    requests, sender, meter = [(text, request(text)) for text in texts], Echo(), Meter()

    def unusable(about: str, answer: Answer) -> bool:
        return answer.status is not Status.OK

    answers = list(ask(requests, store=store, meter=meter, again=unusable, sender=sender))
    assert [answer.text for _, answer in answers] == ["re: a", "re: b", "re: c", "re: b"]
    assert sender.sent == {"b": 1}
    assert (meter.stored, meter.sent) == (2, 2)
    silent = Echo()
    assert run(texts, store, silent) == [(text, answer) for text, answer in run(texts, store, silent)]
    assert not silent.sent


def test_a_kept_answer_stays_when_nothing_better_comes(store: AnswerStore) -> None:
    run(["a"], store, Echo(lambda text, attempt: b'{"choices": [{"message": {"content": ""}}]}'))
    failing = Echo(lambda text, attempt: PermanentError("HTTP 400"))
    requests = [("a", request("a"))]
    [(_, answer)] = ask(requests, store=store, meter=Meter(), again=lambda about, answer: True, sender=failing)
    assert answer.status is Status.ERROR
    assert run(["a"], store, Echo())[0][1].status is Status.INVALID


def test_a_refusal_of_one_conversation_has_a_status_of_its_own(store: AnswerStore) -> None:
    answers = run(["a", "b"], store, Echo(lambda text, attempt: RefusedError("too long") if text == "a" else 0.0))
    assert [(answer.status, answer.error) for _, answer in answers] == [(Status.REFUSED, "too long"), (Status.OK, None)]


def test_servers_of_a_model_share_its_calls_and_a_dead_one_is_routed_around(store: AnswerStore) -> None:
    model = Model("m", "m", "http://a/v1", "KEY", other_urls=("http://b/v1", "http://dead/v1"))
    shares: Counter[str] = Counter()

    class Three(Echo):
        async def send(self, request: Request, base_url: str) -> Reply:
            shares[base_url] += 1
            if "dead" in base_url:
                raise UnreachableError("connection refused")
            return await super().send(request, base_url)

    requests = [(n, chat(model, [{"role": "user", "content": str(n)}], Sampling(), 0)) for n in range(3000)]
    sender = Three(lambda text, attempt: 1.0)
    answers = list(ask(requests, store=store, meter=Meter(), concurrency=50, sender=sender))
    assert {answer.status for _, answer in answers} == {Status.OK}
    assert shares["http://dead/v1"] < 100
    assert abs(shares["http://a/v1"] - shares["http://b/v1"]) < 300
