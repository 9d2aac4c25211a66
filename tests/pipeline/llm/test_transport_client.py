"""The transport as its users meet it: under the openai client, over TLS, and beside a proxy."""

import asyncio
import gc
import gzip
import json
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.transport import LeanTransport, proxy_for, transport_for

CERTIFICATE = Path(__file__).parents[2] / "data" / "loopback_tls.pem"
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}


def reply(status: str, body: object, *fields: str) -> bytes:
    content = json.dumps(body).encode()
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *fields, "", ""]).encode() + content


def served(
    talk: Callable[[openai.AsyncOpenAI], Awaitable[None]],
    answer: bytes | Callable[[bytes], bytes] = b"",
    tls: ssl.SSLContext | None = None,
    timeout: float = 60.0,
    host: str = "127.0.0.1",
    name: str = "",
) -> list[bytes]:
    """Run a talk between the openai client and a server that answers thus; return the heads that it was sent."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                length = heads[-1].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length))
                writer.write(answer if isinstance(answer, bytes) else answer(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        async with await asyncio.start_server(serve, host, 0, ssl=tls, backlog=2048) as server:
            port = server.sockets[0].getsockname()[1]
            async with client(f"{'https' if tls else 'http'}://{name or host}:{port}/v1", timeout) as asked:
                await talk(asked)

    asyncio.run(main())
    gc.collect()  # what was not closed is warned of now, and warnings are errors
    return heads


def client(base_url: str, timeout: float = 60.0) -> openai.AsyncOpenAI:
    http = httpx2.AsyncClient(transport=LeanTransport())
    return openai.AsyncOpenAI(api_key="secret", base_url=base_url, http_client=http, max_retries=0, timeout=timeout)


async def post(asked: openai.AsyncOpenAI, body: bytes = b"{}") -> httpx2.Response:
    return await asked.post("/chat/completions", cast_to=httpx2.Response, content=body)


def test_the_client_asks_with_its_key_and_path_and_reads_the_answer() -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        response = await post(asked)
        assert (response.status_code, response.json(), response.headers["x-a"]) == (200, COMPLETION, "b")
        typed = await asked.chat.completions.create(model="m", messages=[{"role": "user", "content": "?"}])
        assert typed.choices[0].message.content == "hello"

    heads = served(talk, reply("200 OK", COMPLETION, "X-A: b"))
    assert len(heads) == 2
    for head in heads:
        assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"\r\nauthorization: bearer secret\r\n" in head.lower()


def test_too_many_requests_is_a_rate_limit_error_with_its_headers() -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.RateLimitError) as caught:
            await post(asked)
        assert caught.value.response.headers["retry-after"] == "7"
        assert caught.value.body == {"message": "slow down"}

    assert len(served(talk, reply("429 Too Many Requests", {"error": {"message": "slow down"}}, "Retry-After: 7"))) == 1


def test_a_server_that_does_not_answer_is_a_timeout_error() -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.APITimeoutError):
            await post(asked)

    assert len(served(talk, timeout=0.1)) == 1


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allow the two ends of a thousand connections, where the system does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(3000, before[0]), before[1]))
    except ValueError:
        pytest.skip(f"this system allows a process {before[1]} open files, and the test needs 3000")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_a_thousand_requests_at_once_each_get_their_own_answer() -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        answers = await asyncio.gather(*[post(asked, b"%d" % n) for n in range(1000)])
        assert [answer.json() for answer in answers] == [f"to {n}" for n in range(1000)]

    served(talk, lambda body: reply("200 OK", f"to {body.decode()}"))


def test_chunks_and_gzip_are_decoded() -> None:
    body = gzip.compress(json.dumps(COMPLETION).encode())
    parts = [body[i : i + 9] for i in range(0, len(body), 9)]
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nX-Sum: 1\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def talk(asked: openai.AsyncOpenAI) -> None:
        assert [(await post(asked)).json() for _ in range(2)] == [COMPLETION] * 2

    served(talk, head + chunks)


def test_a_body_that_is_not_what_its_encoding_says_is_a_connection_error() -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.APIConnectionError) as caught:
            await post(asked)
        assert isinstance(caught.value.__cause__, httpx2.DecodingError)

    served(talk, reply("200 OK", COMPLETION, "Content-Encoding: gzip"))


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # nobody listens, and nobody else can
        yield reserved.getsockname()[1]


def test_a_refused_connection_is_a_connection_error(closed_port: int) -> None:
    async def main() -> None:
        async with client(f"http://127.0.0.1:{closed_port}/v1") as asked:
            with pytest.raises(openai.APIConnectionError) as caught:
                await post(asked)
            assert isinstance(caught.value.__cause__, httpx2.ConnectError)

    asyncio.run(main())


def test_a_server_is_reached_by_name() -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        assert (await post(asked)).json() == COMPLETION

    assert len(served(talk, reply("200 OK", COMPLETION), name="localhost")) == 1


def test_a_server_is_reached_over_ipv6() -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        assert (await post(asked)).json() == COMPLETION

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    (head,) = served(talk, reply("200 OK", COMPLETION), host="::1", name="[::1]")
    assert b"\r\nhost: [::1]:" in head.lower()


def test_a_server_is_reached_at_its_second_address_when_the_first_refuses(
    closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_addresses(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", place)) for place in (closed_port, port)]

    async def talk(asked: openai.AsyncOpenAI) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", two_addresses)
            assert (await post(asked)).json() == COMPLETION

    assert len(served(talk, reply("200 OK", COMPLETION))) == 1


def test_a_connection_not_completed_in_time_is_a_connect_timeout() -> None:
    async def main(url: str) -> None:
        async with LeanTransport() as transport:
            with pytest.raises(httpx2.ConnectTimeout):
                await transport.handle_async_request(
                    httpx2.Request("GET", url, extensions={"timeout": {"connect": 0.05}})
                )

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(main(f"https://127.0.0.1:{silent.getsockname()[1]}/"))


def test_another_scheme_is_a_connection_error() -> None:
    async def main() -> None:
        async with client("ftp://127.0.0.1/v1") as asked:
            with pytest.raises(openai.APIConnectionError) as caught:
                await post(asked)
            assert isinstance(caught.value.__cause__, httpx2.UnsupportedProtocol)

    asyncio.run(main())


def test_a_transport_refuses_a_second_event_loop(closed_port: int) -> None:
    transport = LeanTransport()

    async def main() -> None:
        request = httpx2.Request("GET", f"http://127.0.0.1:{closed_port}/")
        with pytest.raises(httpx2.ConnectError):
            await transport.handle_async_request(request)
        await transport.aclose()

    asyncio.run(main())
    with pytest.raises(RuntimeError, match="one event loop"):
        asyncio.run(main())


@pytest.fixture
def secure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def test_a_server_of_a_trusted_certificate_is_asked_over_tls(
    secure: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        for _ in range(3):
            assert (await post(asked)).json() == COMPLETION

    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    assert len(served(talk, reply("200 OK", COMPLETION), tls=secure)) == 3


def test_a_server_of_an_unknown_certificate_is_not_asked(
    secure: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk(asked: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.APIConnectionError) as caught:
            await post(asked)
        assert isinstance(caught.value.__cause__, httpx2.ConnectError)
        assert "certificate" in str(caught.value.__cause__)

    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert served(talk, tls=secure) == []


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "")
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"HTTP_PROXY": "http://proxy:1"}, "http://host/v1", "http://proxy:1"),
        ({"HTTP_PROXY": "http://proxy:1"}, "https://host/v1", None),
        ({"HTTPS_PROXY": "http://proxy:1"}, "https://host/v1", "http://proxy:1"),
        ({"ALL_PROXY": "http://proxy:1"}, "https://host/v1", "http://proxy:1"),
        ({"all_proxy": "http://all:1", "https_proxy": "http://proxy:1"}, "https://host/v1", "http://proxy:1"),
        ({"HTTP_PROXY": "proxy:1"}, "http://host/v1", "http://proxy:1"),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": "host"}, "https://host:8000/v1", None),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": "host:8000"}, "https://host:8000/v1", None),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": "host:8000"}, "https://host:9000/v1", "http://proxy:1"),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": ".org, 127.0.0.1"}, "https://a.org/v1", None),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": ".org, 127.0.0.1"}, "http://127.0.0.1:80/v1", None),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": ".org, 127.0.0.1"}, "http://org.a/v1", "http://proxy:1"),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": "::1"}, "http://[::1]:8000/v1", None),
        ({"ALL_PROXY": "http://proxy:1", "no_proxy": "*"}, "http://host/v1", None),
    ],
)
def test_the_lean_transport_gives_way_where_the_environment_sets_a_proxy(
    variables: dict[str, str], url: str, proxy: str | None, environment: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(url) == proxy
    assert type(transport_for(url)) is (httpx2.AsyncHTTPTransport if proxy else LeanTransport)


def test_a_proxy_of_an_unknown_kind_is_a_usage_error(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALL_PROXY", "gopher://proxy:1")
    with pytest.raises(UsageError, match="proxy"):
        transport_for("http://host/v1")
