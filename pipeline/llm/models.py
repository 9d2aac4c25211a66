"""Model specs as users type them: `gpt-4o-mini`, `llama-3@http://host:8000/v1`, `sim:strong`, or a configured name."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..config import Config, MaxTokensName, ModelTable, ResponseFormat, read_config
from ..errors import UsageError

OPENAI_URL = "https://api.openai.com/v1"
SIMULATOR_URL = "http://simulator.invalid/v1"

NO_KEY = "none"
"""What is sent to servers that want no key."""

_OPENAI_KEY = "OPENAI_API_KEY"
_OTHER_KEY = "PREFPIPE_API_KEY"
_WITH_URL = re.compile(r"(?P<name>.+)@(?P<url>https?://\S+)")


@dataclass(frozen=True)
class Model:
    """A model and where to reach it.

    Attributes:
        name: As it stands in tables.
        sent_name: As its server knows it.
        base_url: Where its server is; without a slash at the end.
        key_variable: The environment variable that holds the key; the key itself is read only when a call is sent.
        simulated: Whether it is embedded, so that no network is needed.
        other_urls: Where more servers of it are; any of them may answer in place of the first.
        own_address: What stands for the servers in the answer store, where their own addresses do not last.
        prompt_price: US dollars per million tokens, where prefpipe.toml gives it; so with the other prices.
        completion_price: Likewise.
        cached_prompt_price: Likewise, of tokens that the server had in its own cache.
        requests_per_minute: The most calls a minute, over all servers together, where prefpipe.toml limits them.
        tokens_per_minute: Likewise, of tokens.
        concurrency: The most calls in flight to this model, where prefpipe.toml limits them.
        max_tokens_name: The name of the limit of an answer, where prefpipe.toml says it.
        takes_temperature: Whether it may be sent a temperature.
        takes_seed: Whether it may be sent a seed.
        reasoning_effort: Sent as it stands.
        response_format: "json_schema" or "none", where prefpipe.toml says which the server knows.
        logprobs: Whether it gives the probabilities of tokens, where prefpipe.toml says so.
        extra_body: Sent along with every request.
    """

    name: str
    sent_name: str
    base_url: str
    key_variable: str
    simulated: bool = False
    other_urls: tuple[str, ...] = ()
    own_address: str | None = None
    prompt_price: float | None = None
    completion_price: float | None = None
    cached_prompt_price: float | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None
    max_tokens_name: MaxTokensName | None = None
    takes_temperature: bool = True
    takes_seed: bool = True
    reasoning_effort: str | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def api_key(self) -> str:
        """The key to send; servers that want none get a placeholder."""
        return os.environ.get(self.key_variable) or NO_KEY

    @property
    def takes_schema(self) -> bool:
        """Whether it is known to take a JSON schema: by prefpipe.toml, or because OpenAI's own server does."""
        if self.response_format is not None:
            return self.response_format == "json_schema"
        return self.simulated or set(self.base_urls) == {OPENAI_URL}

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where it may be asked; each server gives answers that are as good as the others'."""
        return (self.base_url, *self.other_urls)

    @property
    def address(self) -> str:
        """What stands for its servers in a request's key and in the answer store, whichever of them answers.

        It is the first server's address unless prefpipe.toml gives another: a server that is added later, or one whose
        name changes from job to job, does not make paid answers unknown.
        """
        return self.own_address or self.base_url


def parse_model(spec: str, *, to_send: bool = True) -> Model:
    """Return the model that a spec names.

    A name of prefpipe.toml is what its table says. A bare name is asked at `OPENAI_BASE_URL` (or OpenAI itself) with
    `OPENAI_API_KEY`. A name with `@base_url` is asked there, with `PREFPIPE_API_KEY` if that is set: the OpenAI key
    never goes to another host. `sim:` names are answered by the embedded simulator. Where nothing is to be sent, no key
    is needed.

    Raises:
        UsageError: The spec is malformed, an unknown simulated model, or lacks its key; or prefpipe.toml is wrong.
    """
    config = read_config()
    model = _find(spec, config)
    if to_send and not os.environ.get(model.key_variable):
        _check_no_key_is_needed(model, config.models.get(spec), list(config.models))
    return model


