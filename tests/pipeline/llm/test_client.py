"""The real openai package against the simulator on a loopback port."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from prefpipe.pipeline.errors import RunError
from prefpipe.pipeline.llm.answers import Answer
from prefpipe.pipeline.llm.ask import ask
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model, parse_model
from prefpipe.pipeline.llm.requests import Sampling, chat
from prefpipe.pipeline.llm.simulator import Reply, Simulator, running
from prefpipe.pipeline.llm.store import AnswerStore
from prefpipe.pipeline.tables import Status

KEY = "sk-very-secret"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "answers.db") as opened:
        yield opened


def run(model: Model, calls: int, store: AnswerStore, meter: Meter | None = None) -> list[Answer]:
    requests = (
        (number, chat(model, [{"role": "user", "content": f"Question {number}?"}], Sampling(seed=1), 0))
        for number in range(calls)
    )
    return [answer for _, answer in ask(requests, store=store, meter=meter or Meter(), concurrency=32)]


def test_a_server_on_a_port_answers_as_the_embedded_simulator_does(store: AnswerStore) -> None:
    with running(Simulator()) as url:
        remote = run(parse_model(f"strong@{url}"), 20, store)
    embedded = run(parse_model("sim:strong"), 20, store)
    assert [answer.status for answer in remote] == [Status.OK] * 20
    assert all(answer.snapshot and answer.latency and answer.prompt_tokens for answer in remote)
    assert [answer.completion_tokens for answer in remote] == [answer.completion_tokens for answer in embedded]


def test_a_server_that_misbehaves_costs_attempts_but_no_row(store: AnswerStore) -> None:
    meter = Meter()
    with running(Simulator()) as url:
        spec = f"strong?error_429=0.2&error_500=0.1&drop=0.1&garbage=0.1&retry_after=0.01@{url}"
        troubled = run(parse_model(spec), 200, store, meter)
        smooth = run(parse_model(f"strong@{url}"), 200, store)
    assert meter.retries > 50
    assert [answer.status for answer in troubled] == [Status.OK] * 200
    said = [(answer.text or "").split("[simulated")[0] for answer in troubled]
    assert said == [(answer.text or "").split("[simulated")[0] for answer in smooth]


def test_a_wrong_key_stops_with_a_sentence_that_keeps_the_key_secret(
    store: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFPIPE_API_KEY", KEY)
    with running(Simulator(api_key="another")) as url, pytest.raises(RunError) as caught:
        run(parse_model(f"strong@{url}"), 5, store)
    assert "HTTP 401" in caught.value.message
    assert "PREFPIPE_API_KEY" in (caught.value.hint or "")
    assert KEY not in caught.value.message + (caught.value.hint or "")


def test_the_right_key_is_sent(store: AnswerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFPIPE_API_KEY", KEY)
    with running(Simulator(api_key=KEY)) as url:
        assert run(parse_model(f"strong@{url}"), 3, store)[0].status is Status.OK


def test_a_model_that_the_server_does_not_know_stops_the_run(store: AnswerStore) -> None:
    with running(Simulator()) as url, pytest.raises(RunError, match="does not serve nobody"):
        run(parse_model(f"nobody@{url}"), 5, store)


def test_a_server_that_is_not_there_stops_the_run(store: AnswerStore) -> None:
    with pytest.raises(RunError, match=r"cannot be reached: no connection to http://127\.0\.0\.1:9/v1"):
        run(parse_model("any@http://127.0.0.1:9/v1"), 5, store)


def test_refused_and_cut_answers_are_told_apart(store: AnswerStore) -> None:
    with running(Simulator()) as url:
        answers = run(parse_model(f"strong?refuse=0.3&truncate=0.3@{url}"), 60, store)
    statuses = {answer.status for answer in answers}
    assert statuses == {Status.OK, Status.REFUSED, Status.TRUNCATED}
    assert all(answer.error for answer in answers if answer.status is not Status.OK)


def test_no_key_reaches_the_store(store: AnswerStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFPIPE_API_KEY", KEY)
    with running(Simulator(api_key=KEY)) as url:
        run(parse_model(f"strong@{url}"), 3, store)
    store.flush()
    for file in tmp_path.iterdir():
        assert KEY.encode() not in file.read_bytes()


def test_the_package_prepares_one_call_and_the_others_take_over_its_head(
    store: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = 0
    post = openai.AsyncOpenAI.post

    async def counted(client: openai.AsyncOpenAI, *what: Any, **more: Any) -> Any:
        nonlocal prepared
        prepared += 1
        return await post(client, *what, **more)

    monkeypatch.setattr(openai.AsyncOpenAI, "post", counted)
    monkeypatch.setenv("PREFPIPE_API_KEY", KEY)
    with running(Simulator(api_key=KEY)) as url:
        answers = run(parse_model(f"strong?latency=0.05@{url}"), 100, store)
    assert [answer.status for answer in answers] == [Status.OK] * 100
    assert prepared == 1


def test_a_server_that_leads_elsewhere_is_followed(store: AnswerStore) -> None:
    class Moved(Simulator):
        def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
            if path.startswith("/old"):
                return Reply(307, {"Location": path.replace("/old", "/v1", 1)})
            return super().respond(method, path, headers, body)

    with running(Moved()) as url:
        answers = run(parse_model(f"strong@{url.removesuffix('/v1')}/old"), 50, store)
    assert [answer.status for answer in answers] == [Status.OK] * 50


def test_the_transport_that_serves_proxies_serves_all_calls(
    store: AnswerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Simulator()) as url:
        monkeypatch.setattr("prefpipe.pipeline.llm.client.transport_for", lambda _: httpx2.AsyncHTTPTransport())
        answers = run(parse_model(f"strong@{url}"), 20, store)
    assert [answer.status for answer in answers] == [Status.OK] * 20
