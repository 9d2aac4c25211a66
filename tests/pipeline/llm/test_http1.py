from itertools import pairwise
from typing import NamedTuple

import pytest
from httpx2 import ByteStream, Headers, LocalProtocolError, RemoteProtocolError, Request
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.llm.http1 import MAX_BODY, MAX_HEAD, ResponseParser, request_bytes

TOKENS = st.text("abcXYZ-0189_!", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=30).map(lambda raw: bytes(c for c in raw if c > 32 and c != 127))
FRAMING = {b"connection", b"content-length", b"transfer-encoding"}
quick = settings(deadline=None, derandomize=True, max_examples=300)


class Outcome(NamedTuple):
    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    keep_alive: bool


def read(*pieces: bytes, max_head: int = MAX_HEAD, max_body: int = MAX_BODY) -> Outcome | None:
    """Return what a connection that sends these pieces and ends answers; None when it is malformed."""
    parser = ResponseParser(max_head=max_head, max_body=max_body)
    try:
        for piece in pieces:
            assert parser.feed(piece) == parser.complete
        if not parser.complete:
            parser.feed_eof()
    except RemoteProtocolError:
        return None
    assert parser.complete
    return Outcome(parser.status, parser.reason, parser.headers, parser.body, parser.keep_alive)


def answer(head: str, body: bytes = b"") -> bytes:
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def body_of(raw: bytes) -> bytes | None:
    outcome = read(raw)
    return outcome.body if outcome else None


