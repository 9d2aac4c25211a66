"""Sending one request with the openai package: bytes out, bytes back, and its errors in our words.

The package's own typed call costs several times what the call itself does, so the request goes through its low-level
`post`, which keeps its authentication, base URL, headers and error classes.
"""

from time import perf_counter

import httpx2
import openai

from .embedded import EmbeddedTransport
from .failures import TransientError, UnreachableError, failure_of
from .models import Model
from .requests import Request
from .simulator import Simulator

TIMEOUT_SECONDS = 600.0
"""What a server may take for an answer; a long reasoning answer takes minutes."""

CONNECT_SECONDS = 20.0


class Client:
    """Sends requests, each to its model's server; connections are kept and shared by all models of a server."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, str], openai.AsyncOpenAI] = {}

    async def send(self, request: Request) -> tuple[bytes, float]:
        """Send once; return the answer's bytes and the seconds it took.

        Raises:
            CallError: No answer came; its kind says what to do.
        """
        started = perf_counter()
        model = request.model
        try:
            response = await self._server(model).post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=request.body,
                options={"headers": {"Content-Type": "application/json"}},
            )
        except openai.APIStatusError as error:
            wait = _retry_after(error.response.headers)
            failure = failure_of(error.status_code, error.response.content, wait)
            failure.reason = _without_key(failure.reason, model)
            raise failure from None
        except openai.APIConnectionError as error:
            raise _connection_failure(error, model) from None
        return response.content, perf_counter() - started

    def _server(self, model: Model) -> openai.AsyncOpenAI:
        place = (model.base_url, model.key_variable)
        if place not in self._servers:
            self._servers[place] = _connect(model)
        return self._servers[place]

    async def close(self) -> None:
        """Close all connections."""
        for server in self._servers.values():
            await server.close()
        self._servers.clear()


def _connect(model: Model) -> openai.AsyncOpenAI:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    http = (
        httpx2.AsyncClient(transport=EmbeddedTransport(Simulator()))
        if model.simulated
        else httpx2.AsyncClient(limits=limits)
    )
    return openai.AsyncOpenAI(
        base_url=model.base_url,
        api_key=model.api_key,
        max_retries=0,
        timeout=httpx2.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
        http_client=http,
    )


def _connection_failure(error: openai.APIConnectionError, model: Model) -> TransientError:
    cause = error.__cause__
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
        return UnreachableError(f"no connection to {model.base_url} ({cause or 'timed out'})")
    if isinstance(cause, httpx2.TimeoutException):
        return TransientError(f"no answer within {TIMEOUT_SECONDS:.0f} s")
    return TransientError(f"the connection was lost ({type(cause).__name__})")


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Return the seconds that a server asks to wait; dates are rare enough to be left to the ordinary waiting."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
    return None


def _without_key(text: str, model: Model) -> str:
    """Return a server's message without the key that some servers repeat in it."""
    return text.replace(model.api_key, "***") if model.api_key != "none" else text
