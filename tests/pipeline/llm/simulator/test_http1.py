import pytest

from prefpipe.pipeline.llm.simulator.http1 import (
    LARGEST_BODY,
    LARGEST_HEAD,
    HttpError,
    Request,
    RequestReader,
    write_reply,
)

PLAIN = b"POST /a?b HTTP/1.1\r\nHost: x\r\nX-Odd:  spaced \r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;note=1\r\nlo\r\n0\r\n%b\r\n"
EMPTY = b"GET /models HTTP/1.1\r\n\r\n"


def read(data: bytes, step: int | None = None) -> list[Request]:
    reader, found = RequestReader(), []
    step = step or len(data) or 1
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        while request := reader.next():
            found.append(request)
    return found


def test_a_request_is_read_with_its_headers_and_its_body() -> None:
    (request,) = read(PLAIN)
    assert (request.method, request.path, request.body) == ("POST", "/a?b", b"hello")
    assert request.headers == {"host": "x", "x-odd": "spaced", "content-length": "5"}
    assert request.keep_alive


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("trailers", [b"", b"X-Sum: 1\r\n"])
def test_requests_behind_each_other_are_read_in_order_however_they_arrive(step: int, trailers: bytes) -> None:
    found = read(PLAIN + CHUNKED % trailers + EMPTY + PLAIN, step)
    assert [(r.path, r.body) for r in found] == [
        ("/a?b", b"hello"),
        ("/c", b"hello"),
        ("/models", b""),
        ("/a?b", b"hello"),
    ]


@pytest.mark.parametrize("data", [PLAIN, CHUNKED % b"", CHUNKED % b"X-Sum: 1\r\n", EMPTY])
def test_a_request_that_is_not_whole_is_waited_for(data: bytes) -> None:
    for end in range(len(data)):
        assert read(data[:end]) == []
    assert len(read(data)) == 1


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close", False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive", True),
    ],
)
def test_the_client_says_whether_the_connection_stays(head: bytes, *, keep_alive: bool) -> None:
    (request,) = read(head + b"\r\n\r\n")
    assert request.keep_alive is keep_alive


def test_leave_to_send_the_body_is_given_once() -> None:
    reader = RequestReader()
    reader.feed(PLAIN.replace(b"Host: x", b"Expect: 100-continue")[: -len(b"hello")])
    assert reader.next() is None
    assert [reader.awaits_continue(), reader.awaits_continue()] == [True, False]
    reader.feed(b"hello")
    request = reader.next()
    assert request is not None
    assert request.body == b"hello"


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n: nameless\r\n\r\n",
        b"GET / HTTP/1.1\r\nfolded: a\r\n b: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nspace : a\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: five\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"x" * LARGEST_HEAD,
        b"x" * LARGEST_HEAD,
    ],
)
def test_what_is_not_a_request_is_refused(data: bytes) -> None:
    with pytest.raises(HttpError) as caught:
        read(data)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY + 1),
        b"POST / HTTP/1.1\r\nContent-Length: %b\r\n\r\n" % (b"9" * 5000),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (LARGEST_BODY + 1),
    ],
)
def test_a_body_that_is_too_large_is_refused_before_it_comes(data: bytes) -> None:
    with pytest.raises(HttpError) as caught:
        read(data)
    assert caught.value.status == 413


def test_a_reply_says_how_long_it_is_and_whether_it_is_the_last() -> None:
    reply = write_reply(404, {"a": "b"}, b"body", keep_alive=True)
    assert reply == b"HTTP/1.1 404 Not Found\r\na: b\r\ncontent-length: 4\r\n\r\nbody"
    assert b"\r\nconnection: close\r\n" in write_reply(200, {}, b"", keep_alive=False)
