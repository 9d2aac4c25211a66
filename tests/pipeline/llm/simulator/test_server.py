import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import msgspec
import openai
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.simulator.http1 import LARGEST_BODY
from prefpipe.pipeline.llm.simulator.quality import author
from prefpipe.pipeline.llm.simulator.server import Connection, run, running, serve
from prefpipe.pipeline.llm.simulator.service import Simulator

MODELS = b"GET /v1/models HTTP/1.1\r\n\r\n"


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


@pytest.fixture
def url(simulator: Simulator) -> Iterator[str]:
    with running(simulator) as base_url:
        yield base_url


@contextmanager
def client(url: str, key: str = "x") -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=10) as opened:
        yield opened


def ask(url: str, model: str, key: str = "x") -> str:
    with client(url, key) as opened:
        completion = opened.chat.completions.create(model=model, messages=[{"role": "user", "content": "Why?"}])
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    return completion.choices[0].message.content or ""


def post(model: str, content: str = "Hi") -> bytes:
    body = msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": content}]})
    return b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def exchange(url: str, data: bytes, *, end: bool = True) -> bytes:
    """Send bytes, say that no more come, and return all that comes back."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as sock:
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_the_openai_client_gets_typed_answers(url: str) -> None:
    assert author(ask(url, "sim:strong")) == "strong"
    with client(url) as opened:
        assert "judge" in {model.id for model in opened.models.list()}


def test_the_openai_client_gets_the_errors_that_it_knows(url: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        ask(url, "gpt-4o")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.RateLimitError) as limited:
        ask(url, "good?error_429=1&retry_after=2")
    assert limited.value.response.headers["retry-after"] == "2"
    assert limited.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.InternalServerError):
        ask(url, "good?error_500=1")
    with pytest.raises(openai.APIConnectionError):
        ask(url, "good?drop=1")
    with pytest.raises(openai.BadRequestError) as long:
        ask(url, "good?context=1")
    assert long.value.code == "context_length_exceeded"


def test_the_openai_client_is_let_in_only_with_the_key() -> None:
    with running(Simulator(api_key="secret")) as url:
        assert ask(url, "good", key="secret")
        with pytest.raises(openai.AuthenticationError) as refused:
            ask(url, "good", key="other")
    assert refused.value.code == "invalid_api_key"


def test_the_openai_client_succeeds_when_it_retries(url: str, simulator: Simulator) -> None:
    with openai.OpenAI(base_url=url, api_key="x", max_retries=3, timeout=10) as opened:
        model = "good?error_429=0.5&error_500=0.5&retry_after=0.001&failures_in_a_row=1"
        completion = opened.chat.completions.create(model=model, messages=[{"role": "user", "content": "Why?"}])
    assert completion.choices[0].message.content
    assert simulator.served.by_status[200] == 1
    assert simulator.served.by_model[model] == 2


def test_two_hundred_clients_are_served_while_another_one_waits(simulator: Simulator) -> None:
    async def talk(port: int, name: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        bodies = []
        for turn in range(3):
            writer.write(post("good?latency=0.05", f"Question {name} {turn}"))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            bodies.append(await reader.readexactly(length))
        writer.close()
        await writer.wait_closed()
        return bodies

    async def main() -> list[list[bytes]]:
        connections: set[Connection] = set()
        server = await serve(simulator, connections=connections)
        port = server.sockets[0].getsockname()[1]
        slow, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("good?latency=3600"))
        found = await asyncio.gather(*(talk(port, name) for name in range(200)))
        server.close()
        for connection in list(connections):
            connection.close()
        assert await slow.read() == b""
        writer.close()
        await server.wait_closed()
        return found

    found = asyncio.run(main())
    embedded = Simulator()
    for name, bodies in enumerate(found):
        for turn, body in enumerate(bodies):
            _, _, sent = post("good?latency=0.05", f"Question {name} {turn}").partition(b"\r\n\r\n")
            assert body == embedded.respond("POST", "/v1/chat/completions", {}, sent).body
    assert simulator.served.by_model == {"good?latency=0.05": 600, "good?latency=3600": 1}


def test_pipelined_requests_are_answered_in_order(url: str) -> None:
    models = ["good?latency=0.1", "fair", "judge?latency=0.05", "weak"]
    received = exchange(url, b"".join(map(post, models)))
    places = [received.index(b'"model":"%b"' % model.encode()) for model in models]
    assert places == sorted(places)


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def test_nothing_is_read_or_answered_while_the_client_does_not_read(simulator: Simulator) -> None:
    async def main() -> None:
        transport, connection = FakeTransport(), Connection(simulator, set())
        connection.connection_made(transport)
        connection.pause_writing()
        connection.data_received(MODELS * 2)
        assert (transport.written, transport.reading) == (b"", False)
        connection.resume_writing()
        assert (transport.written.count(b"200 OK"), transport.reading) == (2, True)

    asyncio.run(main())


def test_a_client_that_reads_late_gets_everything(url: str) -> None:
    received = exchange(url, MODELS * 3_000)
    assert received.count(b"HTTP/1.1 200 OK") == 3_000


def test_a_body_in_chunks_is_read_like_any_other(url: str) -> None:
    head, _, body = post("good").partition(b"\r\n\r\n")
    head = head.partition(b"\r\n")[0] + b"\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    chunks = b"%x\r\n%b\r\n3\r\n%b\r\n0\r\n\r\n" % (len(body) - 3, body[:-3], body[-3:])
    assert exchange(url, head + chunks).startswith(b"HTTP/1.1 200 OK")


def test_leave_to_send_a_body_is_given(url: str) -> None:
    head, _, _ = post("good").partition(b"\r\n\r\n")
    assert exchange(url, head + b"\r\nExpect: 100-continue\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_dropped_request_gets_not_a_byte(url: str) -> None:
    assert exchange(url, post("good?drop=1") + MODELS, end=False) == b""


def test_a_connection_closes_when_the_client_asks(url: str) -> None:
    received = exchange(url, b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n" + MODELS, end=False)
    assert received.count(b"HTTP/1.1") == 1
    assert b"connection: close" in received


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY + 1), b"HTTP/1.1 413 "),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 10\r\n\r\n{", b""),
        (b"POST /v1/chat", b""),
        (b"", b""),
    ],
)
def test_bytes_that_are_no_request_do_not_take_the_server_down(url: str, data: bytes, answer: bytes) -> None:
    received = exchange(url, data)
    assert received.startswith(answer)
    assert bool(received) is bool(answer)
    assert exchange(url, MODELS).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_leaves_early_is_forgotten(url: str) -> None:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as sock:
        sock.sendall(post("good?latency=3600"))
    assert exchange(url, MODELS).startswith(b"HTTP/1.1 200 OK")


def test_a_slow_answer_does_not_keep_the_server_from_ending() -> None:
    with running(Simulator()) as url:
        address = urlsplit(url)
        with closing(socket.create_connection((address.hostname, address.port))) as sock:
            sock.sendall(post("good?latency=3600"))
            assert exchange(url, MODELS)


def test_a_port_that_is_taken_is_a_usage_error(url: str) -> None:
    port = urlsplit(url).port
    assert port is not None
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1, port {port}"):
        run(Simulator(), "127.0.0.1", port, lambda _: None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(number: signal.Signals) -> None:
    code = (
        "from prefpipe.pipeline.llm.simulator import Simulator, run\n"
        "run(Simulator(), '127.0.0.1', 0, lambda url: print(url, flush=True))\n"
        "print('ended')"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert exchange(url, MODELS)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "ended\n", "")
