import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.models import OPENAI_URL, parse_model, parse_models


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
    with pytest.raises(UsageError, match="is no model"):
        parse_model(spec)


def test_an_unknown_simulated_model_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        parse_model("sim:stronk")
    assert "strong" in (caught.value.hint or "")


def test_two_models_under_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="llama is named 2 times"):
        parse_models(["llama@http://a/v1", "llama@http://b/v1"])
