"""The transport against servers of this process that misbehave on purpose; loopback only."""

import asyncio
import contextlib
import gc
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from prefpipe.pipeline.llm.transport import LeanTransport

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Peer(asyncio.Protocol):
    """The server's end of one connection, which hands every whole request to the server's script."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.pending = b""
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.write, self.close = transport.write, transport.close
        self.server.peers.append(self)
        self.number = len(self.server.peers)

    def data_received(self, data: bytes) -> None:
        self.pending += data
        head, end, rest = self.pending.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if end and len(rest) >= size:
            self.pending = rest[size:]
            self.server.requests.append((head, rest[:size]))
            self.server.arrived.set()
            self.server.script(self, len(self.server.requests))

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    def say(self, body: bytes, *fields: bytes) -> None:
        self.write(b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields, b"", body]))

    def reset(self) -> None:
        """Close so that the client reads an error, not an end."""
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


Script = Callable[[Peer, int], object]
Talk = Callable[[LeanTransport, "Server"], Awaitable[None]]


class Server:
    """What was asked of a server, over which connections."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.peers: list[Peer] = []
        self.requests: list[tuple[bytes, bytes]] = []
        self.arrived = asyncio.Event()
        self.url = ""

    async def has(self, requests: int) -> None:
        while len(self.requests) < requests:
            self.arrived.clear()
            await self.arrived.wait()


