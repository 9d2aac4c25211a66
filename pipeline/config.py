"""The settings of `prefpipe.toml`: what differs between servers and models, written down once under a name.

    [models.judge]
    model = "gpt-5-mini"
    temperature = false
    reasoning_effort = "low"

    [models.llama]
    model = "meta-llama/Llama-3.1-8B-Instruct"
    base_url = ["http://gpu1:8000/v1", "http://gpu2:8000/v1"]
    address = "our gpus"

The file stands in the working folder, or where PREFPIPE_CONFIG says. It holds no keys, so that it can be shared: a
model names the environment variable that holds its key.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from .errors import UsageError, did_you_mean

FILE = Path("prefpipe.toml")
VARIABLE = "PREFPIPE_CONFIG"

Text = Annotated[str, msgspec.Meta(min_length=1)]
Price = Annotated[float, msgspec.Meta(ge=0)]
Rate = Annotated[float, msgspec.Meta(gt=0)]

MaxTokensName = Literal["max_tokens", "max_completion_tokens"]
ResponseFormat = Literal["json_schema", "none"]

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_KEY_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_LITERAL_KEYS = frozenset({"api_key", "apikey", "api_token", "authorization", "bearer", "key", "secret", "token"})
_OWN_FIELDS = frozenset(
    {"logprobs", "max_completion_tokens", "max_tokens", "messages", "model", "n", "reasoning_effort"}
    | {"response_format", "seed", "stream", "temperature", "top_logprobs"}
)


class ModelTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[models.NAME]` table. What it leaves out is as for a model that is named on the command line.

    Attributes:
        model: The server's name for it; the table's own name where it is left out.
        base_url: Where it is asked; several servers share the load.
        address: What stands for the servers in the answer store, where their own addresses do not last.
        api_key_env: The environment variable that holds the key.
        prompt_price: US dollars per million tokens.
        completion_price: US dollars per million tokens.
        cached_prompt_price: US dollars per million tokens that the server had in its own cache.
        requests_per_minute: What the account allows, over all servers together.
        tokens_per_minute: What the account allows, over all servers together.
        concurrency: The most calls in flight to this model.
        max_tokens_name: Which of its two names the server knows the limit of an answer by.
        temperature: Whether it takes a temperature.
        seed: Whether it takes a seed.
        reasoning_effort: Sent as it stands.
        response_format: Whether it takes a JSON schema.
        logprobs: Whether it gives the probabilities of tokens.
        extra_body: Sent along with every request.
    """

    model: Text | None = None
    base_url: Text | list[Text] | None = None
    address: Text | None = None
    api_key_env: Text | None = None
    prompt_price: Price | None = None
    completion_price: Price | None = None
    cached_prompt_price: Price | None = None
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    concurrency: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_tokens_name: MaxTokensName | None = None
    temperature: bool = True
    seed: bool = True
    reasoning_effort: Text | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    extra_body: dict[str, Any] = {}

    @property
    def base_urls(self) -> tuple[str, ...]:
        """Where it is asked, without slashes at the ends; none where that is left to the model's name."""
        urls = [self.base_url] if isinstance(self.base_url, str) else self.base_url or []
        return tuple(url.rstrip("/") for url in urls)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a `prefpipe.toml` says.

    Attributes:
        models: The models that it names.
    """

    models: dict[str, ModelTable] = {}


def read_config() -> Config:
    """Return the settings that hold here; without a file there are none.

    Raises:
        UsageError: PREFPIPE_CONFIG names no file, the file is no TOML, or it holds what is not known.
    """
    named = os.environ.get(VARIABLE)
    path = Path(named or FILE)
    if not path.is_file():
        if named:
            raise UsageError(f"{VARIABLE} names {path}, which is no file.", "Correct or unset the variable.")
        return Config()
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}.", "Correct the file.") from error
    known = list(Config.__struct_fields__)
    for name in tables:
        if name not in known:
            raise UsageError(f"{path}: there is no table [{name}].", did_you_mean(name, known))
    models = _table(path, "models", tables.get("models", {}))
    return Config({name: _model(path, name, options) for name, options in models.items()})


def _table(path: Path, name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(
            f"{path}: '{name}' is a value where a table is wanted.", f"Write [{name}] on a line of its own."
        )
    return value


def _model(path: Path, name: str, value: object) -> ModelTable:
    """Return a model's table, each key checked on its own, so that an error can name it."""
    if not name or name != name.strip():
        raise UsageError(f"{path}: '{name}' is no name for a model.", "Leave out the blanks around it.")
    place = f"{path}: [models.{name}]"
    options = _table(path, f"models.{name}", value)
    fields = {field.name: field.type for field in msgspec.structs.fields(ModelTable)}
    _refuse_literal_keys(place, options)
    for key, option in options.items():
        if key not in fields:
            hint = f'A name with a dot stands in quotes: [models."{name}.{key}"].' if isinstance(option, dict) else None
            raise UsageError(f"{place} has no key '{key}'.", hint or did_you_mean(key, fields))
    table = ModelTable(**{key: _converted(f"{place} {key}", option, fields[key]) for key, option in options.items()})
    _check_variable(place, table.api_key_env)
    _check_urls(place, table)
    _check_prices(place, table)
    _check_body(place, table.extra_body)
    return table


