"""Failures on the way: whether, how and how often a request fails before it is answered, and how long it takes."""

from dataclasses import dataclass
from hashlib import sha256
from math import ceil, exp
from random import Random

from .models import TRANSPORT_FAILURES, SimulatedModel
from .wire import ApiError


@dataclass(frozen=True, slots=True)
class Journey:
    """What happens to the attempts of one request: failures in this order, then the answer, after a delay."""

    failures: tuple[str, ...] = ()
    delay: float = 0.0


_SMOOTH = Journey()


def journey(model: SimulatedModel, body: bytes, kinds: tuple[str, ...] = TRANSPORT_FAILURES) -> Journey:
    """Return the journey of a request, which follows from the model's seed and the bytes of the request.

    The number of failures is geometric, cut at `failures_in_a_row`; the delay in seconds is log-normal with
    mean `latency`. Only failures of the given kinds come.
    """
    rates = [(kind, rate) for kind in kinds if (rate := getattr(model, kind)) > 0]
    if not rates and model.latency == 0:
        return _SMOOTH
    digest = sha256(b"%d " % model.seed + body).digest()
    chance = Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 - chance that can be repeated is the point
    spread = model.latency_spread
    delay = model.latency * exp(spread * chance.gauss() - spread**2 / 2)
    failures: list[str] = []
    while len(failures) < model.failures_in_a_row and (kind := _draw(rates, chance)):
        failures.append(kind)
    return Journey(tuple(failures), delay)


def api_error(kind: str) -> ApiError:
    """Return the error that stands for a failure that has a status of its own."""
    if kind == "error_429":
        message = "Rate limit reached. Please try again later."
        return ApiError(429, message, type="requests", code="rate_limit_exceeded")
    return ApiError(500, "The server had an error while processing your request.", type="server_error")


def retry_headers(seconds: float) -> dict[str, str]:
    """Return the headers that ask to wait; whole seconds are the only form that `retry-after` itself has."""
    headers = {"retry-after-ms": str(ceil(seconds * 1000))}
    if seconds >= 1:
        headers["retry-after"] = str(ceil(seconds))
    return headers


def _draw(rates: list[tuple[str, float]], chance: Random) -> str | None:
    draw = chance.random()
    for kind, rate in rates:
        if draw < rate:
            return kind
        draw -= rate
    return None
