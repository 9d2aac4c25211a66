"""A probe against servers on a loopback port that ignore, refuse or misread fields in each of the known ways."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from prefpipe.pipeline.config import MaxTokensName
from prefpipe.pipeline.llm.client import Client
from prefpipe.pipeline.llm.models import Model, parse_model
from prefpipe.pipeline.llm.probe import Probe, limit_name, probe
from prefpipe.pipeline.llm.probe_questions import Heed
from prefpipe.pipeline.llm.simulator import Simulator, running
from prefpipe.pipeline.llm.simulator.service import Reply

Body = dict[str, Any]
KEY = "sk-very-secret"
FIELDS = {"max_tokens", "max_completion_tokens", "temperature", "seed", "logprobs", "json_schema"}


class Peculiar(Simulator):
    """A server whose replies depend on the fields of the request."""

    def __init__(
        self,
        refuse: Callable[[Body], tuple[int, str] | None] = lambda body: None,
        forget: Collection[str] = (),
        spoil: Callable[[Body], object] = lambda completion: None,
        headers: Mapping[str, str] = {},
        api_key: str | None = None,
    ) -> None:
        super().__init__(api_key=api_key)
        self.refuse, self.forget, self.spoil, self.more = refuse, forget, spoil, headers
        self.asked: list[Body] = []

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        asked = msgspec.json.decode(body)
        self.asked.append(asked)
        if why := self.refuse(asked):
            status, message = why
            return Reply(status, body=msgspec.json.encode({"error": {"message": message}}))
        kept = {name: value for name, value in asked.items() if name not in self.forget}
        reply = super().respond(method, path, headers, msgspec.json.encode(kept))
        completion = msgspec.json.decode(reply.body)
        self.spoil(completion)
        return replace(reply, headers={**reply.headers, **self.more}, body=msgspec.json.encode(completion))


def probed(server: Simulator, name: str = "judge", seconds: float = 20, **traits: Any) -> Probe:
    with running(server) as url:
        return asyncio.run(_probe(replace(parse_model(f"{name}@{url}"), **traits), seconds))


async def _probe(model: Model, seconds: float = 20) -> Probe:
    client = Client()
    try:
        return await probe(model, model.base_url, client, seconds)
    finally:
        await client.close()


def refusing(*names: str, status: int = 400) -> Callable[[Body], tuple[int, str] | None]:
    def refuse(body: Body) -> tuple[int, str] | None:
        found = next((name for name in names if name in body), None)
        return (status, f"Unsupported parameter: '{found}'.") if found else None

    return refuse


def test_the_embedded_simulator_does_all_that_it_is_asked() -> None:
    found = asyncio.run(_probe(parse_model("sim:judge")))
    assert (found.problem, found.snapshot, found.usage, found.reasoning) == (None, "sim:judge", True, False)
    assert found.heeds == dict.fromkeys(FIELDS, Heed.YES)
    assert (found.price, found.spent.unknown, found.refusals) == ("simulated", 0, {})
    assert found.seconds is not None
    assert found.calls == 4


def test_a_server_on_a_port_is_seen_as_the_embedded_one_but_for_its_price() -> None:
    found = probed(Simulator())
    assert (found.heeds, found.problem) == (dict.fromkeys(FIELDS, Heed.YES), None)
    assert (found.price, found.spent.unknown) == (None, 4)
    assert found.prompt_tokens
    assert found.completion_tokens


def test_a_limit_that_is_ignored_is_told_from_one_that_is_refused() -> None:
    assert probed(Peculiar(forget={"max_completion_tokens"})).heeds["max_completion_tokens"] is Heed.IGNORED
    found = probed(Peculiar(refusing("max_tokens")))
    assert found.heeds == dict.fromkeys(FIELDS, Heed.YES) | {"max_tokens": Heed.REFUSED}
    assert found.refusals == {"max_tokens": "HTTP 400: Unsupported parameter: 'max_tokens'."}


def test_a_server_that_knows_no_limit_at_all_can_be_used() -> None:
    found = probed(Peculiar(refusing("max_tokens", "max_completion_tokens")))
    assert found.problem is None
    assert found.heeds == dict.fromkeys(FIELDS, Heed.YES) | dict.fromkeys(
        ("max_tokens", "max_completion_tokens"), Heed.REFUSED
    )


def test_a_reasoning_model_that_runs_out_of_tokens_has_heeded_the_limit() -> None:
    def refuse(body: Body) -> tuple[int, str] | None:
        message = "Could not finish the message because max_tokens or model output limit was reached."
        return (400, message) if body.get("max_tokens") == 16 else None

    assert probed(Peculiar(refuse)).heeds == dict.fromkeys(FIELDS, Heed.YES)


@pytest.mark.parametrize("status", [400, 422, 404])
def test_each_option_that_a_server_refuses_is_named_alone(status: int) -> None:
    found = probed(Peculiar(refusing("temperature", "logprobs", status=status)))
    refused = dict.fromkeys(("temperature", "logprobs"), Heed.REFUSED)
    assert found.heeds == dict.fromkeys(FIELDS, Heed.YES) | refused
    assert found.refusals.keys() == refused.keys()


def test_probabilities_that_are_null_are_as_if_they_had_not_been_asked_for() -> None:
    found = probed(Peculiar(forget={"logprobs", "top_logprobs"}))
    assert found.heeds == dict.fromkeys(FIELDS, Heed.YES) | {"logprobs": Heed.IGNORED}


def test_a_server_error_at_a_schema_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefpipe.pipeline.llm.probe._WAIT_SECONDS", 0.001)
    server = Peculiar(refusing("response_format", status=500))
    found = probed(server)
    assert found.problem is None
    assert found.heeds == dict.fromkeys(FIELDS, Heed.YES) | {"json_schema": Heed.REFUSED}
    assert "HTTP 500" in found.refusals["json_schema"]


@pytest.mark.parametrize(
    ("said", "finish", "heed"),
    [
        ('{"verdict": "A"}', "stop", Heed.YES),
        ('{"verdict": "C"}', "stop", Heed.IGNORED),
        ('{"verdict": "A", "why": "so"}', "stop", Heed.IGNORED),
        ('["A"]', "stop", Heed.IGNORED),
        ("A is better.", "stop", Heed.IGNORED),
        ('{"verdict', "stop", Heed.IGNORED),
        ('{"verdict', "length", Heed.UNCLEAR),
        (None, "length", Heed.UNCLEAR),
    ],
)
def test_an_answer_is_checked_against_the_schema(said: str | None, finish: str, heed: Heed) -> None:
    def spoil(completion: Body) -> None:
        completion["choices"][0] |= {"message": {"role": "assistant", "content": said}, "finish_reason": finish}

    assert probed(Peculiar(spoil=spoil)).heeds["json_schema"] is heed


def test_what_else_a_server_tells_is_noted() -> None:
    def spoil(completion: Body) -> None:
        completion["choices"][0]["message"]["reasoning_content"] = "Let me think."
        completion |= {"usage": None, "model": "judge-2026-01-01"}

    limits = {"X-RateLimit-Limit-Requests": "60", "x-ratelimit-remaining-requests": "59", "x-other": "1"}
    found = probed(Peculiar(spoil=spoil, headers=limits))
    assert (found.reasoning, found.usage, found.snapshot) == (True, False, "judge-2026-01-01")
    assert found.rate_limits == {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"}
    assert (found.prompt_tokens, found.spent.unknown) == (0, 4)


def test_prices_of_the_configuration_tell_what_was_spent() -> None:
    found = probed(Simulator(), prompt_price=1.0, completion_price=2.0)
    assert found.price == "prefpipe.toml"
    assert found.spent.known == pytest.approx((found.prompt_tokens + 2 * found.completion_tokens) / 1e6)


def test_a_wrong_key_is_a_problem_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFPIPE_API_KEY", KEY)
    server = Peculiar(lambda body: (401, f"Incorrect API key: {KEY}."))
    found = probed(server)
    assert found.problem == "HTTP 401: Incorrect API key: ***."
    assert "PREFPIPE_API_KEY" in (found.hint or "")
    assert (len(server.asked), found.heeds) == (1, {})


def test_an_unknown_model_and_an_unreachable_server_are_problems() -> None:
    assert "'nobody' does not exist" in str(probed(Simulator(), "nobody").problem)
    gone = asyncio.run(_probe(parse_model("m@http://127.0.0.1:9/v1")))
    assert "no connection to http://127.0.0.1:9/v1" in str(gone.problem)


def test_a_server_that_refuses_everything_is_a_problem() -> None:
    found = probed(Peculiar(lambda body: (400, "No.")))
    assert (found.problem, found.calls) == ("HTTP 400: No.", 0)
    assert "Check the model's name (judge)" in str(found.hint)


def test_a_server_that_answers_with_a_page_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefpipe.pipeline.llm.probe._WAIT_SECONDS", 0.001)
    assert "is not a chat completion" in str(probed(Simulator(), "judge?garbage=1").problem)


def test_a_slow_server_is_given_up_after_the_time_allowed() -> None:
    assert probed(Simulator(), "judge?latency=60", seconds=0.05).problem == "no answer within 0.05 s"


def test_a_failure_in_passing_is_tried_again() -> None:
    found = probed(Simulator(), "judge?error_429=1&failures_in_a_row=1&retry_after=0.001")
    assert (found.problem, found.heeds) == (None, dict.fromkeys(FIELDS, Heed.YES))


@pytest.mark.parametrize("status", [429, 529])
def test_a_server_that_is_busy_has_refused_nothing(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefpipe.pipeline.llm.probe._WAIT_SECONDS", 0.001)
    found = probed(Peculiar(refusing("response_format", "seed", status=status)))
    unclear = dict.fromkeys(("temperature", "seed", "logprobs", "json_schema"), Heed.UNCLEAR)
    assert (found.problem, found.heeds, found.refusals) == (None, dict.fromkeys(FIELDS, Heed.YES) | unclear, {})


def test_what_a_server_says_it_charged_tells_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefpipe.pipeline.llm.prices.OPENROUTER", "127.0.0.1")

    def spoil(completion: Body) -> None:
        completion["usage"]["cost"] = 0.25

    found = probed(Peculiar(spoil=spoil))
    assert (found.price, found.spent.known, found.spent.unknown) == ("told by the server", 1.0, 0)


def test_a_server_that_asks_to_wait_for_long_is_a_problem_that_says_so() -> None:
    found = probed(Simulator(), "judge?error_429=1&retry_after=3600")
    assert str(found.problem).startswith("HTTP 429")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_is_first_tried_under_the_name_that_a_run_would_use(name: MaxTokensName) -> None:
    server = Peculiar()
    probed(server, max_tokens_name=name, extra_body={"top_k": 1}, reasoning_effort="low")
    assert server.asked[0][name] == 16
    assert all(body["top_k"] == 1 and body["reasoning_effort"] == "low" for body in server.asked)
    assert limit_name(replace(parse_model("sim:judge"), max_tokens_name=name)) == name
