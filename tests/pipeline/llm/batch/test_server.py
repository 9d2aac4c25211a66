import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.batch.failures import GoneError, TooMuchError, in_our_words
from prefpipe.pipeline.llm.batch.records import Address
from prefpipe.pipeline.llm.batch.server import BatchServer, Remote, Servers
from prefpipe.pipeline.llm.failures import (
    CallError,
    PermanentError,
    StopError,
    ThrottledError,
    TransientError,
    UnreachableError,
)
from prefpipe.pipeline.llm.simulator import BatchRules, Simulator, running

Result = TypeVar("Result")
EMBEDDED = Address("http://simulator.invalid/v1", "KEY", simulated=True)
LINE = (
    b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions",'
    b'"body":{"model":"good","messages":[{"role":"user","content":"Hi"}]}}'
)


@asynccontextmanager
async def connected(simulator: Simulator, url: str | None = None) -> AsyncIterator[BatchServer]:
    servers = Servers(simulator)
    try:
        yield servers.at(Address(url, "KEY", simulated=False) if url else EMBEDDED)
    finally:
        await servers.close()


def using(
    action: Callable[[BatchServer], Awaitable[Result]], simulator: Simulator | None = None, url: str | None = None
) -> Result:
    async def run() -> Result:
        async with connected(simulator or Simulator(), url) as server:
            return await action(server)

    return asyncio.run(run())


async def lines(server: BatchServer, file_id: str) -> list[bytes]:
    return [line async for some in server.lines(file_id) for line in some]


async def send(server: BatchServer, content: bytes) -> str:
    return await server.upload("f.jsonl", io.BytesIO(content))


@given(st.lists(st.text().map(lambda text: text.replace("\n", "\u2028").encode("utf-8", "surrogatepass"))))
def test_lines_end_at_line_feeds_and_nowhere_else(content: list[bytes]) -> None:
    async def there_and_back(server: BatchServer) -> list[bytes]:
        return await lines(server, await send(server, b"".join(line + b"\n" for line in content)))

    assert using(there_and_back) == content


def test_a_large_file_comes_back_over_a_port_as_it_went() -> None:
    content = [b"%d %b" % (number, b"x" * (number * 997 % 5000)) for number in range(3000)]

    async def there_and_back(server: BatchServer) -> list[bytes]:
        return await lines(server, await send(server, b"\n".join(content)))

    simulator = Simulator()
    with running(simulator) as url:
        assert using(there_and_back, simulator, url) == content


def test_a_file_is_sent_whole_each_time() -> None:
    async def twice(server: BatchServer) -> list[list[bytes]]:
        file = io.BytesIO(b"one\ntwo")
        return [await lines(server, await server.upload("f.jsonl", file)) for _ in range(2)]

    assert using(twice) == [[b"one", b"two"]] * 2


def test_a_batch_is_found_by_its_file_or_its_tag_on_whatever_page_it_stands() -> None:
    async def find(server: BatchServer) -> None:
        made = [await server.create(await send(server, LINE), f"tag {number}") for number in range(130)]
        assert await server.find("file-no", "tag 3", 0) == made[3]
        own = await send(server, LINE)
        oldest = await server.create(own, "other")
        assert await server.find(own, "no tag", 0) == oldest
        assert await server.find("file-no", "no tag", 0) is None

    using(find)


def test_batches_that_are_too_old_are_not_searched() -> None:
    now = 1e9
    simulator = Simulator(clock=lambda: now)

    async def find(server: BatchServer) -> Remote | None:
        nonlocal now
        await server.create(await send(server, LINE), "wanted")
        await server.create(await send(server, LINE), "another")
        now += 3 * 24 * 3600
        return await server.find("file-no", "wanted", since=now)

    assert using(find, simulator) is None


def test_a_batch_says_what_became_of_it() -> None:
    async def finish(server: BatchServer) -> Remote:
        remote = await server.create(await send(server, LINE), "t")
        while not remote.has_ended:
            remote = await server.look(remote.id)
        return remote

    done = using(finish)
    assert (done.state, done.total, done.answered, done.failed, len(done.files)) == ("completed", 1, 1, 0, 1)
    assert done.seconds is not None
    refused = using(finish, Simulator(rules=BatchRules(most_enqueued=0)))
    assert (refused.was_too_much, refused.errors[0][0], refused.files) == (True, "token_limit_exceeded", ())


@pytest.mark.parametrize(
    ("action", "kind", "says"),
    [
        (lambda server: server.look("batch_no"), GoneError, "HTTP 404: No batch found"),
        (lambda server: lines(server, "file-no"), GoneError, "HTTP 404: No such File"),
        (lambda server: server.create("file-no", "t"), TransientError, "HTTP 400: Cannot find file"),
        (lambda server: server.create("file-no", "t" * 999), PermanentError, "HTTP 400"),
        (lambda server: send(server, b"x" * 99), TooMuchError, "HTTP 413"),
    ],
)
@pytest.mark.parametrize("on_a_port", [True, False])
def test_refusals_come_in_our_words(
    action: Callable[[BatchServer], Awaitable[object]], kind: type[CallError], says: str, on_a_port: bool
) -> None:
    simulator = Simulator(rules=BatchRules(most_bytes=50))
    with running(simulator) as url, pytest.raises(CallError) as caught:
        using(action, simulator, url if on_a_port else None)
    assert type(caught.value) is kind
    assert caught.value.reason.startswith(says)


def test_a_server_that_is_not_there_cannot_be_reached() -> None:
    with pytest.raises(UnreachableError, match="no connection to"):
        using(lambda server: server.look("b"), url="http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, '{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}', ThrottledError),
        (429, '{"error":{"message":"Enqueued token limit reached for m"}}', TooMuchError),
        (429, '{"error":{"message":"You have no money left","code":"insufficient_quota"}}', StopError),
        (401, '{"error":{"message":"Incorrect API key sk-secret"}}', StopError),
        (503, "busy", TransientError),
    ],
)
def test_what_a_server_says_decides_what_is_done(
    status: int, body: str, kind: type[CallError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk-secret")
    response = httpx2.Response(
        status, text=body, headers={"retry-after": "7"}, request=httpx2.Request("GET", "http://h")
    )
    with pytest.raises(CallError) as caught, in_our_words(EMBEDDED):
        raise openai.APIStatusError("no", response=response, body=None)
    assert type(caught.value) is kind
    assert "sk-secret" not in caught.value.reason
    assert caught.value.retry_after == (7 if issubclass(kind, TransientError) else None)


def test_a_page_instead_of_an_answer_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(*_: object) -> httpx2.Response:
        return httpx2.Response(200, text="<html>", headers={"content-type": "text/html"})

    async def handle(_: object, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return page()

    monkeypatch.setattr("prefpipe.pipeline.llm.embedded.EmbeddedTransport.handle_async_request", handle)
    for action in (lambda server: send(server, b"x"), lambda server: server.look("b")):
        with pytest.raises(StopError, match="is not an answer of OpenAI's end point"):
            using(action)
