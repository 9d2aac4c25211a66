"""A lean chat completions server for load tests: what it can take is known exactly, and it counts what it got.

    python bench/load_server.py KIND [key=value ...]

prints its base URL, and serves until its standard input closes. The kinds are in `load_kinds.py`. GET gives the counts
as JSON. It answers every question with the same verdict, so that nearly all of a core is left to whoever asks.
"""

import asyncio
import json
import sys
from array import array
from collections import Counter
from threading import Thread
from time import monotonic

from load_answers import GARBAGE, Kind, Outcome
from load_kinds import KINDS

_NAMES = {200: "answer", 429: "429", 500: "500", 0: "drop"}
_PHRASES = {200: b"OK", 429: b"Too Many Requests", 500: b"Internal Server Error"}


class Load:
    """What came, and what was given."""

    def __init__(self, kind: Kind, die_after: int) -> None:
        self.kind = kind
        self.die_after = die_after
        self.connections: set[Connection] = set()
        self.given: Counter[str] = Counter()
        self.first_request = 0.0
        self.answered_at = array("d")
        self.server: asyncio.Server | None = None

    def count(self, outcome: Outcome) -> None:
        name = "garbage" if outcome.body is GARBAGE else _NAMES[outcome.status]
        self.given[name] += 1
        if name == "answer":
            self.answered_at.append(monotonic())
            if len(self.answered_at) == self.die_after:
                self.die()

    def die(self) -> None:
        """Vanish as a machine does: every connection breaks, and no new one comes about."""
        if self.server:
            self.server.close()
        for connection in list(self.connections):
            connection.transport.abort()

    def figures(self) -> bytes:
        times = [time - self.first_request for time in self.answered_at]
        last = len(times) - 1
        deciles = [round(times[last * tenth // 10], 3) for tenth in range(11)] if times else []
        counts = {"given": self.given, "first_request": self.first_request, "deciles": deciles}
        return json.dumps(counts | self.kind.figures()).encode()


class Connection(asyncio.Protocol):
    """One client, one request at a time."""

    transport: asyncio.Transport

    def __init__(self, load: Load) -> None:
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio gives no other to a stream server
        self.transport = transport
        self._load.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._load.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        if head.startswith(b"GET"):
            self._received = b""
            self._write(Outcome(body=self._load.figures()))
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._received = b""
        now = monotonic()
        self._load.first_request = self._load.first_request or now
        outcome = self._load.kind.receive(rest, now)
        if outcome.delay > 0:
            self._loop.call_later(outcome.delay, self._answer, outcome)
        else:
            self._answer(outcome)

    def _answer(self, outcome: Outcome) -> None:
        if self.transport.is_closing():
            return
        self._load.count(outcome)
        if outcome.status == 0:
            self.transport.abort()
        else:
            self._write(outcome)

    def _write(self, outcome: Outcome) -> None:
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"
            % (outcome.status, _PHRASES[outcome.status], len(outcome.body), outcome.headers, outcome.body)
        )


async def serve(load: Load) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    load.server = await loop.create_server(lambda: Connection(load), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{load.server.sockets[0].getsockname()[1]}/v1", flush=True)
    Thread(target=wait_for_end, daemon=True).start()
    await ended.wait()


def main() -> None:
    name, *pairs = sys.argv[1:]
    options = {key: float(value) for key, _, value in (pair.partition("=") for pair in pairs)}
    die_after = int(options.pop("die_after", 0))
    asyncio.run(serve(Load(KINDS[name](**options), die_after)))


if __name__ == "__main__":
    main()
