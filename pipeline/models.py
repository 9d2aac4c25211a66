"""models: those that prefpipe.toml names, and a check of what each of them can do now."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps

from .config import read_config
from .errors import UsageError
from .llm.client import Client
from .llm.meter import Meter
from .llm.models import NO_KEY, OPENAI_URL, Model, configured_models, parse_model
from .llm.prices import Price, price_of
from .llm.probe import Probe, limit_name, probe
from .llm.probe_questions import Heed
from .llm.sender import Sender

TIMEOUT_SECONDS = 60.0

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Listed:
    """A model of prefpipe.toml.

    Attributes:
        model: As it stands in tables.
        sent_name: As its server knows it.
        servers: Their addresses.
        key_variable: The environment variable that holds its key.
        key_is_set: Whether it does.
        price: US dollars per million tokens, where they are known.
        requests_per_minute: The most calls a minute, where that is limited.
        tokens_per_minute: Likewise, of tokens.
        concurrency: The most calls in flight, where that is limited.
    """

    model: str
    sent_name: str
    servers: Sequence[str]
    key_variable: str
    key_is_set: bool
    price: Price | None
    requests_per_minute: float | None
    tokens_per_minute: float | None
    concurrency: int | None


@dataclass(frozen=True)
class Check:
    """What a check has found.

    Attributes:
        probes: What is so about each model, at each of its servers.
        advice: What to write into prefpipe.toml, by spec, where it should say something else than it does.
    """

    probes: list[Probe]
    advice: Mapping[str, str] = field(default_factory=dict)


def show() -> list[Listed]:
    """Return the models of prefpipe.toml; nothing is asked.

    Raises:
        UsageError: prefpipe.toml is wrong.
    """
    return [
        Listed(
            model.name,
            model.sent_name,
            model.base_urls,
            model.key_variable,
            model.api_key != NO_KEY,
            price_of(model),
            model.requests_per_minute,
            model.tokens_per_minute,
            model.concurrency,
        )
        for model in configured_models()
    ]


def check(
    models: Sequence[str] = (),
    *,
    timeout: float = TIMEOUT_SECONDS,
    meter: Meter | None = None,
    sender: Sender | None = None,
) -> Check:
    """Ask each model a few tiny questions, and say whether it answers and what it can be sent.

    A model that cannot be used stops no other. Nothing is looked up in the answer store, and nothing is kept there.

    Args:
        models: Specs; all models of prefpipe.toml where none is given.
        timeout: Seconds that each question may take.
        meter: Counts the servers that are done with, for whoever shows how far it is.
        sender: What sends a request; the openai client where none is given.

    Raises:
        UsageError: prefpipe.toml is wrong, or there is no model to check.
    """
    specs = list(dict.fromkeys(models or read_config().models))
    if not specs:
        raise UsageError(
            "prefpipe.toml names no model, so there is none to check.",
            "Name one, such as `prefpipe models check gpt-4o-mini`.",
        )
    configured_models()  # a mistake in the file is none of a single model
    parsed = [_parsed(spec) for spec in specs]
    usable = [model for model in parsed if isinstance(model, Model)]
    results = iter(asyncio.run(_probe_all(usable, timeout, sender or Client(), meter or Meter())))
    probes: list[Probe] = []
    advice = {}
    for spec, model in zip(specs, parsed, strict=True):
        if isinstance(model, Probe):
            probes.append(model)
            continue
        found = [next(results) for _ in model.base_urls]
        probes += found
        if text := _advice(model, found):
            advice[spec] = text
    return Check(probes, advice)


def _parsed(spec: str) -> Model | Probe:
    """Return the model that a spec names, or why it names none that could be asked."""
    try:
        return parse_model(spec)
    except UsageError as error:
        return Probe(spec, "", error.message, error.hint)


async def _probe_all(models: Sequence[Model], seconds: float, sender: Sender, meter: Meter) -> list[Probe]:
    """Return what is found about each model at each of its servers; all are asked at the same time."""
    places = [(model, url) for model in models for url in model.base_urls]
    meter.total = len(places)

    async def probe_at(model: Model, url: str) -> Probe:
        found = await probe(model, url, sender, seconds)
        meter.done += 1
        return found

    try:
        return await asyncio.gather(*(probe_at(model, url) for model, url in places))
    finally:
        await sender.close()


def _advice(model: Model, probes: Sequence[Probe]) -> str | None:
    """Return the lines that prefpipe.toml should have for a model, or nothing where it needs none."""
    answered = [found for found in probes if found.problem is None]
    lines = [*_settings(model, answered)] if answered else []
    if answered and all(found.price is None for found in answered):
        lines += ["# prompt_price = …      # US dollars per million tokens", "# completion_price = …"]
    if not lines:
        return None
    configured = read_config().models
    if model.name not in configured and model.base_url != OPENAI_URL and not model.simulated:
        lines.insert(0, f"base_url = {dumps(model.base_url)}")
    name = model.name if _BARE_KEY.fullmatch(model.name) else dumps(model.name)
    return "\n".join([f"[models.{name}]", *lines])


def _settings(model: Model, probes: Sequence[Probe]) -> Iterator[str]:
    """Yield the settings that are not what all servers of a model want."""
    expected = limit_name(model)
    other = "max_tokens" if expected == "max_completion_tokens" else "max_completion_tokens"
    if _usefulness(probes, other) > _usefulness(probes, expected):
        yield f'max_tokens_name = "{other}"'
    for name, taken in (("temperature", model.takes_temperature), ("seed", model.takes_seed)):
        if taken and _any(probes, name, Heed.REFUSED):
            yield f"{name} = false"
    if not model.takes_schema and all(found.heeds["json_schema"] is Heed.YES for found in probes):
        yield 'response_format = "json_schema"'
    if model.response_format != "none" and _any(probes, "json_schema", Heed.IGNORED, Heed.REFUSED):
        yield 'response_format = "none"'
    if model.logprobs is not False and _any(probes, "logprobs", Heed.IGNORED, Heed.REFUSED):
        yield "logprobs = false"


def _usefulness(probes: Sequence[Probe], limit: str) -> int:
    """Return how well a name of the limit serves at the server that it serves worst."""
    order = (Heed.REFUSED, Heed.IGNORED)
    return min(order.index(heed) if (heed := found.heeds[limit]) in order else len(order) for found in probes)


def _any(probes: Sequence[Probe], name: str, *heeds: Heed) -> bool:
    return any(found.heeds[name] in heeds for found in probes)