def configured_models() -> list[Model]:
    """Return the models of prefpipe.toml, whether or not their keys are set: enough to know their prices.

    Raises:
        UsageError: prefpipe.toml is wrong.
    """
    config = read_config()
    return [_find(name, config) for name in config.models]


def _find(spec: str, config: Config) -> Model:
    table = config.models.get(spec)
    return _named_in_full(spec) if table is None else _configured(spec, table)


def _named_in_full(spec: str) -> Model:
    """Return the model of a spec that says where it is, or that stands at OpenAI."""
    if spec.startswith("sim:"):
        from .simulator import parse_model as parse_simulated

        parse_simulated(spec)
        return Model(spec, spec, SIMULATOR_URL, "PREFPIPE_SIMULATOR_KEY", simulated=True)
    if match := _WITH_URL.fullmatch(spec):
        return Model(match["name"], match["name"], match["url"].rstrip("/"), _OTHER_KEY)
    if not spec or "@" in spec or spec != spec.strip():
        raise UsageError(
            f"'{spec}' is not a model name.", "Write a name (gpt-4o-mini), name@http://host:port/v1, or sim:strong."
        )
    return Model(spec, spec, os.environ.get("OPENAI_BASE_URL", OPENAI_URL).rstrip("/"), _OPENAI_KEY)


def _configured(name: str, table: ModelTable) -> Model:
    if urls := table.base_urls:
        sent_name = table.model or name
        key = _OPENAI_KEY if set(urls) == {OPENAI_URL} else _OTHER_KEY
        model = Model(name, sent_name, urls[0], key, other_urls=urls[1:])
    else:
        model = _named_in_full(table.model or name)
    return replace(
        model,
        name=name,
        key_variable=table.api_key_env or model.key_variable,
        own_address=table.address,
        prompt_price=table.prompt_price,
        completion_price=table.completion_price,
        cached_prompt_price=table.cached_prompt_price,
        requests_per_minute=table.requests_per_minute,
        tokens_per_minute=table.tokens_per_minute,
        concurrency=table.concurrency,
        max_tokens_name=table.max_tokens_name,
        takes_temperature=table.temperature,
        takes_seed=table.seed,
        reasoning_effort=table.reasoning_effort,
        response_format=table.response_format,
        logprobs=table.logprobs,
        extra_body=table.extra_body,
    )


def _check_no_key_is_needed(model: Model, table: ModelTable | None, configured: Sequence[str]) -> None:
    """Refuse a model whose key is known to be missing, before a million calls find out."""
    if table and table.api_key_env:
        raise UsageError(
            f"The key of the model {model.name} is to stand in the environment variable {model.key_variable}, "
            "which is not set.",
            "Set it, or leave out api_key_env if the server wants no key.",
        )
    if OPENAI_URL in model.base_urls:
        others = f", or a model of prefpipe.toml: {', '.join(configured)}" if configured else ""
        raise UsageError(
            f"The model {model.name} is to be asked at OpenAI, but {model.key_variable} is not set.",
            f"Set it, or name another server: {model.name}@http://host:port/v1{others}.",
        )


def parse_models(specs: Sequence[str], *, to_send: bool = True) -> list[Model]:
    """Return the models that specs name, each under a name of its own.

    Raises:
        UsageError: There is no spec, or two would stand under the same name in a table.
    """
    models = [parse_model(spec, to_send=to_send) for spec in specs]
    if not models:
        raise UsageError("No model is named.", "Name at least one, such as gpt-4o-mini or sim:strong.")
    name, count = Counter(model.name for model in models).most_common(1)[0]
    if count > 1:
        raise UsageError(f"The model {name} is named {count} times.", "Name each model once; use -n for more samples.")
    return models
