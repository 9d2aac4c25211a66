"""A lean HTTP/1.1 transport under the OpenAI client: one request over one pooled connection, at little CPU a call.

At a high rate of calls, the transport that comes with the client costs more than everything else together. This one
leaves out what chat completions without streaming do not need: HTTP/2, proxies, streamed bodies, a limit of
connections. Where a proxy is set, `transport_for` chooses the client's own transport.
"""

import asyncio
import contextlib
import math
import socket
import ssl
from typing import Any, Final, cast
from urllib.request import getproxies, proxy_bypass

import httpx2

from ..errors import UsageError
from .http1 import MAX_BODY, ResponseParser, request_bytes

KEEP_ALIVE: Final = 30.0
"""Seconds that an idle connection is kept for the next request."""
_TICK: Final = 0.05  # seconds between two looks at the deadlines, at least
_NEXT_ADDRESS: Final = 2.0  # seconds until the next address of a host is tried: one packet may be lost
_PORTS: Final = {b"http": 80, b"https": 443}

_Origin = tuple[bytes, bytes, int | None]
_Idle = dict["_Connection", None]  # a set that remembers its order: the one idle for longest comes first


def transport_for(base_url: str) -> httpx2.AsyncBaseTransport:
    """Return the transport for a server: the lean one, or the client's own where the environment sets a proxy.

    A proxy of a kind that cannot be used is a UsageError.
    """
    proxy = proxy_for(base_url)
    if proxy is None:
        return LeanTransport()
    try:
        return httpx2.AsyncHTTPTransport(proxy=proxy, limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE))
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise UsageError(
            f"The proxy that the environment sets for {base_url} cannot be used: {error}",
            "Set HTTP_PROXY and HTTPS_PROXY to an http:// address, or name the server in NO_PROXY.",
        ) from error


