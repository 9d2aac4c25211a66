import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.failures import PermanentError, TransientError
from prefpipe.pipeline.llm.requests import Request
from prefpipe.pipeline.llm.sender import Reply
from prefpipe.pipeline.llm.simulator import Simulator, running
from prefpipe.pipeline.models import check, show

CONFIG = """
[models.llama]
model = "meta-llama/Llama-3.1-8B"
base_url = ["http://gpu1:8000/v1", "http://gpu2:8000/v1"]
prompt_price = 0.1
completion_price = 0.3
requests_per_minute = 60

[models.gpt-4o-mini]
"""


class Fussy:
    """Servers that refuse fields, by their address; all else is answered as the simulator would."""

    def __init__(self, refused: Mapping[str, Sequence[str]]) -> None:
        self.refused, self.simulator = refused, Simulator()

    async def send(self, request: Request, base_url: str) -> Reply:
        body = msgspec.json.decode(request.body)
        if name := next((name for name in self.refused[base_url] if name in body), None):
            raise PermanentError(f"HTTP 400: no {name}")
        reply = self.simulator.respond(
            "POST", "/v1/chat/completions", {}, msgspec.json.encode(body | {"model": "judge"})
        )
        return Reply(reply.body, 0.1)

    async def close(self) -> None:
        """End."""


def configure(text: str) -> None:
    Path("prefpipe.toml").write_text(text, "utf-8")


def advice(spec: str, *refused: str) -> str | None:
    """Return what is advised for a model that refuses fields."""
    url = spec.rpartition("@")[2]
    return check([spec], sender=Fussy({url: refused})).advice.get(spec)


def test_the_models_of_the_configuration_are_shown_whether_or_not_their_keys_are_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(CONFIG)
    monkeypatch.setenv("PREFPIPE_API_KEY", "sk-secret")
    llama, mini = show()
    assert (llama.model, llama.sent_name, list(llama.servers)) == (
        "llama",
        "meta-llama/Llama-3.1-8B",
        ["http://gpu1:8000/v1", "http://gpu2:8000/v1"],
    )
    assert (llama.key_variable, llama.key_is_set, llama.requests_per_minute) == ("PREFPIPE_API_KEY", True, 60)
    assert llama.price
    assert (llama.price.prompt, llama.price.completion) == (0.1, 0.3)
    assert (mini.key_variable, mini.key_is_set) == ("OPENAI_API_KEY", False)
    assert mini.price
    assert "sk-secret" not in repr((llama, mini))


def test_without_a_configuration_nothing_is_shown_and_nothing_can_be_checked() -> None:
    assert show() == []
    with pytest.raises(UsageError, match="names no model"):
        check()


def test_a_configuration_with_a_mistake_is_named_before_anything_is_asked() -> None:
    configure("[models.a]\ntemprature = false")
    with pytest.raises(UsageError, match="has no key 'temprature'"):
        check(["sim:strong"])


def test_a_model_that_cannot_be_used_stops_no_other() -> None:
    with running(Simulator()) as url:
        found = check(["gpt-4o-mini", f"judge@{url}", "m@http://127.0.0.1:9/v1", "sim:nope", "sim:judge"])
    assert [probe.model for probe in found.probes] == ["gpt-4o-mini", "judge", "m", "sim:nope", "sim:judge"]
    assert [probe.problem is None for probe in found.probes] == [False, True, False, False, True]
    assert "OPENAI_API_KEY is not set" in str(found.probes[0].problem)
    assert "no simulated model 'nope'" in str(found.probes[3].problem)


def test_all_models_of_the_configuration_are_checked_each_at_all_its_servers() -> None:
    with running(Simulator()) as one, running(Simulator()) as two:
        configure(f'[models.a]\nmodel = "judge"\nbase_url = ["{one}", "{two}"]\n[models.b]\nmodel = "sim:weak"')
        found = check()
    assert [(probe.model, probe.server) for probe in found.probes][:2] == [("a", one), ("a", two)]
    assert [probe.model for probe in found.probes] == ["a", "a", "b"]
    assert all(probe.problem is None for probe in found.probes)


def test_a_model_is_checked_once_however_often_it_is_named() -> None:
    assert len(check(["sim:judge", "sim:judge"]).probes) == 1


def test_nothing_is_kept() -> None:
    check(["sim:judge"])
    assert list(Path().iterdir()) == []


def test_what_needs_no_change_gets_no_advice() -> None:
    assert check(["sim:strong", "sim:judge"]).advice == {}


def test_the_advice_is_a_table_that_makes_the_model_usable() -> None:
    url = "http://gpu/v1"
    said = advice(f"Qwen/Q-3@{url}", "max_tokens", "temperature", "seed", "response_format", "logprobs")
    assert said
    table = tomllib.loads(said)["models"]["Qwen/Q-3"]
    assert table == {
        "base_url": url,
        "max_tokens_name": "max_completion_tokens",
        "temperature": False,
        "seed": False,
        "response_format": "none",
        "logprobs": False,
    }
    assert "# prompt_price" in said


def test_advice_that_was_followed_is_not_given_again() -> None:
    refused = {"http://gpu/v1": ("max_tokens", "temperature", "seed", "response_format", "logprobs")}
    configure(
        '[models.q]\nbase_url = "http://gpu/v1"\nmax_tokens_name = "max_completion_tokens"\ntemperature = false\n'
        'seed = false\nresponse_format = "none"\nlogprobs = false\nprompt_price = 0\ncompletion_price = 0'
    )
    assert check(["q"], sender=Fussy(refused)).advice == {}


def test_a_server_of_somebody_else_that_takes_a_schema_is_to_be_trusted_with_one() -> None:
    said = advice("m@http://gpu/v1")
    assert said
    assert tomllib.loads(said)["models"]["m"] == {"base_url": "http://gpu/v1", "response_format": "json_schema"}


def test_advice_for_several_servers_is_what_all_of_them_can_do() -> None:
    configure(
        '[models.q]\nbase_url = ["http://a/v1", "http://b/v1"]\nresponse_format = "json_schema"\n'
        "prompt_price = 0\ncompletion_price = 0"
    )
    said = check(sender=Fussy({"http://a/v1": (), "http://b/v1": ("seed", "response_format")})).advice["q"]
    assert tomllib.loads(said)["models"]["q"] == {"seed": False, "response_format": "none"}


def test_two_models_of_the_same_name_at_different_servers_each_get_their_own_advice() -> None:
    servers = Fussy({"http://a/v1": ("seed",), "http://b/v1": ()})
    found = check(["m@http://a/v1", "m@http://b/v1"], sender=servers).advice
    assert ["seed = false" in found[spec] for spec in ("m@http://a/v1", "m@http://b/v1")] == [True, False]


def test_a_server_that_is_down_gives_no_advice() -> None:
    class Down(Fussy):
        async def send(self, request: Request, base_url: str) -> Reply:
            raise TransientError("no answer within 60 s")

    assert check(["m@http://gpu/v1"], timeout=0.1, sender=Down({})).advice == {}
