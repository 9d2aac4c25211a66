"""The simulator as a service: one HTTP request in, one reply out, with no socket."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256

import msgspec

from ...errors import UsageError
from .batch_lines import Outcome
from .batches import BatchRules
from .completions import complete
from .desk import Desk, is_for_desk
from .models import BATCH_FAILURES, PRESETS, SimulatedModel, parse_model
from .transport import api_error, journey, retry_headers
from .wire import ApiError, read_request, require

JSON = {"content-type": "application/json"}

_GARBAGE = b'{"id": "chatcmpl-'
_DROPPED = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send back after `delay` seconds, or, if `drop`, to close the connection without a word."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    body: bytes = b""
    delay: float = 0.0
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """How many requests came for each model that exists, and how many replies had each status (0 for dropped)."""

    by_model: Counter[str] = field(default_factory=Counter)
    by_status: Counter[int] = field(default_factory=Counter)


class Simulator:
    """An OpenAI-compatible server of chat completions and batches of them, whose models are simulated.

    For one thread at a time. Files and batches live as long as it does.
    """

    def __init__(
        self,
        api_key: str | None = None,
        defaults: Mapping[str, float] | None = None,
        rules: BatchRules | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Serve all presets.

        Args:
            api_key: The only key that is let in; None lets in everybody.
            defaults: Traits that every model has unless its name says otherwise.
            rules: What is allowed of batches, and how their files are spoiled.
            clock: The seconds since 1970, for batches.

        Raises:
            UsageError: a default is not a trait, or has a value that means nothing.
        """
        for preset in PRESETS:
            parse_model(preset, defaults)
        self._api_key = api_key
        self._model = lru_cache(maxsize=1024)(lambda name: parse_model(name, defaults))
        self._failed: Counter[bytes] = Counter()
        self._desk = Desk(rules or BatchRules(), self._find, self._answer_in_batch, clock)
        self.served = Served()

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the reply to a request: POST …/chat/completions, GET …/models, or what files and batches need.

        Header names are in lower case. The answer of a model depends on the request alone, but for failures on the
        way: these end after the same few attempts whenever the same body is sent again, in a batch or by itself.
        """
        try:
            reply = self._route(method, path, headers, body)
        except ApiError as error:
            reply = Reply(error.status, body=error.body)
        self.served.by_status[reply.status] += 1
        return reply

    def _route(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        path, _, query = target.partition("?")
        if self._api_key is not None and headers.get("authorization") != f"Bearer {self._api_key}":
            raise ApiError(401, "Incorrect API key provided.", code="invalid_api_key")
        if path.endswith("/chat/completions"):
            require(method, "POST", path)
            return self._complete(body)
        if path.endswith("/models"):
            require(method, "GET", path)
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "simulator"} for name in PRESETS]
            return Reply(200, body=msgspec.json.encode({"object": "list", "data": models}))
        if is_for_desk(path):
            kind, content = self._desk.handle(method, path, query, headers, body)
            return Reply(200, {"content-type": kind}, content)
        raise ApiError(404, f"Unknown request URL: {method} {path}.", code="unknown_url")

    def _find(self, name: str) -> SimulatedModel:
        try:
            return self._model(name)
        except UsageError as error:
            message = f"The model '{name}' does not exist: {error.message} {error.hint or ''}".rstrip()
            raise ApiError(404, message, param="model", code="model_not_found") from None

    def _answer_in_batch(self, body: bytes) -> Outcome:
        """Return what a request in a batch gets; a batch takes its time, so that no latency is added."""
        try:
            request = read_request(body)
            model = self._find(request.model)
            self.served.by_model[model.name] += 1
            way = journey(model, body, BATCH_FAILURES)
            failure = self._next_failure(body, way.failures) if way.failures else None
            if failure in {"error_429", "error_500"}:
                raise api_error(failure)
            return Outcome(200, msgspec.json.encode(complete(request, model)), failure)
        except ApiError as error:
            return Outcome(error.status, error.body)

    def _complete(self, body: bytes) -> Reply:
        request = read_request(body)
        model = self._find(request.model)
        self.served.by_model[model.name] += 1
        way = journey(model, body)
        if way.failures and (failure := self._next_failure(body, way.failures)):
            return _fail(model, failure, way.delay)
        return Reply(200, body=msgspec.json.encode(complete(request, model)), delay=way.delay)

    def _next_failure(self, body: bytes, failures: tuple[str, ...]) -> str | None:
        key = sha256(body).digest()
        attempts = self._failed.pop(key, 0)
        if attempts == len(failures):
            return None
        self._failed[key] = attempts + 1
        return failures[attempts]


def _fail(model: SimulatedModel, failure: str, delay: float) -> Reply:
    if failure == "drop":
        return Reply(_DROPPED, delay=delay, drop=True)
    if failure == "garbage":
        return Reply(200, body=_GARBAGE, delay=delay)
    error = api_error(failure)
    if error.status == 429:  # a server that refuses does so at once
        return Reply(429, JSON | retry_headers(model.retry_after), error.body)
    return Reply(error.status, body=error.body, delay=delay)
