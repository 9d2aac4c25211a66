from typing import Any

import msgspec
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.simulator.models import PRESETS
from prefpipe.pipeline.llm.simulator.service import Reply, Simulator

CHAT = "/v1/chat/completions"


def body(model: str = "good", content: str = "Hi", **fields: Any) -> bytes:
    return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": content}], **fields})


def post(simulator: Simulator, sent: bytes, **headers: str) -> Reply:
    return simulator.respond("POST", CHAT, headers, sent)


def error(reply: Reply) -> Any:
    return msgspec.json.decode(reply.body)["error"]


def statuses(simulator: Simulator, sent: bytes, attempts: int) -> list[int]:
    return [post(simulator, sent).status for _ in range(attempts)]


@pytest.mark.parametrize("path", ["/chat/completions", CHAT, "/any/prefix/chat/completions", CHAT + "?api-version=1"])
def test_chat_completions_are_answered_under_any_prefix(path: str) -> None:
    reply = Simulator().respond("POST", path, {}, body())
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert msgspec.json.decode(reply.body)["object"] == "chat.completion"


def test_the_models_are_listed() -> None:
    reply = Simulator().respond("GET", "/v1/models", {}, b"")
    assert [model["id"] for model in msgspec.json.decode(reply.body)["data"]] == list(PRESETS)


def test_two_simulators_give_the_same_bytes() -> None:
    for model in ("good", "judge", "good?latency=1&latency_spread=1"):
        assert post(Simulator(), body(model)) == post(Simulator(), body(model))


def test_only_the_right_key_is_let_in() -> None:
    simulator = Simulator(api_key="secret")
    assert post(simulator, body(), authorization="Bearer secret").status == 200
    for headers in ({}, {"authorization": "Bearer other"}, {"authorization": "secret"}):
        reply = post(simulator, body(), **headers)
        assert (reply.status, error(reply)["code"]) == (401, "invalid_api_key")
        assert b"secret" not in reply.body
    assert simulator.respond("GET", "/v1/models", {}, b"").status == 401


@pytest.mark.parametrize("model", ["gpt-4o", "good?abilty=1", "good?seed=x", ""])
def test_an_unknown_model_is_not_found(model: str) -> None:
    reply = post(Simulator(), body(model))
    assert reply.status == 404
    assert error(reply)["code"] == "model_not_found"
    assert error(reply)["param"] == "model"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", CHAT, 405), ("POST", "/v1/models", 405), ("POST", "/v1/embeddings", 404)]
)
def test_other_routes_are_refused(method: str, path: str, status: int) -> None:
    assert Simulator().respond(method, path, {}, b"").status == status


def test_a_wrong_request_is_refused_as_openai_does() -> None:
    reply = post(Simulator(), body(temperature=3))
    assert reply.status == 400
    assert set(error(reply)) == {"message", "type", "param", "code"}
    assert error(reply)["param"] == "temperature"


def test_a_failing_request_succeeds_after_its_failures_with_the_answer_of_a_smooth_one() -> None:
    simulator = Simulator()
    plain = msgspec.json.decode(post(simulator, body("good")).body)["choices"]
    sent = body("good?error_429=0.5&error_500=0.5")
    found = statuses(simulator, sent, 3)
    assert set(found) <= {429, 500}
    reply = post(simulator, sent)
    assert reply.status == 200
    (choice,) = msgspec.json.decode(reply.body)["choices"]
    said, _, mark = choice["message"]["content"].rpartition("[")
    assert said == plain[0]["message"]["content"].rpartition("[")[0]
    assert mark.startswith("simulated by good?error_429")
    assert statuses(simulator, sent, 4) == [*found, 200]


def test_nothing_is_remembered_of_requests_that_passed() -> None:
    simulator = Simulator()
    for i in range(50):
        sent = body("good?drop=0.5", content=f"Question {i}")
        while post(simulator, sent).drop:
            pass
    assert not simulator._failed


def test_each_failure_looks_as_it_should() -> None:
    simulator = Simulator()
    refused = post(simulator, body("good?error_429=1&retry_after=1.5&latency=9"))
    assert (refused.status, refused.delay) == (429, 0)
    assert (refused.headers["retry-after-ms"], refused.headers["retry-after"]) == ("1500", "2")
    failed = post(simulator, body("good?error_500=1"))
    assert (failed.status, error(failed)["type"]) == (500, "server_error")
    assert post(simulator, body("good?drop=1")).drop
    garbage = post(simulator, body("good?garbage=1"))
    assert garbage.status == 200
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(garbage.body)


def test_the_latency_is_the_delay_of_the_reply() -> None:
    assert post(Simulator(), body("good?latency=0.5")).delay == 0.5


def test_defaults_hold_for_every_model() -> None:
    simulator = Simulator(defaults={"latency": 0.5})
    assert post(simulator, body("good")).delay == 0.5
    assert post(simulator, body("good?latency=0.1")).delay == 0.1


@pytest.mark.parametrize("defaults", [{"speed": 1.0}, {"drop": 2.0}])
def test_a_wrong_default_is_refused_at_once(defaults: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Simulator(defaults=defaults)


def test_what_was_served_is_counted() -> None:
    simulator = Simulator()
    for sent in [body("good"), body("sim:good"), body("judge"), body("gpt"), body("good?drop=1"), b"{"]:
        post(simulator, sent)
    assert simulator.served.by_model == {"good": 2, "judge": 1, "good?drop=1": 1}
    assert simulator.served.by_status == {200: 3, 404: 1, 0: 1, 400: 1}