@st.composite
def pieces_of(draw: st.DrawFn, raw: bytes) -> list[bytes]:
    cuts = draw(st.lists(st.integers(0, len(raw)), max_size=12))
    every_byte = draw(st.booleans()) and len(raw) < 400
    ends = range(len(raw) + 1) if every_byte else sorted({0, *cuts, len(raw)})
    return [raw[a:b] for a, b in pairwise(ends)]


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    parts = draw(pieces_of(body))
    extension = draw(st.sampled_from([b"", b";a", b' ; a="b;c"']))
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n"]))
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), extension, p) for p in parts if p) + b"0\r\n" + trailers + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Outcome]:
    """Draw the bytes of a response, and what they mean."""
    status = draw(st.sampled_from([200, 204, 304, 404, 429, 500]))
    reason = draw(st.sampled_from([b"OK", b"", b"Too Many Requests"]))
    pairs = draw(st.lists(st.tuples(TOKENS, VALUES), max_size=5))
    headers = [(name, value) for name, value in pairs if name.lower() not in FRAMING]
    body = draw(st.binary(max_size=300)) if status not in {204, 304} else b""
    framing = draw(st.sampled_from(["length", "chunked", "close"])) if status not in {204, 304} else "none"
    keep_alive = framing != "close"
    sent = body
    if framing == "length":
        headers.append((draw(st.sampled_from([b"Content-Length", b"content-length"])), b"%d" % len(body)))
    elif framing == "chunked":
        headers.append((b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"]))))
        sent = draw(chunked(body))
    if draw(st.booleans()):
        headers.append((b"Connection", b"x, Close"))
        keep_alive = False
    end = draw(st.sampled_from([b"\r\n", b"\n"]))
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"]))
    surplus = draw(st.sampled_from([b"", b"x"])) if framing != "close" else b""
    head = b"HTTP/1.1 %d %b" % (status, reason) + end + b"".join(b"%b: %b " % h + end for h in headers) + end
    return interim + head + sent + surplus, Outcome(status, reason, headers, body, keep_alive and not surplus)


@quick
@given(st.data())
def test_a_response_means_the_same_however_it_is_split(data: st.DataObject) -> None:
    raw, meaning = data.draw(answers())
    assert read(raw) == meaning
    assert read(*data.draw(pieces_of(raw))) == meaning


@quick
@given(st.data())
def test_a_damaged_response_is_read_or_refused_alike_however_it_is_split(data: st.DataObject) -> None:
    raw, _ = data.draw(answers())
    at = data.draw(st.integers(0, len(raw)))
    cut = data.draw(st.integers(0, 4))
    damaged = raw[:at] + data.draw(st.binary(max_size=4)) + raw[at + cut :]
    assert read(*data.draw(pieces_of(damaged))) == read(damaged)


@quick
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n"]), st.data())
def test_garbage_is_refused_at_the_latest_when_the_connection_ends(
    garbage: bytes, start: bytes, data: st.DataObject
) -> None:
    raw = start + garbage
    outcome = read(*data.draw(pieces_of(raw)))
    assert outcome == read(raw)
    assert outcome is None or raw.startswith(b"HTTP/1.")


def test_what_does_not_speak_http_is_refused_at_its_first_bytes() -> None:
    with pytest.raises(RemoteProtocolError):
        ResponseParser().feed(b"\x15\x03\x01\x00\x02")


@pytest.mark.parametrize(
    "raw",
    [
        answer("HTTP/2 200 OK\nContent-Length: 0"),
        answer("HTTP/1.1 20 OK\nContent-Length: 0"),
        answer("HTTP/1.1 099 OK\nContent-Length: 0"),
        answer("HTTP/1.1 101 Switching Protocols\nUpgrade: x"),
        answer("HTTP/1.1 200 OK\nContent-Length: -1"),
        answer("HTTP/1.1 200 OK\nContent-Length: 1, 2", b"ab"),
        answer("HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2", b"ab"),
        answer("HTTP/1.1 200 OK\nContent-Length:"),
        answer("HTTP/1.1 200 OK\nContent-Length: " + "9" * 5000),
        answer("HTTP/1.1 200 OK\nContent-Length: ²", b"ab"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
        answer("HTTP/1.1 200 OK\nno colon"),
        answer("HTTP/1.1 200 OK\n: no name"),
        answer("HTTP/1.1 200 OK\nspace : before colon"),
        answer("HTTP/1.1 200 OK\nA: b\n folded"),
        answer("HTTP/1.1 200 OK\nA: b\0"),
        answer("HTTP/1.1 200 OK\nA: b\rC: d"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"x\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"-1\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nabc\r\n0\r\n\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\nab\r\n"),
        answer("HTTP/1.1 200 OK\nContent-Length: 3", b"ab"),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
    ],
)
def test_a_malformed_or_unfinished_response_is_refused(raw: bytes) -> None:
    assert read(raw) is None


def test_a_length_said_twice_alike_is_one_length() -> None:
    assert body_of(answer("HTTP/1.1 200 OK\nContent-Length: 2, 2\nContent-Length: 2", b"ab")) == b"ab"


def test_chunks_beside_a_length_are_read_and_the_connection_is_not_trusted() -> None:
    raw = answer("HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked", b"2\r\nab\r\n0\r\n\r\n")
    outcome = read(raw)
    assert outcome is not None
    assert (outcome.body, outcome.keep_alive) == (b"ab", False)


def test_an_http_1_0_connection_is_kept_only_if_the_server_says_so() -> None:
    plain = read(answer("HTTP/1.0 200 OK\nContent-Length: 1", b"a"))
    kept = read(answer("HTTP/1.0 200 OK\nContent-Length: 1\nConnection: Keep-Alive", b"a"))
    assert plain is not None
    assert kept is not None
    assert (plain.keep_alive, kept.keep_alive) == (False, True)


def test_the_answer_to_head_has_no_body_whatever_length_it_declares() -> None:
    parser = ResponseParser(bodiless=True)
    assert parser.feed(answer("HTTP/1.1 200 OK\nContent-Length: 10"))
    assert (parser.body, parser.keep_alive) == (b"", True)


@pytest.mark.parametrize(
    "raw",
    [
        answer("HTTP/1.1 200 OK\nA: " + "b" * 100),
        answer("HTTP/1.1 100 Continue\nA: " + "b" * 50) * 2 + answer("HTTP/1.1 204 No Content"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1;" + b"x" * 100 + b"\r\na\r\n0\r\n\r\n"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"0\r\n" + b"A: 23456789\r\n" * 10 + b"\r\n"),
    ],
)
def test_heads_and_trailers_beyond_the_limit_are_refused(raw: bytes) -> None:
    pieces = [raw[i : i + 1] for i in range(len(raw))]
    assert read(raw, max_head=1000) is not None
    assert read(raw, max_head=100) is None
    assert read(*pieces, max_head=100) is None


@pytest.mark.parametrize(
    "raw",
    [
        answer("HTTP/1.1 200 OK\nContent-Length: 10", b"0123456789"),
        answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"),
        answer("HTTP/1.1 200 OK", b"0123456789"),
    ],
)
def test_a_body_beyond_the_limit_is_refused(raw: bytes) -> None:
    pieces = [raw[i : i + 1] for i in range(len(raw))]
    assert body_of(raw) == b"0123456789"
    for limit, refused in ((10, False), (9, True)):
        assert (read(raw, max_body=limit) is None) is refused
        assert (read(*pieces, max_body=limit) is None) is refused


def test_a_body_that_is_too_long_is_refused_before_it_comes() -> None:
    with pytest.raises(RemoteProtocolError):
        ResponseParser(max_body=9).feed(answer("HTTP/1.1 200 OK\nContent-Length: 10"))


@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Length": "3"}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "5", "content-Length": "5"}],
)
def test_a_request_declares_the_length_of_its_body_whatever_its_headers_say(headers: dict[str, str]) -> None:
    request = Request("POST", "http://host/path", headers=headers, stream=ByteStream(b"12345"))
    assert request_bytes(request, b"12345") == b"POST /path HTTP/1.1\r\nHost: host\r\nContent-Length: 5\r\n\r\n12345"


def test_a_request_without_a_body_declares_none() -> None:
    request = Request("GET", "http://host:80/path")
    assert request_bytes(request, b"") == b"GET /path HTTP/1.1\r\nHost: host\r\n\r\n"


@pytest.mark.parametrize("value", ["b\r\nX-Other: c", "b\nX-Other: c", "b\rc", "b\0"])
def test_a_header_cannot_carry_another_line(value: str) -> None:
    request = Request("POST", "http://host/", content=b"12345")
    request.headers = Headers({"Host": "host", "Content-Length": "5", "X-Key": value})
    with pytest.raises(LocalProtocolError):
        request_bytes(request, b"12345")