@contextlib.asynccontextmanager
async def serving(script: Script, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.get_running_loop().create_server(lambda: Peer(server), host, 0, backlog=2048)
    name = f"[{host}]" if ":" in host else host
    server.url = f"http://{name}:{listener.sockets[0].getsockname()[1]}/v1/ask"
    try:
        yield server
    finally:
        listener.close()
        for peer in server.peers:
            peer.transport.abort()
            await peer.gone.wait()


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run to the end, and let nothing go wrong that nobody is told of."""
    unheard: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
        async with asyncio.timeout(30):  # against a hang, of which no test speaks
            await main()

    asyncio.run(watched())
    gc.collect()  # what was not closed is warned of now, and warnings are errors
    assert unheard == []


def converse(talk: Talk, script: Script, **options: Any) -> None:
    async def main() -> None:
        async with serving(script) as server, LeanTransport(**options) as transport:
            await talk(transport, server)

    run(main)


def number(peer: Peer, number: int) -> None:
    peer.say(b"%d" % number)


def nothing(peer: Peer, number: int) -> None: ...


def with_server(script: Script = number, **options: Any) -> Callable[[Talk], Callable[[], None]]:
    """Make a test of a talk between a transport of these options and a server of this script."""
    return lambda talk: lambda: converse(talk, script, **options)


def request(url: str, body: bytes = b"{}", *, headers: Any = None, **limits: float | None) -> httpx2.Request:
    return httpx2.Request("POST", url, content=body, headers=headers, extensions={"timeout": limits})


async def ask(transport: LeanTransport, server: Server, body: bytes = b"{}", **kwargs: Any) -> bytes:
    return (await transport.handle_async_request(request(server.url, body, **kwargs))).content


@with_server()
async def test_a_request_arrives_as_it_was_built(lean: LeanTransport, server: Server) -> None:
    sent = request(f"{server.url}?a=b%20c", b"body", headers={"Host": "other", "X-Key": "value"})
    response = await lean.handle_async_request(sent)
    assert (response.status_code, response.content, response.is_closed) == (200, b"1", True)
    head, body = server.requests[0]
    lines = [b"POST /v1/ask?a=b%20c HTTP/1.1", b"Host: other", b"X-Key: value", b"Content-Length: 4"]
    assert (head.split(b"\r\n"), body) == (lines, b"body")


@with_server()
async def test_a_streamed_body_is_sent_whole_under_its_length(lean: LeanTransport, server: Server) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"12"
        yield b"345"

    await lean.handle_async_request(httpx2.Request("POST", server.url, content=parts()))
    head, body = server.requests[0]
    assert b"transfer-encoding" not in head.lower()
    assert (LENGTH.findall(head), body) == ([b"5"], b"12345")


@with_server()
async def test_requests_one_after_another_share_a_connection(lean: LeanTransport, server: Server) -> None:
    assert [await ask(lean, server) for _ in range(20)] == [b"%d" % n for n in range(1, 21)]
    assert len(server.peers) == 1


@with_server(lambda peer, _: peer.say(b"%d" % peer.number))
async def test_the_connection_used_last_is_used_next(lean: LeanTransport, server: Server) -> None:
    await asyncio.gather(*[ask(lean, server) for _ in range(3)])
    used = {await ask(lean, server) for _ in range(5)}
    assert (len(server.peers), len(used)) == (3, 1)


NOT_REUSED: dict[str, Callable[[Peer], object]] = {
    "idle for too long": lambda peer: None,
    "closed by the server": lambda peer: peer.close(),
    "sent bytes that nobody asked for": lambda peer: peer.say(b"not yours"),
    "said to be closed": lambda peer: None,
}


@pytest.mark.parametrize("reason", NOT_REUSED)
def test_a_connection_is_not_reused_when_it_was(reason: str) -> None:
    fields = [b"Connection: close"] if reason == "said to be closed" else []

    async def talk(lean: LeanTransport, server: Server) -> None:
        assert await ask(lean, server) == b"1"
        NOT_REUSED[reason](server.peers[0])
        await asyncio.sleep(0.05)
        assert await ask(lean, server) == b"2"
        await server.peers[0].gone.wait()
        assert (len(server.peers), len(server.requests)) == (2, 2)

    limit = 0.01 if reason == "idle for too long" else 60.0
    converse(talk, lambda peer, n: peer.say(b"%d" % n, *fields), keep_alive=limit)


@pytest.mark.parametrize("close", [Peer.reset, lambda peer: peer.close()])
def test_a_request_on_a_connection_just_closed_is_sent_once_more_on_a_fresh_one(close: Callable[[Peer], None]) -> None:
    async def talk(lean: LeanTransport, server: Server) -> None:
        assert await ask(lean, server, b"first") == b"1"
        assert await ask(lean, server, b"second") == b"3"
        assert [body for _, body in server.requests] == [b"first", b"second", b"second"]
        assert len(server.peers) == 2

    converse(talk, lambda peer, n: close(peer) if n == 2 else number(peer, n))


@with_server(lambda peer, n: number(peer, n) if n == 1 else peer.close())
async def test_a_request_is_never_sent_more_than_twice(lean: LeanTransport, server: Server) -> None:
    await ask(lean, server)
    with pytest.raises(httpx2.RemoteProtocolError):
        await ask(lean, server)
    assert len(server.requests) == 3


def cut(answer: bytes) -> Script:
    return lambda peer, _: (peer.write(answer), peer.close())


def later(act: Callable[..., object], *args: object) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(0.05, act, *args)


FAILURES: dict[str, tuple[Script, type[httpx2.TransportError], bool]] = {
    "closed on a fresh connection": (lambda peer, _: peer.close(), httpx2.RemoteProtocolError, True),
    "reset on a fresh connection": (lambda peer, _: peer.reset(), httpx2.ReadError, True),
    "closed in the head": (cut(b"HTTP/1.1 2"), httpx2.RemoteProtocolError, False),
    "reset in the head": (lambda peer, _: (peer.write(b"HTTP/1.1 2"), later(peer.reset)), httpx2.ReadError, False),
    "closed in the body": (cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), httpx2.RemoteProtocolError, False),
    "not HTTP": (lambda peer, _: peer.write(b"SSH-2.0-x\r\n"), httpx2.RemoteProtocolError, False),
    "no answer in time": (nothing, httpx2.ReadTimeout, False),
    "half an answer in time": (lambda peer, _: later(peer.write, b"HTTP/1.1 2"), httpx2.ReadTimeout, False),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_request_that_fails_otherwise_is_not_repeated_and_its_connection_not_reused(failure: str) -> None:
    fail, error, fresh = FAILURES[failure]
    before = 0 if fresh else 1

    async def talk(lean: LeanTransport, server: Server) -> None:
        for _ in range(before):
            await ask(lean, server)
        with pytest.raises(error) as caught:
            await ask(lean, server, read=0.2)
        assert caught.value.request.url == server.url
        assert len(server.requests) == before + 1
        await server.peers[0].gone.wait()
        assert await ask(lean, server) == b"%d" % (before + 2)
        assert len(server.peers) == 2

    converse(talk, lambda peer, n: fail(peer, n) if n == before + 1 else number(peer, n))


@with_server(cut(b"HTTP/1.1 200 OK\r\n\r\nwhole"))
async def test_an_answer_of_no_declared_length_ends_with_its_connection(lean: LeanTransport, server: Server) -> None:
    assert [await ask(lean, server) for _ in range(2)] == [b"whole", b"whole"]


@with_server(lambda peer, _: peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"))
async def test_the_answer_to_head_leaves_the_connection_usable(lean: LeanTransport, server: Server) -> None:
    for _ in range(2):
        response = await lean.handle_async_request(httpx2.Request("HEAD", server.url))
        assert (response.headers["content-length"], response.content) == ("7", b"")
    assert len(server.peers) == 1


@with_server(nothing)
async def test_each_request_has_its_own_read_limit(lean: LeanTransport, server: Server) -> None:
    patient = [asyncio.create_task(ask(lean, server, read=limit)) for limit in (60.0, None)]
    await server.has(2)
    for _ in range(2):
        with pytest.raises(httpx2.ReadTimeout):
            await ask(lean, server, read=0.01)
    for peer in server.peers[:2]:
        peer.say(b"late")
    assert await asyncio.gather(*patient) == [b"late", b"late"]


def in_slow_pieces(peer: Peer, number: int) -> None:
    peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
    for i in range(8):
        asyncio.get_running_loop().call_later(0.15 * (i + 1), peer.write, b"%d" % i)


@with_server(in_slow_pieces)
async def test_an_answer_that_keeps_coming_may_take_longer_than_the_read_limit(
    lean: LeanTransport, server: Server
) -> None:
    assert await ask(lean, server, read=0.9) == b"01234567"


@with_server()
async def test_a_server_that_does_not_take_the_request_is_a_write_timeout(lean: LeanTransport, server: Server) -> None:
    await ask(lean, server)
    server.peers[0].transport.pause_reading()
    with pytest.raises(httpx2.WriteTimeout):
        await ask(lean, server, b"x" * 20_000_000, write=0.05)


@with_server(lambda peer, n: asyncio.get_running_loop().call_later(1.2 * (n - 1), number, peer, n))
async def test_the_read_limit_of_a_large_request_begins_when_it_is_sent(lean: LeanTransport, server: Server) -> None:
    await ask(lean, server)
    server.peers[0].transport.pause_reading()
    asyncio.get_running_loop().call_later(0.1, server.peers[0].transport.resume_reading)
    assert await ask(lean, server, b"x" * 20_000_000, read=60.0, write=1.0) == b"2"
    assert len(server.requests[1][1]) == 20_000_000
    assert len(server.peers) == 1


@with_server()
async def test_a_read_limit_ends_with_its_request(lean: LeanTransport, server: Server) -> None:
    await ask(lean, server, read=0.05)
    await asyncio.sleep(0.15)
    await ask(lean, server)
    assert len(server.peers) == 1


@with_server(lambda peer, n: number(peer, n) if n != 2 else None)
async def test_a_cancelled_request_leaves_nothing_behind_for_the_next(lean: LeanTransport, server: Server) -> None:
    await ask(lean, server)
    task = asyncio.create_task(ask(lean, server))
    await server.has(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ask(lean, server) == b"3"
    await server.peers[0].gone.wait()
    assert len(server.peers) == 2


@with_server(nothing)
async def test_a_request_cancelled_while_it_connects_leaves_no_connection(lean: LeanTransport, server: Server) -> None:
    for turns in range(8):
        task = asyncio.create_task(ask(lean, server))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@with_server()
async def test_a_request_cancelled_as_its_answer_arrives_does_not_disturb_the_next_on_its_connection(
    lean: LeanTransport, server: Server
) -> None:
    task = asyncio.create_task(ask(lean, server))
    while not any(lean._idle.values()):  # noqa: ASYNC110 - the very turn in which the answer is here, not later
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    assert await ask(lean, server) == b"2"
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(server.peers) == 1


@pytest.mark.parametrize("answered", [True, False])
def test_a_request_cancelled_just_before_its_connection_has_news_is_only_cancelled(answered: bool) -> None:
    async def talk(lean: LeanTransport, server: Server) -> None:
        task = asyncio.create_task(ask(lean, server))
        await server.has(1)
        (connection,) = lean._connections
        task.cancel()
        if answered:
            connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlost")
        else:
            connection.connection_lost(None)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ask(lean, server) == b"2"
        assert len(server.peers) == (1 if answered else 2)

    converse(talk, lambda peer, n: number(peer, n) if n == 2 else None)


@with_server(nothing)
async def test_closing_leaves_no_connection_that_is_still_being_made(lean: LeanTransport, server: Server) -> None:
    for turns in range(8):
        async with LeanTransport() as closing:
            task = asyncio.create_task(ask(closing, server))
            for _ in range(turns):
                await asyncio.sleep(0)
        with pytest.raises((httpx2.TransportError, RuntimeError)):
            await task


@with_server()
async def test_closing_fails_what_is_under_way_and_closes_every_connection(lean: LeanTransport, server: Server) -> None:
    await asyncio.gather(*[ask(lean, server) for _ in range(3)])
    server.script = nothing
    tasks = [asyncio.create_task(ask(lean, server, read=60.0)) for _ in range(2)]
    await server.has(5)
    await lean.aclose()
    assert lean._connections == set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [httpx2.ReadError] * 2
    for peer in server.peers:
        await peer.gone.wait()
    with pytest.raises(RuntimeError):
        await ask(lean, server)
    assert len(server.requests) == 5
