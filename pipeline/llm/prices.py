"""What calls cost, in US dollars: by prefpipe.toml, by a dated built-in table, or by what the server itself charged.

A price that is not known is None, never 0: a sum of costs says beside it how many calls it leaves out. The built-in
table holds for its makers' own servers only; what a private server or a gateway charges, nobody but its users knows.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from ..errors import UsageError
from .models import SIMULATOR_URL, Model, configured_models

OPENROUTER = "openrouter.ai"
BATCH_SHARE = 0.5
"""What an answer through a batch costs, as a share of what a call does."""

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})\Z")
_MILLION = 1_000_000


class Price(NamedTuple):
    """What a model costs, in US dollars per million tokens.

    Attributes:
        prompt: Of a prompt.
        completion: Of an answer, hidden reasoning included.
        cached: Of the part of a prompt that the server had in its own cache; that of a prompt where it is None.
        up_to: The longest prompt that costs this much, in tokens; any where it is None.
    """

    prompt: float
    completion: float
    cached: float | None = None
    up_to: int | None = None

    def cost(self, prompt_tokens: int | None, completion_tokens: int | None, cached: int = 0) -> float | None:
        """Return the cost of a call in US dollars, or None where a count or the price of a long prompt is unknown."""
        if prompt_tokens is None or completion_tokens is None or (self.up_to and prompt_tokens > self.up_to):
            return None
        known = min(cached, prompt_tokens)
        cached_price = self.prompt if self.cached is None else self.cached
        new = (prompt_tokens - known) * self.prompt + completion_tokens * self.completion
        return (new + known * cached_price) / _MILLION


class _Cached(msgspec.Struct):
    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    """The `usage` object of a chat completion.

    Attributes:
        prompt_tokens: As the server counted them, those from its cache included.
        completion_tokens: As the server counted them; see `answer_tokens`.
        total_tokens: As the server counted them.
        prompt_tokens_details: How many of the prompt's tokens came from the server's cache.
        cost: What the call was charged, where the server says so. OpenRouter does, in US dollars.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None
    cost: float | None = None

    @property
    def cached_tokens(self) -> int:
        """The tokens of the prompt that the server had in its cache."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0

    @property
    def answer_tokens(self) -> int | None:
        """The tokens that are charged as the answer's: Google's servers count hidden reasoning in the total only."""
        if self.completion_tokens is None or self.prompt_tokens is None or self.total_tokens is None:
            return self.completion_tokens
        return max(self.completion_tokens, self.total_tokens - self.prompt_tokens)


class _Receipt(msgspec.Struct):
    model: str | None = None
    usage: Usage | None = None


_decode = msgspec.json.Decoder(_Receipt).decode


def read_receipt(raw: bytes) -> tuple[str | None, Usage]:
    """Return which model a chat completion says has answered, and its usage; what it does not say is None."""
    try:
        receipt = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, Usage()
    return receipt.model, receipt.usage or Usage()


def cost(model: Model, prompt_tokens: int | None, completion_tokens: int | None, cached: int = 0) -> float | None:
    """Return what a call costs in US dollars, or None where the price or a count is not known.

    Args:
        model: Who was asked, or is to be.
        prompt_tokens: The tokens of the prompt, those from the server's cache included.
        completion_tokens: The tokens of the answer.
        cached: Tokens of the prompt that the server had in its own cache.
    """
    price = price_of(model)
    return price and price.cost(prompt_tokens, completion_tokens, cached)


def charged(model: Model, usage: Usage) -> float | None:
    """Return what an answer cost in US dollars: what the server says it charged, else what its tokens cost."""
    if usage.cost is not None and _tells_costs(model) and model.prompt_price is None:
        return usage.cost
    return cost(model, usage.prompt_tokens, usage.answer_tokens, usage.cached_tokens)


@lru_cache(maxsize=1024)
def price_of(model: Model) -> Price | None:
    """Return a model's price: that of prefpipe.toml, 0 for a simulated model, that of the table, or None."""
    if model.prompt_price is not None and model.completion_price is not None:
        return Price(model.prompt_price, model.completion_price, model.cached_prompt_price)
    if model.simulated:
        return Price(0.0, 0.0)
    if len({_host(url) for url in model.base_urls}) > 1:
        return None
    return _listed(_host(model.base_url), model.sent_name)


@dataclass
class Money:
    """A sum of costs.

    Attributes:
        known: In US dollars, of those that are known.
        unknown: How many are not.
    """

    known: float = 0.0
    unknown: int = 0

    def add(self, cost: float | None, unknown: int = 0) -> None:
        """Add a cost, or a sum of them with the number of those that it leaves out."""
        self.known += cost or 0.0
        self.unknown += unknown + (cost is None)


class PastCosts:
    """What answers that were paid before cost at today's prices, however their models are configured now."""

    def __init__(self) -> None:
        self._configured = {(model.name, model.address): model for model in configured_models()}
        self._models: dict[tuple[str, str, str | None], Model] = {}

    def of(self, name: str, address: str, raw: bytes) -> tuple[Usage, float | None]:
        """Return an answer's usage and its cost, where that can be known.

        Args:
            name: The model, as it stood in tables.
            address: What stands for its servers.
            raw: What came back. The model that it names has a price where the other name says nothing.
        """
        snapshot, usage = read_receipt(raw)
        place = name, address, snapshot
        if place not in self._models:
            plain = Model(name, name, address, "", simulated=address == SIMULATOR_URL)
            model = self._configured.get((name, address), plain)
            self._models[place] = replace(model, sent_name=snapshot) if snapshot and not price_of(model) else model
        return usage, charged(self._models[place], usage)


def require_prices(models: Sequence[Model]) -> None:
    """Make sure that a limit on money can hold.

    Raises:
        UsageError: The price of a model is not known, nor does its server tell what it charges.
    """
    for model in models:
        if price_of(model) is None and not _tells_costs(model):
            raise UsageError(
                f"The price of {model.name} is not known, so no limit on money can hold.",
                f'Give prompt_price and completion_price in prefpipe.toml under [models."{model.name}"], or limit the '
                "calls instead.",
            )


def prices_as_of() -> str:
    """Return the year and month of the built-in prices."""
    return _table().as_of


class _Listed(msgspec.Struct, forbid_unknown_fields=True):
    prompt: float
    completion: float
    cached: float | None = None
    up_to: int | None = None


class _Maker(msgspec.Struct, forbid_unknown_fields=True):
    hosts: list[str]
    models: dict[str, _Listed]
    openrouter: str | None = None


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    as_of: str
    makers: dict[str, _Maker]


@lru_cache(maxsize=1)
def _table() -> _Table:
    return msgspec.convert(tomllib.loads((files(__package__) / "prices.toml").read_text("utf-8")), _Table)


def _tells_costs(model: Model) -> bool:
    return all(_host(url) == OPENROUTER for url in model.base_urls)


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _listed(host: str | None, name: str) -> Price | None:
    """Return the price of a model at a maker's own server, or at OpenRouter under its maker's name."""
    maker_name, _, rest = name.partition("/")
    for maker in _table().makers.values():
        if host in maker.hosts:
            return _entry(maker, name)
        if host == OPENROUTER and maker.openrouter == maker_name:
            # OpenRouter writes the versions of Claude with a dot.
            return _entry(maker, rest) or _entry(maker, rest.replace(".", "-"))
    return None


def _entry(maker: _Maker, name: str) -> Price | None:
    listed = maker.models.get(name) or maker.models.get(_SNAPSHOT.sub("", name))
    return Price(listed.prompt, listed.completion, listed.cached, listed.up_to) if listed else None
