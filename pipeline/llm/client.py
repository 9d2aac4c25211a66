"""Sending one request with the openai package: bytes out, bytes back, and its errors in our words.

The package prepares every request anew: address, headers, options. At thousands of calls a second this costs several
times what sending does, and gives the same head each time. So the package sends a server's calls until the first one
succeeds; those after it take over that one's address and headers, which hold nothing of its own, and go straight to the
transport.
"""

import resource
from contextlib import suppress
from time import perf_counter

import httpx2
import openai

from .embedded import EmbeddedTransport
from .failures import CallError, failure_of
from .models import Model
from .openai_failures import connection_failure, retry_after, without_key
from .requests import Request
from .sender import Reply
from .simulator import Simulator
from .transport import transport_for

TIMEOUT_SECONDS = 600.0
"""What a server may take for an answer; a long reasoning answer takes minutes."""

CONNECT_SECONDS = 20.0

_OF_ONE_REQUEST = {b"content-length", b"idempotency-key"}


class Client:
    """Sends requests, each to its model's server; connections are kept and shared by all models of a server."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, str], _Server] = {}
        _allow_many_connections()

    async def send(self, request: Request, base_url: str) -> Reply:
        """Send once to one of the model's servers.

        Raises:
            CallError: No answer came; its kind says what to do.
        """
        model = request.model
        place = (base_url, model.key_variable)
        if place not in self._servers:
            self._servers[place] = _Server(model, base_url)
        started = perf_counter()
        response = await self._servers[place].send(request.body)
        if not response.is_success:
            raise _refusal(response, model)
        return Reply(response.content, perf_counter() - started, response.headers.raw)

    async def close(self) -> None:
        """Close all connections."""
        for server in self._servers.values():
            await server.close()
        self._servers.clear()


def _allow_many_connections() -> None:
    """Lift the soft limit of open files, often 1,024, to what the system allows: each call in flight holds one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Where even the system's limit is no number that can be set, the old one serves.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Server:
    """One server and the key to it."""

    def __init__(self, model: Model, base_url: str) -> None:
        self._base_url = base_url
        self._transport = EmbeddedTransport(Simulator()) if model.simulated else transport_for(base_url)
        self._openai = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=model.api_key,
            max_retries=0,
            timeout=httpx2.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            http_client=httpx2.AsyncClient(transport=self._transport, follow_redirects=True),
        )
        self._model_request: httpx2.Request | None = None
        self._fields: list[tuple[bytes, bytes]] = []

    async def send(self, body: bytes) -> httpx2.Response:
        """Return the server's answer, whatever its status."""
        try:
            if self._model_request is None:
                return await self._send_prepared_by_openai(body)
            return await self._transport.handle_async_request(_like(self._model_request, self._fields, body))
        except httpx2.TransportError as error:
            raise connection_failure(error, self._base_url, TIMEOUT_SECONDS) from None

    async def _send_prepared_by_openai(self, body: bytes) -> httpx2.Response:
        try:
            response: httpx2.Response = await self._openai.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                content=body,
                options={"headers": {"Content-Type": "application/json"}},
            )
        except openai.APIStatusError as error:
            return error.response
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.TransportError):
                raise error.__cause__ from None
            raise
        self._fields = [field for field in response.request.headers.raw if field[0].lower() not in _OF_ONE_REQUEST]
        self._model_request = response.request
        return response

    async def close(self) -> None:
        await self._openai.close()


def _like(other: httpx2.Request, fields: list[tuple[bytes, bytes]], body: bytes) -> httpx2.Request:
    """Return a request with another body."""
    return httpx2.Request(
        other.method,
        other.url,
        headers=[*fields, (b"Content-Length", b"%d" % len(body))],
        stream=httpx2.ByteStream(body),
        extensions=other.extensions,
    )


def _refusal(response: httpx2.Response, model: Model) -> CallError:
    failure = failure_of(response.status_code, response.content, retry_after(response.headers))
    failure.reason = without_key(failure.reason, model.api_key)
    failure.headers = response.headers.raw
    return failure
