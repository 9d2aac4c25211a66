"""Sending one request with the openai package: bytes out, bytes back, and its errors in our words.

The package prepares every request anew: address, headers, options. At thousands of calls a second this costs several
times what sending does, and gives the same head each time. So the package sends the first call to a server; the others
take over that one's address and headers, which hold nothing of its own, and go straight to the transport. One that is
led elsewhere goes through the package again, and the next ones follow it.
"""

import asyncio
import resource
from contextlib import suppress
from time import perf_counter

import httpx2
import openai

from .embedded import EmbeddedTransport
from .failures import CallError, failure_of, without_key
from .models import Model
from .openai_failures import connection_failure, retry_after
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
        self._transport = _Noting(EmbeddedTransport(Simulator()) if model.simulated else transport_for(base_url))
        self._openai = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=model.api_key,
            max_retries=0,
            timeout=httpx2.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            http_client=httpx2.AsyncClient(transport=self._transport, follow_redirects=True),
        )
        self._is_preparing = False

    async def send(self, body: bytes) -> httpx2.Response:
        """Return the server's answer, whatever its status."""
        try:
            while (head := self._transport.head) is None:
                if not self._is_preparing:
                    return await self._send_prepared_by_openai(body)
                await self._transport.noted.wait()
            response = await self._transport.carry.handle_async_request(head.request(body))
            await response.aread()
            return await self._send_prepared_by_openai(body) if response.has_redirect_location else response
        except httpx2.RequestError as error:
            raise connection_failure(error, self._base_url, TIMEOUT_SECONDS) from None

    async def _send_prepared_by_openai(self, body: bytes) -> httpx2.Response:
        self._is_preparing = True
        self._transport.forget()
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
            if isinstance(error.__cause__, httpx2.RequestError):
                raise error.__cause__ from None
            raise
        finally:
            self._is_preparing = False
            self._transport.noted.set()
        return response

    async def close(self) -> None:
        await self._openai.close()


class _Head:
    """What all requests to a server have in common."""

    def __init__(self, request: httpx2.Request) -> None:
        self._like = request
        self._fields = [field for field in request.headers.raw if field[0].lower() not in _OF_ONE_REQUEST]

    def request(self, body: bytes) -> httpx2.Request:
        """Return a request with a body of its own."""
        return httpx2.Request(
            self._like.method,
            self._like.url,
            headers=[*self._fields, (b"Content-Length", b"%d" % len(body))],
            stream=httpx2.ByteStream(body),
            extensions=self._like.extensions,
        )


class _Noting(httpx2.AsyncBaseTransport):
    """Carries requests, and notes the head of the last one that the openai package has prepared."""

    def __init__(self, transport: httpx2.AsyncBaseTransport) -> None:
        self.carry = transport
        self.head: _Head | None = None
        self.noted = asyncio.Event()

    def forget(self) -> None:
        self.head = None
        self.noted.clear()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.head = _Head(request)
        self.noted.set()
        return await self.carry.handle_async_request(request)

    async def aclose(self) -> None:
        await self.carry.aclose()


def _refusal(response: httpx2.Response, model: Model) -> CallError:
    failure = failure_of(response.status_code, response.content, retry_after(response.headers))
    failure.reason = without_key(failure.reason, model.api_key)
    failure.headers = response.headers.raw
    return failure