def _converted(place: str, value: object, kind: Any) -> Any:
    try:
        converted = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # A key may have been written into any of them, so the value itself is not shown.
        raise UsageError(f"{place}: {error}.", _choices(value, kind) or "Correct the value.") from None
    if isinstance(converted, float) and not isfinite(converted):
        raise UsageError(f"{place}: {converted} is no amount.", "Leave out what is not known.")
    return converted


def _choices(value: object, kind: Any) -> str | None:
    known = [choice for part in get_args(kind) if get_origin(part) is Literal for choice in get_args(part)]
    return did_you_mean(str(value), known)


def _refuse_literal_keys(place: str, options: Mapping[str, Any]) -> None:
    for key in options:
        if key.lower().replace("-", "_") in _LITERAL_KEYS:
            raise UsageError(
                f"{place} {key}: a key does not belong into a file.",
                'Put it into an environment variable, and name that: api_key_env = "MY_API_KEY".',
            )


def _check_variable(place: str, variable: str | None) -> None:
    if variable is not None and not _KEY_VARIABLE.fullmatch(variable):
        raise UsageError(
            f"{place} api_key_env must be the name of an environment variable, in capitals; it is none.",
            'Put the key itself into the environment, and write api_key_env = "MY_API_KEY".',
        )


def _check_urls(place: str, table: ModelTable) -> None:
    urls = table.base_urls
    if table.base_url is not None and not urls:
        raise UsageError(f"{place} base_url lists no server.", "List one, or leave the key out.")
    if len(set(urls)) < len(urls):
        raise UsageError(f"{place} base_url lists a server twice.", "List each server once.")
    for url in urls:
        if _holds_secret(url):
            raise UsageError(
                f"{place} base_url holds a user's name, a password or a query.",
                "Leave it out, and name the environment variable that holds the key: api_key_env.",
            )
        if not _URL.fullmatch(url):
            raise UsageError(f"{place} base_url: {url} is no address of a server.", "Write http://host:port/v1.")


def _holds_secret(url: str) -> bool:
    return "?" in url or "@" in url.partition("://")[2].partition("/")[0]


def _check_prices(place: str, table: ModelTable) -> None:
    given = [table.prompt_price, table.completion_price]
    if (None in given and any(price is not None for price in given)) or (
        table.cached_prompt_price is not None and None in given
    ):
        raise UsageError(
            f"{place} gives a part of the prices only, so that no cost could be told.",
            "Give both prompt_price and completion_price, in US dollars per million tokens, or neither.",
        )


def _check_body(place: str, body: Mapping[str, Any]) -> None:
    _refuse_literal_keys(f"{place} extra_body", body)
    for key in body:
        if key in _OWN_FIELDS:
            raise UsageError(
                f"{place} extra_body must not set '{key}', which prefpipe sets itself.",
                "Use the option or the key of the table that is made for it.",
            )
