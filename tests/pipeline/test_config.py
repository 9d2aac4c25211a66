from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.config import Config, ModelTable, read_config
from prefpipe.pipeline.errors import UsageError


def write(text: str, path: str = "prefpipe.toml") -> None:
    Path(path).write_text(text, "utf-8")


def refused(text: str) -> UsageError:
    """Return the error that a configuration is refused with."""
    write(text)
    with pytest.raises(UsageError) as caught:
        read_config()
    assert caught.value.hint
    return caught.value


def test_without_a_file_nothing_is_configured() -> None:
    assert read_config() == Config()


def test_an_empty_file_configures_nothing() -> None:
    write("")
    assert read_config() == Config()


def test_every_key_of_a_model_is_read() -> None:
    write("""
        [models.judge]
        model = "gpt-5-mini"
        base_url = ["http://a:8000/v1/", "https://b/v1"]
        address = "ours"
        api_key_env = "JUDGE_KEY"
        prompt_price = 1
        completion_price = 2.5
        cached_prompt_price = 0.1
        requests_per_minute = 60
        tokens_per_minute = 1e6
        concurrency = 8
        max_tokens_name = "max_completion_tokens"
        temperature = false
        seed = false
        reasoning_effort = "low"
        response_format = "json_schema"
        logprobs = true
        extra_body = { top_k = 1, chat_template_kwargs = { enable_thinking = false } }
    """)
    table = read_config().models["judge"]
    assert table.base_urls == ("http://a:8000/v1", "https://b/v1")
    assert table == ModelTable(
        model="gpt-5-mini",
        base_url=["http://a:8000/v1/", "https://b/v1"],
        address="ours",
        api_key_env="JUDGE_KEY",
        prompt_price=1.0,
        completion_price=2.5,
        cached_prompt_price=0.1,
        requests_per_minute=60.0,
        tokens_per_minute=1e6,
        concurrency=8,
        max_tokens_name="max_completion_tokens",
        temperature=False,
        seed=False,
        reasoning_effort="low",
        response_format="json_schema",
        logprobs=True,
        extra_body={"top_k": 1, "chat_template_kwargs": {"enable_thinking": False}},
    )


def test_one_server_may_stand_without_a_list() -> None:
    write('[models.a]\nbase_url = "http://host/v1/"')
    assert read_config().models["a"].base_urls == ("http://host/v1",)


def test_the_environment_may_name_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("[models.here]")
    write("[models.there]", "other.toml")
    monkeypatch.setenv("PREFPIPE_CONFIG", str(tmp_path / "other.toml"))
    assert list(read_config().models) == ["there"]


def test_a_file_that_the_environment_names_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFPIPE_CONFIG", "missing.toml")
    with pytest.raises(UsageError, match=r"PREFPIPE_CONFIG names missing\.toml, which is no file"):
        read_config()


def test_what_is_no_toml_is_an_error_with_its_place() -> None:
    assert "line 2" in refused("[models.a]\nmodel = gpt\n").message


def test_an_unknown_table_is_refused_with_a_suggestion() -> None:
    error = refused("[model.a]")
    assert error.message == "prefpipe.toml: there is no table [model]."
    assert error.hint == "Did you mean 'models'?"


def test_an_unknown_key_is_refused_with_file_table_key_and_a_suggestion() -> None:
    error = refused('[models.judge]\nbase_ulr = "http://host/v1"')
    assert error.message == "prefpipe.toml: [models.judge] has no key 'base_ulr'."
    assert error.hint == "Did you mean 'base_url'?"