def proxy_for(base_url: str) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY set for a server and NO_PROXY does not take back."""
    url = httpx2.URL(base_url)
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(url.netloc.decode("ascii")) or proxy_bypass(url.host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class LeanTransport(httpx2.AsyncBaseTransport):
    """Carries requests over keep-alive connections, as many as are asked for at once; of one event loop.

    The last connection used is the next one used. A request whose reused connection turns out to be closed, before
    any byte of an answer, is sent once more on a fresh connection; every other failure is an httpx2.RequestError.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        keep_alive: float = KEEP_ALIVE,
        max_body: int = MAX_BODY,
    ) -> None:
        """Take what verifies https servers, the seconds an idle connection is kept, and the longest body in bytes."""
        self._ssl_context = ssl_context
        self._keep_alive = keep_alive
        self._max_body = max_body
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: set[_Connection] = set()
        self._idle: dict[_Origin, _Idle] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its answer, read whole."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._bind(loop)
        if self._closed:
            raise RuntimeError("The transport is closed.")
        url = request.url
        origin = (url.raw_scheme, url.raw_host, url.port)
        limits = request.extensions.get("timeout") or {}
        message = request_bytes(request, await request.aread())
        try:
            parser = ResponseParser(bodiless=request.method == "HEAD", max_body=self._max_body)
            connection = self._take_idle(origin, loop.time())
            if connection:
                try:
                    await connection.exchange(message, parser, limits)
                except _StaleError:
                    connection = None
            if not connection:
                connection = await self._connect(origin, limits.get("connect"))
                await connection.exchange(message, parser, limits)
            return _response(parser)
        except httpx2.RequestError as error:
            error.request = request
            raise

    async def aclose(self) -> None:
        """Close all connections; requests under way fail with ReadError."""
        self._closed = True
        if self._alarm:
            self._alarm.cancel()
        for connection in tuple(self._connections):
            connection.fail(httpx2.ReadError("The transport was closed."))
        await self._empty.wait()

    def _bind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not None:
            raise RuntimeError("A transport serves one event loop only: make another one.")
        self._loop = loop

    def _take_idle(self, origin: _Origin, now: float) -> "_Connection | None":
        idle = self._idle.get(origin)
        while idle:
            oldest = next(iter(idle))
            if now - oldest.idle_since <= self._keep_alive:
                return idle.popitem()[0]
            oldest.abort()
        return None

    async def _connect(self, origin: _Origin, limit: float | None) -> "_Connection":
        scheme, raw_host, port = origin
        if scheme not in _PORTS:
            raise httpx2.UnsupportedProtocol(f"The scheme {scheme.decode()!r} is neither http nor https.")
        host = raw_host.decode("ascii")
        idle = self._idle.setdefault(origin, {})
        loop = asyncio.get_running_loop()
        context = self._secure() if scheme == b"https" else None
        try:
            async with asyncio.timeout(limit):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, idle),
                    sock=await _dial(host, port or _PORTS[scheme]),
                    ssl=context,
                    server_hostname=host if context else None,
                )
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("timed out") from error
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError(str(error) or type(error).__name__) from error
        if self._closed:
            connection.abort()
            raise httpx2.ConnectError("The transport was closed.")
        return connection

    def _secure(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = httpx2.create_ssl_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context

    def keep(self, connection: "_Connection") -> None:
        """Remember a connection."""
        self._connections.add(connection)
        self._empty.clear()

    def forget(self, connection: "_Connection") -> None:
        """Forget a connection that is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def watch(self, deadline: float) -> None:
        """Look at the deadlines when this one, in the loop's seconds, has come.

        One alarm serves all requests: it is set again only for a deadline sooner than the one it waits for, which
        between requests of the same limit never happens.
        """
        if deadline < self._alarm_at:
            if self._alarm:
                self._alarm.cancel()
            self._alarm_at = deadline
            self._alarm = asyncio.get_running_loop().call_at(deadline, self._ring)

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        soonest = math.inf
        for connection in tuple(self._connections):
            if connection.deadline <= now:
                connection.expire()
            else:
                soonest = min(soonest, connection.deadline)
        self._alarm_at = math.inf
        self.watch(max(soonest, now + _TICK))


class _StaleError(Exception):
    """The server had closed a reused connection before the request reached it."""


class _Connection(asyncio.Protocol):
    """One connection, which carries one request at a time and goes back to the idle ones by itself."""

    __slots__ = (
        "_idle", "_loop", "_owner", "_parser", "_paused", "_read_limit", "_reused", "_transport", "_waiter",
        "deadline", "idle_since",
    )  # fmt: skip

    def __init__(self, owner: LeanTransport, idle: _Idle) -> None:
        self._owner = owner
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._parser: ResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False
        self._reused = False
        self._read_limit = math.inf
        self.deadline = math.inf
        self.idle_since = 0.0

    async def exchange(self, message: bytes, parser: ResponseParser, limits: dict[str, float | None]) -> None:
        """Send a request and feed the parser until the response is complete; limits are in seconds."""
        if self._transport.is_closing():
            raise self._closed_early()
        waiter = self._loop.create_future()
        self._waiter = waiter
        self._parser = parser
        self._read_limit = _seconds(limits.get("read"))
        self._transport.write(message)
        limit = _seconds(limits.get("write")) if self._paused else self._read_limit
        self.deadline = self._loop.time() + limit
        self._owner.watch(self.deadline)
        try:
            await waiter
        except BaseException:
            if self._waiter is waiter:  # else the connection is gone already, or carries another request
                self.abort()
            raise

    def abort(self) -> None:
        """Close the connection at once and let nobody use it again."""
        self._waiter = self._parser = None
        self.deadline = math.inf
        self._idle.pop(self, None)
        self._transport.abort()

    def fail(self, error: Exception) -> None:
        """Close the connection and give the request that waits, if any, this error."""
        waiter = self._waiter
        self.abort()
        if waiter and not waiter.done():
            waiter.set_exception(error)

    def expire(self) -> None:
        """Give the request that waits the error for what it waited for in vain."""
        if self._paused:
            self.fail(httpx2.WriteTimeout("The server did not take the request in time."))
        else:
            self.fail(httpx2.ReadTimeout("The server did not answer in time."))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)  # so that a pause means: the request is not wholly sent
        self._owner.keep(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._waiter:
            self.deadline = self._loop.time() + self._read_limit
            self._owner.watch(self.deadline)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            self.abort()  # bytes that nobody asked for must not be taken for the next answer
            return
        try:
            complete = parser.feed(data)
        except httpx2.RemoteProtocolError as error:
            self.fail(error)
            return
        if complete:
            self._finish(parser)
        elif not self._paused:
            self.deadline = self._loop.time() + self._read_limit

    def _finish(self, parser: ResponseParser) -> None:
        waiter = self._waiter
        if parser.keep_alive and not self._paused:
            self._waiter = self._parser = None
            self.deadline = math.inf
            self._reused = True
            self.idle_since = self._loop.time()
            self._idle[self] = None
        else:
            self.abort()
        if waiter and not waiter.done():
            waiter.set_result(None)

    def eof_received(self) -> None:
        parser = self._parser
        if parser and parser.started:
            try:
                parser.feed_eof()
            except httpx2.RemoteProtocolError as error:
                self.fail(error)
            else:
                self._finish(parser)

    def connection_lost(self, exc: Exception | None) -> None:
        error = self._closed_early()
        if exc and not isinstance(error, _StaleError):
            error = httpx2.ReadError(f"The connection broke: {exc}")
        self.fail(error)
        self._owner.forget(self)

    def _closed_early(self) -> Exception:
        parser = self._parser
        if self._reused and not (parser and parser.started):
            return _StaleError()
        return httpx2.RemoteProtocolError("The server closed the connection before its answer was complete.")


async def _dial(host: str, port: int) -> socket.socket:
    """Return a connected socket; the addresses of a host are tried in turn, the system's first choice first.

    The event loop's own race of addresses leaves sockets behind when it is cancelled.
    """
    loop = asyncio.get_running_loop()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name, then, which takes time to look up
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    *others, last = found
    for family, kind, protocol, _, address in others:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_NEXT_ADDRESS):
                return await _dial_address(socket.socket(family, kind, protocol), address)
    return await _dial_address(socket.socket(*last[:3]), last[4])


async def _dial_address(sock: socket.socket, address: tuple[Any, ...]) -> socket.socket:
    try:
        sock.setblocking(False)
        _keep_alive_probes(sock)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _seconds(limit: float | None) -> float:
    return math.inf if limit is None else limit


def _keep_alive_probes(sock: socket.socket) -> None:
    """Have the system probe a silent peer, so that a long answer outlives the routers between."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):  # the second is what macOS calls the first
        if option := getattr(socket, name, None):
            sock.setsockopt(socket.IPPROTO_TCP, option, 60)


def _response(parser: ResponseParser) -> httpx2.Response:
    response = httpx2.Response(
        parser.status,
        headers=parser.headers,
        stream=httpx2.ByteStream(parser.body),
        extensions={"http_version": b"HTTP/1.%d" % parser.minor, "reason_phrase": parser.reason},
    )
    response.read()  # decoded here, without await: the cheapest of the ways to hand over a body
    return response
