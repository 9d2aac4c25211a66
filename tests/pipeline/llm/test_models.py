from dataclasses import replace
from pathlib import Path

import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.models import OPENAI_URL, Model, configured_models, parse_model, parse_models
from prefpipe.pipeline.llm.requests import Sampling, chat


def configure(text: str) -> None:
    Path("prefpipe.toml").write_text(text, "utf-8")


def key_of(model: Model) -> str:
    return chat(model, [{"role": "user", "content": "hello"}], Sampling(), 0).key


def test_a_bare_name_is_asked_at_openai_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    model = parse_model("gpt-4o-mini")
    assert (model.base_url, model.api_key, model.simulated) == (OPENAI_URL, "sk-secret", False)


def test_a_bare_name_follows_openai_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1234/v1/")
    assert parse_model("llama").base_url == "http://localhost:1234/v1"


def test_without_a_key_nothing_is_asked_at_openai() -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        parse_model("gpt-4o-mini")


def test_the_openai_key_never_goes_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    model = parse_model("org/llama-3:8b@http://host:8000/v1/")
    assert (model.name, model.base_url) == ("org/llama-3:8b", "http://host:8000/v1")
    assert "sk-secret" not in model.api_key


def test_a_key_is_no_part_of_what_a_model_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(parse_model("gpt-4o-mini"))


@pytest.mark.parametrize("spec", ["", " gpt", "a@b", "name@ftp://host", "@http://host/v1"])
def test_a_malformed_spec_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="is not a model name"):
        parse_model(spec)


def test_an_unknown_simulated_model_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        parse_model("sim:stronk")
    assert "strong" in (caught.value.hint or "")


def test_two_models_under_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="llama is named 2 times"):
        parse_models(["llama@http://a/v1", "llama@http://b/v1"])


def test_a_configured_name_is_what_its_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "secret")
    configure("""
        [models.judge]
        model = "org/judge-8b"
        base_url = ["http://a/v1/", "http://b/v1"]
        api_key_env = "OUR_KEY"
        prompt_price = 1
        completion_price = 2
        temperature = false
        concurrency = 4
        extra_body = { top_k = 1 }
    """)
    assert parse_model("judge") == Model(
        "judge",
        "org/judge-8b",
        "http://a/v1",
        "OUR_KEY",
        other_urls=("http://b/v1",),
        prompt_price=1.0,
        completion_price=2.0,
        takes_temperature=False,
        concurrency=4,
        extra_body={"top_k": 1},
    )
    assert parse_model("judge").api_key == "secret"
    assert parse_model("judge").base_urls == ("http://a/v1", "http://b/v1")


def test_a_table_without_a_server_configures_the_model_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    configure('[models.gpt-4o-mini]\nconcurrency = 4\n[models.cheap]\nmodel = "gpt-4o-mini"')
    plain = Model("gpt-4o-mini", "gpt-4o-mini", OPENAI_URL, "OPENAI_API_KEY")
    assert parse_model("gpt-4o-mini") == replace(plain, concurrency=4)
    assert parse_model("cheap") == replace(plain, name="cheap")


def test_a_simulated_model_may_have_a_name_and_a_price_of_its_own() -> None:
    configure('[models.cheap]\nmodel = "sim:weak"\nprompt_price = 1\ncompletion_price = 2')
    model = parse_model("cheap")
    assert (model.name, model.sent_name, model.simulated, model.prompt_price) == ("cheap", "sim:weak", True, 1.0)


def test_the_openai_key_goes_to_no_configured_server_but_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PREFPIPE_API_KEY", "other")
    configure(f"""
        [models.one]
        base_url = "http://host/v1"
        [models.two]
        base_url = ["{OPENAI_URL}", "http://host/v1"]
        [models.three]
        base_url = "{OPENAI_URL}/"
    """)
    assert [parse_model(name).api_key for name in ("one", "two", "three")] == ["other", "other", "sk-secret"]


def test_a_configured_key_that_is_not_set_is_missed_at_once() -> None:
    configure('[models.judge]\nbase_url = "http://host/v1"\napi_key_env = "OUR_KEY"')
    with pytest.raises(UsageError, match="The key of the model judge is to stand in the environment variable OUR_KEY"):
        parse_model("judge")


def test_another_server_of_a_configured_name_needs_not_its_key() -> None:
    configure('[models.judge]\nbase_url = "http://host/v1"\napi_key_env = "OUR_KEY"')
    assert parse_model("judge@http://other/v1").key_variable == "PREFPIPE_API_KEY"


def test_configured_models_are_known_without_their_keys() -> None:
    configure('[models.judge]\nbase_url = "http://host/v1"\napi_key_env = "OUR_KEY"\n[models.gpt-4o]')
    assert [model.name for model in configured_models()] == ["judge", "gpt-4o"]


def test_without_openai_configured_models_are_named_in_its_place() -> None:
    configure('[models.judge]\nbase_url = "http://host/v1"')
    with pytest.raises(UsageError) as caught:
        parse_model("jugde")
    assert "or a model of prefpipe.toml: judge" in (caught.value.hint or "")


def test_a_broken_configuration_stops_every_model() -> None:
    configure("[models.judge]\nunknown = 1")
    with pytest.raises(UsageError, match=r"prefpipe\.toml: \[models\.judge\] has no key 'unknown'"):
        parse_model("sim:strong")


def test_the_key_of_a_request_does_not_depend_on_which_server_answers() -> None:
    alone = Model("m", "m", "http://a/v1", "KEY")
    several = replace(alone, other_urls=("http://b/v1", "http://c/v1"))
    assert several.address == alone.address == "http://a/v1"
    assert key_of(several) == key_of(alone)


def test_an_address_of_its_own_stands_for_whatever_servers_there_are() -> None:
    first, second = (Model("m", "m", f"http://{host}/v1", "KEY", own_address="our gpus") for host in "ab")
    assert first.address == second.address == "our gpus"


def test_the_key_of_a_request_to_one_server_is_what_it_always_was() -> None:
    assert key_of(Model("m", "m", "http://a/v1", "KEY")) == "3135074195298de501a381450aaaab91"


def test_models_with_bodies_of_their_own_can_be_told_apart_and_looked_up() -> None:
    models = [Model("m", "m", "http://a/v1", "KEY", extra_body={"top_k": number}) for number in range(3)]
    assert {model: model.extra_body["top_k"] for model in models} == dict(zip(models, range(3), strict=True))


@pytest.mark.parametrize(
    ("setting", "takes"), [("", False), ('response_format = "json_schema"', True), ('response_format = "none"', False)]
)
def test_a_server_is_known_to_take_a_schema_where_the_configuration_says_so(setting: str, takes: bool) -> None:
    configure(f'[models.judge]\nbase_url = "http://a/v1"\nlogprobs = false\n{setting}\n')
    (model,) = parse_models(["judge"])
    assert (model.takes_schema, model.logprobs) == (takes, False)


def test_openai_takes_schemas_and_an_unknown_server_behind_the_same_name_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert parse_model("gpt-4o-mini").takes_schema
    assert not parse_model("gpt-4o-mini@http://a/v1").takes_schema
    assert parse_model("sim:judge").takes_schema