def test_a_name_with_a_dot_is_told_to_stand_in_quotes() -> None:
    error = refused("[models.gpt-4.1]\nseed = false")
    assert error.hint == 'A name with a dot stands in quotes: [models."gpt-4.1"].'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('prompt_price = "1"', "prompt_price: Expected `float"),
        ("prompt_price = -1", "prompt_price: Expected `float` >= 0"),
        ("prompt_price = inf", "prompt_price: inf is no amount"),
        ("prompt_price = nan", "prompt_price: "),
        ("prompt_price = true", "prompt_price: Expected `float"),
        ("requests_per_minute = 0", "requests_per_minute: Expected `float` > 0"),
        ("concurrency = 0", "concurrency: Expected `int` >= 1"),
        ("concurrency = 1.5", "concurrency: Expected `int"),
        ('model = ""', "model: Expected `str` of length >= 1"),
        ("temperature = 0.7", "temperature: Expected `bool`"),
        ('base_url = ["http://a/v1", 2]', "base_url: Expected `str`"),
        ("extra_body = 1", "extra_body: Expected `object`"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_file_table_and_key(line: str, said: str) -> None:
    assert f"prefpipe.toml: [models.a] {said}" in refused(f"[models.a]\n{line}").message


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('max_tokens_name = "max_token"', "Did you mean 'max_tokens'?"),
        ('response_format = "json_scheme"', "Did you mean 'json_schema'?"),
        ('response_format = "xml"', "Known: json_schema, none."),
    ],
)
def test_a_choice_that_is_none_is_refused_with_the_nearest_one(line: str, hint: str) -> None:
    assert refused(f"[models.a]\n{line}").hint == hint


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "sk-secret"',
        'API-Key = "sk-secret"',
        'token = "sk-secret"',
        'api_key_env = "sk-secret"',
        'api_key_env = "AIzaSySecret_secret"',
        'api_key_env = "secret"',
        'base_url = "http://user:secret@host/v1"',
        'base_url = "http://host/v1?key=secret"',
        'extra_body = { api_key = "sk-secret" }',
        'concurrency = "sk-secret"',
    ],
)
def test_a_key_in_the_file_is_refused_and_never_shown(line: str) -> None:
    error = refused(f"[models.a]\n{line}")
    assert "prefpipe.toml: [models.a]" in error.message
    assert "ecret" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize("url", ["host:8000/v1", "ftp://host/v1", "http:", "http:///v1", "http://a b/v1", "http://a#b"])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    assert f"base_url: {url} is no address" in refused(f'[models.a]\nbase_url = "{url}"').message


def test_a_list_of_servers_is_neither_empty_nor_repeats_one() -> None:
    assert "lists no server" in refused("[models.a]\nbase_url = []").message
    assert "twice" in refused('[models.a]\nbase_url = ["http://a/v1", "http://a/v1/"]').message


def test_a_key_in_the_file_is_told_where_to_go() -> None:
    error = refused('[models.a]\napi_key = "sk-secret"')
    assert error.message == "prefpipe.toml: [models.a] api_key: a key does not belong into a file."
    assert "api_key_env" in (error.hint or "")


@pytest.mark.parametrize("given", ["prompt_price = 1", "completion_price = 1", "cached_prompt_price = 1"])
def test_a_part_of_the_prices_is_refused(given: str) -> None:
    assert "a part of the prices" in refused(f"[models.a]\n{given}").message


@pytest.mark.parametrize("key", ["model", "messages", "seed", "stream", "temperature", "max_tokens", "n"])
def test_the_body_cannot_override_what_prefpipe_sends(key: str) -> None:
    assert f"extra_body must not set '{key}'" in refused(f"[models.a]\nextra_body = {{ {key} = 1 }}").message


def test_a_table_is_wanted_where_one_stands() -> None:
    assert "'models' is a value" in refused("models = 1").message
    assert "'models.a' is a value" in refused('[models]\na = "gpt-4o"').message


def test_a_name_must_be_one_that_can_be_typed() -> None:
    assert "is no name for a model" in refused('[models." a"]').message


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    Path("prefpipe.toml").write_text(text, "utf-8", "surrogatepass")
    try:
        said = str(read_config()) + "."
    except UsageError as error:
        said = error.message
    assert said.endswith(".")
