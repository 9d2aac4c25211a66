"""Probing a model at one server: a few tiny questions that tell whether it answers, and what it can be sent."""

from asyncio import sleep, timeout
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .answers import Answer, read_answer
from .failures import (
    CallError,
    PermanentError,
    StopError,
    ThrottledError,
    TransientError,
    UnreachableError,
    without_key,
)
from .models import Model
from .prices import Money, Usage, charged, price_of, prices_as_of
from .probe_questions import (
    COMPARE,
    COUNT,
    JSON_SCHEMA,
    JUDGED,
    LIMIT,
    OPTIONS,
    ROOM,
    SAY_OK,
    Heed,
    heeds_limit,
    heeds_schema,
)
from .requests import Request, Sampling, chat
from .sender import Headers, Sender

ATTEMPTS = 3

_LIMITS = ("max_tokens", "max_completion_tokens")
_RATE_LIMITS = frozenset(f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining") for of in ("requests", "tokens"))
_WAIT_SECONDS = 0.5
_SPENT_THINKING = "limit was reached"
"""What OpenAI says, with an error, when a reasoning model has said nothing yet at the limit of its answer."""


@dataclass
class Probe:
    """What is so about a model at one of its servers now.

    Attributes:
        model: As it stands in tables.
        server: Its address.
        problem: Why the model cannot be used; None where it can.
        hint: What to do about it.
        seconds: How long the fastest answer took.
        snapshot: The exact model that the server says has answered.
        usage: Whether the server counts tokens.
        reasoning: Whether answers show what the model thought.
        heeds: What the server makes of each field of a request that was tried.
        refusals: What it said to those that it refused.
        rate_limits: What it said last of what the account allows, by the name of the header.
        price: Where the price is known from; None where it is not known.
        calls: Answers that came.
        prompt_tokens: Of these, as far as they are counted.
        completion_tokens: Likewise.
        spent: US dollars.
    """

    model: str
    server: str
    problem: str | None = None
    hint: str | None = None
    seconds: float | None = None
    snapshot: str | None = None
    usage: bool = False
    reasoning: bool = False
    heeds: dict[str, Heed] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    rate_limits: dict[str, str] = field(default_factory=dict)
    price: str | None = None
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: Money = field(default_factory=Money)


async def probe(model: Model, base_url: str, sender: Sender, seconds: float) -> Probe:
    """Ask a model at one of its servers, question after question, and say what was found.

    Nothing is looked up in the answer store, and nothing is kept there: what is found is so now.

    Args:
        model: Whom to ask.
        base_url: Which of its servers.
        sender: What sends a request.
        seconds: How long each question may take.
    """
    found = Probe(model.name, base_url, price=_source_of_price(model))
    questioner = _Questioner(model, base_url, sender, seconds, found)
    try:
        await questioner.ask_all()
    except CallError as error:
        found.problem = error.reason
        found.hint = _hint(model, error)
    return found


def limit_name(model: Model) -> str:
    """Return the name under which the limit of an answer is sent to a model."""
    body = msgspec.json.decode(chat(model, SAY_OK, Sampling(max_tokens=LIMIT), 0).body)
    return next(name for name in _LIMITS if name in body)


class _Questioner:
    """Asks one server, and notes down what every answer shows, whatever it was asked for."""

    def __init__(self, model: Model, base_url: str, sender: Sender, seconds: float, found: Probe) -> None:
        self._model = model
        self._base_url = base_url
        self._sender = sender
        self._seconds = seconds
        self._found = found
        self._limit: dict[str, int] = {}

    async def ask_all(self) -> None:
        """Ask all questions.

        Raises:
            CallError: The model gives no answer at all.
        """
        expected = limit_name(self._model)
        for name in sorted(_LIMITS, key=lambda name: name != expected):
            await self._try(name, COUNT, {name: LIMIT}, heeds_limit)
        heeds = self._found.heeds
        if known := [name for wanted in (Heed.YES, Heed.UNCLEAR) for name in heeds if heeds[name] is wanted]:
            self._limit = {known[0]: ROOM}
        if not self._found.calls:
            await self._send(SAY_OK, self._limit)
        await self._try_options()
        await self._try("json_schema", COMPARE, self._limit | JSON_SCHEMA, heeds_schema)

    async def _try_options(self) -> None:
        """Try all options in one question; where that is refused, each in one of its own."""
        together = {name: value for fields in OPTIONS.values() for name, value in fields.items()}
        try:
            answer = await self._send(SAY_OK, self._limit | together)
        except CallError as error:
            for name, fields in OPTIONS.items():
                if self._is_about_the_request(error):
                    await self._try(name, SAY_OK, self._limit | fields, JUDGED[name])
                else:
                    self._found.heeds[name] = Heed.UNCLEAR
        else:
            self._found.heeds |= {name: JUDGED[name](answer) for name in OPTIONS}

    async def _try(
        self,
        name: str,
        messages: Sequence[dict[str, str]],
        fields: Mapping[str, Any],
        judged: Callable[[Answer], Heed],
    ) -> None:
        """Ask a question with a field, and note what the server makes of it.

        Raises:
            CallError: It says nothing of the field, and no question was answered so far.
        """
        try:
            self._found.heeds[name] = judged(await self._send(messages, fields))
        except CallError as error:
            if _SPENT_THINKING in error.reason:
                self._found.heeds[name] = Heed.YES
            elif self._is_about_the_request(error):
                self._found.heeds[name] = Heed.REFUSED
                self._found.refusals[name] = error.reason
            elif self._found.calls:
                self._found.heeds[name] = Heed.UNCLEAR
            else:
                raise

    def _is_about_the_request(self, error: CallError) -> bool:
        """Tell whether a server did not like what it was sent; some fail at what they do not know."""
        if isinstance(error, StopError):
            return self._found.calls > 0  # it has served the model before
        if isinstance(error, ThrottledError):
            return False
        return isinstance(error, PermanentError) or error.reason.startswith("HTTP 5")

    async def _send(self, messages: Sequence[dict[str, str]], fields: Mapping[str, Any]) -> Answer:
        """Return the answer to a question."""
        body = msgspec.json.decode(chat(self._model, messages, Sampling(), 0).body)
        request = Request(self._model, msgspec.json.encode(body | fields), "")
        try:
            async with timeout(self._seconds):
                return await self._send_patiently(request)
        except TimeoutError:
            raise TransientError(f"no answer within {self._seconds:g} s") from None

    async def _send_patiently(self, request: Request) -> Answer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                raw, seconds, headers = await self._sender.send(request, self._base_url)
                self._note_rate_limits(headers)
                answer = _read(request, raw, seconds)
            except TransientError as error:
                self._note_rate_limits(error.headers)
                wait = _WAIT_SECONDS if error.retry_after is None else error.retry_after
                if attempt == ATTEMPTS or wait > self._seconds / ATTEMPTS or isinstance(error, UnreachableError):
                    raise
                await sleep(wait)
            else:
                self._note(answer, seconds)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _note_rate_limits(self, headers: Headers) -> None:
        fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        self._found.rate_limits |= {name: value for name, value in fields.items() if name in _RATE_LIMITS}

    def _note(self, answer: Answer, seconds: float) -> None:
        found, usage = self._found, answer.usage or Usage()
        cost = charged(self._model, usage)
        found.calls += 1
        found.seconds = min(seconds, found.seconds or seconds)
        found.snapshot = found.snapshot or answer.snapshot
        found.usage = found.usage or usage.prompt_tokens is not None
        found.reasoning = found.reasoning or answer.reasoning is not None
        found.prompt_tokens += answer.prompt_tokens or 0
        found.completion_tokens += answer.completion_tokens or 0
        found.spent.add(cost)
        if found.price is None and cost is not None:
            found.price = "told by the server"


def _source_of_price(model: Model) -> str | None:
    if price_of(model) is None:
        return None
    if model.prompt_price is not None:
        return "prefpipe.toml"
    return "simulated" if model.simulated else f"built-in table of {prices_as_of()}"


def _hint(model: Model, error: CallError) -> str:
    if isinstance(error, StopError | PermanentError):
        return f"Check the model's name ({model.sent_name}), its address and the key in {model.key_variable}."
    if isinstance(error, UnreachableError):
        return "Check the address, and that the server is running."
    return "Try again later, or look into the server's log."


def _read(request: Request, raw: bytes, seconds: float) -> Answer:
    try:
        return read_answer("", raw, seconds)
    except CallError as error:
        error.reason = without_key(error.reason, request.model.api_key)
        raise
