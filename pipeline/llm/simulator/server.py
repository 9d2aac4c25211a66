"""The simulator on a port: asyncio on one thread, thousands of requests a second."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

from ...errors import UsageError
from .http1 import HttpError, RequestReader, write_reply
from .service import JSON, Reply, Simulator
from .wire import ApiError

LINGER = 1.0
"""Seconds that a connection is held after a refusal, so that its sender can read why."""


class Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other, in order, each after its own delay."""

    def __init__(self, simulator: Simulator, connections: "set[Connection]") -> None:
        """Answer with a simulator; be in the set while connected."""
        self._simulator = simulator
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = False  # a reply is under way: what is pipelined behind it must wait
        self._full = False  # the client does not read
        self._ending = False  # nothing more is read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio gives no other to a stream server
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the client, and what it waited for."""
        self._ending = True
        self._connections.discard(self)
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        if not self._ending:
            self._reader.feed(data)
            self._answer()

    def pause_writing(self) -> None:
        """Answer no more until the client has read."""
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on with the requests that have arrived meanwhile."""
        self._full = False
        self._go_on()

    def close(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def _answer(self) -> None:
        while not (self._waiting or self._full or self._ending):
            try:
                request = self._reader.next()
            except HttpError as error:
                self._refuse(error)
                return
            if request is None:
                if self._reader.awaits_continue():
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            reply = self._simulator.respond(request.method, request.path, request.headers, request.body)
            if reply.delay > 0:
                self._waiting = True
                self._transport.pause_reading()
                self._timer = self._loop.call_later(reply.delay, self._send_late, reply, request.keep_alive)
            else:
                self._send(reply, keep_alive=request.keep_alive)

    def _send_late(self, reply: Reply, keep_alive: bool) -> None:
        self._waiting, self._timer = False, None
        self._send(reply, keep_alive=keep_alive)
        self._go_on()

    def _go_on(self) -> None:
        if not (self._waiting or self._full or self._ending):
            self._transport.resume_reading()
            self._answer()

    def _send(self, reply: Reply, *, keep_alive: bool) -> None:
        if not reply.drop:
            self._transport.write(write_reply(reply.status, reply.headers, reply.body, keep_alive=keep_alive))
        if reply.drop or not keep_alive:
            self._ending = True
            self._transport.close()

    def _refuse(self, error: HttpError) -> None:
        self._ending = True
        body = ApiError(error.status, str(error)).body
        self._transport.write(write_reply(error.status, JSON, body, keep_alive=False))
        self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER, self._transport.close)


async def serve(
    simulator: Simulator,
    host: str = "127.0.0.1",
    port: int = 0,
    connections: set[Connection] | None = None,
) -> asyncio.Server:
    """Return a server that answers on a port, 0 for any free one.

    Args:
        simulator: What answers.
        host: The address to listen on.
        port: The port to listen on.
        connections: Will hold the open connections, for whoever ends the server to close them: closing the
            server itself leaves them open.

    Raises:
        UsageError: the port cannot be had.
    """
    held = set() if connections is None else connections
    try:
        return await asyncio.get_running_loop().create_server(lambda: Connection(simulator, held), host, port)
    except OSError as error:
        message = f"The simulator cannot listen on {host}, port {port}: {error.strerror or error}."
        raise UsageError(message, "Choose another port, or 0 for any free one.") from None


def run(simulator: Simulator, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; call `on_ready` with the base URL as soon as requests are answered.

    Raises:
        UsageError: the port cannot be had.
    """

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await _serve_until(stop, simulator, host, port, on_ready)

    asyncio.run(main())


@contextmanager
def running(simulator: Simulator) -> Iterator[str]:
    """Serve in a thread of its own, on a free port of this machine, and yield the base URL."""
    ready: Future[tuple[str, Callable[[], object]]] = Future()

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()

        def on_ready(url: str) -> None:
            ready.set_result((url, lambda: loop.call_soon_threadsafe(stop.set)))

        await _serve_until(stop, simulator, "127.0.0.1", 0, on_ready)

    def body() -> None:
        try:
            asyncio.run(main())
        finally:
            ready.cancel()  # nothing, unless it could not start: whoever waits must not wait for ever

    thread = Thread(target=body, name="simulator", daemon=True)
    thread.start()
    url, end = ready.result()
    try:
        yield url
    finally:
        end()
        thread.join()


async def _serve_until(
    stop: asyncio.Event, simulator: Simulator, host: str, port: int, on_ready: Callable[[str], None]
) -> None:
    connections: set[Connection] = set()
    server = await serve(simulator, host, port, connections)
    try:
        name, number = server.sockets[0].getsockname()[:2]
        on_ready(f"http://[{name}]:{number}/v1" if ":" in name else f"http://{name}:{number}/v1")
        await stop.wait()
    finally:
        server.close()
        for connection in list(connections):
            connection.close()
        await server.wait_closed()
