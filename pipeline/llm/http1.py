"""HTTP/1.x as bytes: a request written, a response read in whatever pieces it arrives; without sockets or clocks.

The framing rules are those of RFC 9112, section 6; a bare line feed ends a line too, as its section 2.2 allows.
"""

import re
from typing import Final

from httpx2 import LocalProtocolError, RemoteProtocolError, Request

MAX_HEAD: Final = 64 * 1024
"""Bytes of all heads and trailers of one response together."""
MAX_BODY: Final = 256 * 1024 * 1024
"""Bytes of one body, as transferred."""

_HEAD, _LENGTH, _CHUNK_SIZE, _CHUNK, _CHUNK_END, _TRAILERS, _UNTIL_CLOSE, _COMPLETE = range(8)

_SIMPLE_BODY: Final = frozenset({_LENGTH, _UNTIL_CLOSE})

_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: (.*))?")
_CHUNK_HEAD = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_TOKEN = bytes(i for i in range(33, 127) if i not in b'"(),/:;<=>?@[\\]{}')
_CONTROL = bytes(i for i in (*range(32), 127) if i not in b"\t\r\n")


def request_bytes(request: Request, body: bytes) -> bytes:
    """Return a request as bytes, its length declared by Content-Length whatever its headers said."""
    method = request.method.encode("ascii")
    fields = request.headers.raw
    head = _head(method, request.url.raw_path, fields)
    lower = head.lower()
    lengths = lower.count(b"\r\ncontent-length:")
    right = b"\r\ncontent-length: %d\r\n" % len(body) in lower
    if lengths != right or b"\r\ntransfer-encoding:" in lower or (body and not lengths):
        fields = [field for field in fields if field[0].lower() not in {b"content-length", b"transfer-encoding"}]
        fields.append((b"Content-Length", b"%d" % len(body)))
        head = _head(method, request.url.raw_path, fields)
    if b"\r\nhost:" not in lower:
        fields = [(b"Host", request.url.netloc), *fields]
        head = _head(method, request.url.raw_path, fields)
    if not head.count(b"\n") == head.count(b"\r") == len(fields) + 2 or b"\0" in head:
        raise LocalProtocolError("A header of the request has a control character.", request=request)
    return head + body


def _head(method: bytes, target: bytes, fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, b"".join([b"%b: %b\r\n" % field for field in fields]))


class ResponseParser:
    """Reads one response; a malformed or oversized one raises RemoteProtocolError, however it was split.

    `status`, `reason`, `minor` (of the HTTP version), `headers` and `body` mean something once `complete` is true;
    `keep_alive` then says whether the connection can carry another request, `started` whether any byte came at all.
    """

    __slots__ = (
        "_bodiless", "_body", "_head_left", "_left", "_max_body", "_pending", "_searched", "_stage",
        "body", "headers", "keep_alive", "minor", "reason", "started", "status",
    )  # fmt: skip

    def __init__(self, *, bodiless: bool = False, max_head: int = MAX_HEAD, max_body: int = MAX_BODY) -> None:
        """Expect a response; `bodiless` when the request was HEAD, whose answer has no body whatever it declares."""
        self._stage = _HEAD
        self._pending = b""
        self._searched = 0
        self._head_left = max_head
        self._body = bytearray()
        self._max_body = max_body
        self._bodiless = bodiless
        self.started = False

    @property
    def complete(self) -> bool:
        """Whether the response has been read to its end."""
        return self._stage == _COMPLETE

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the connection and return whether the response is complete."""
        if not data:
            return self._stage == _COMPLETE
        self.started = True
        if self._stage == _HEAD:
            self._pending = self._pending + data if self._pending else data
            self._read_heads()
        elif self._stage in _SIMPLE_BODY:
            self._body += data
            self._measure()
        elif self._stage == _COMPLETE:
            self.keep_alive = False  # nobody asked for more: the connection is out of step
        else:
            self._pending = self._pending + data if self._pending else data
            self._read_chunks()
        return self._stage == _COMPLETE

    def feed_eof(self) -> None:
        """Take the end of the connection, which completes a body of no declared length and breaks any other."""
        if self._stage == _UNTIL_CLOSE:
            self._finish(bytes(self._body))
        elif not self.started:
            raise RemoteProtocolError("The server closed the connection without an answer.")
        elif self._stage != _COMPLETE:
            raise RemoteProtocolError("The server closed the connection in the middle of its answer.")

    def _finish(self, body: bytes) -> None:
        self.body = body
        self._stage = _COMPLETE

    def _read_heads(self) -> None:
        while self._stage == _HEAD:
            pending = self._pending
            end = _HEAD_END.search(pending, max(0, self._searched - 2))
            used = end.end() if end else len(pending)
            if used > self._head_left:
                raise RemoteProtocolError("The head of the answer is too long.")
            if not end:
                if pending[:7] != b"HTTP/1."[: len(pending)]:
                    raise RemoteProtocolError("The answer is not HTTP/1.")
                self._searched = used
                return
            self._head_left -= used
            self._searched = 0
            self._pending = b""
            self._read_head(pending[: end.start() + 1], pending[used:])

    def _read_head(self, head: bytes, rest: bytes) -> None:
        if len(head.translate(None, _CONTROL)) != len(head) or head.count(b"\r") != head.count(b"\r\n"):
            raise RemoteProtocolError("The head of the answer has control characters.")
        lines = head.split(b"\n")
        status_line = _STATUS_LINE.fullmatch(lines[0].rstrip(b"\r"))
        if not status_line:
            raise RemoteProtocolError("The status line of the answer is malformed.")
        status = int(status_line[2])
        headers: list[tuple[bytes, bytes]] = []
        framing: dict[bytes, list[bytes]] = {}
        for line in lines[1:-1]:
            name, colon, value = line.partition(b":")
            value = value.strip(b" \t\r")
            if not colon or not name or name.translate(None, _TOKEN):
                raise RemoteProtocolError("A header line of the answer is malformed.")
            headers.append((name, value))
            if (lower := name.lower()) in _FRAMING:
                framing.setdefault(lower, []).append(value)
        if status < 200:
            if status == 101:
                raise RemoteProtocolError("The server switched to a protocol that was not asked for.")
            self._pending = rest  # an interim response: the answer follows
            return
        self.status = status
        self.reason = status_line[3] or b""
        self.minor = int(status_line[1])
        self.headers = headers
        self._frame(framing, rest)

    def _frame(self, framing: dict[bytes, list[bytes]], rest: bytes) -> None:
        connection = _members(framing.get(b"connection", []))
        codings = _members(framing.get(b"transfer-encoding", []))
        self.keep_alive = b"close" not in connection and (self.minor > 0 or b"keep-alive" in connection)
        if self._bodiless or self.status in {204, 304}:
            self._stage, self._left = _LENGTH, 0
        elif codings:
            if codings != [b"chunked"]:
                raise RemoteProtocolError("The transfer coding of the answer is not known.")
            if self.minor == 0 or b"content-length" in framing:
                self.keep_alive = False  # a length besides is how one server's answer is passed for another's
            self._stage, self._left, self._pending = _CHUNK_SIZE, 0, rest
            self._read_chunks()
            return
        elif lengths := framing.get(b"content-length"):
            self._stage, self._left = _LENGTH, _content_length(lengths)
        else:
            self._stage, self._left, self.keep_alive = _UNTIL_CLOSE, self._max_body, False
        if self._left > self._max_body:
            raise RemoteProtocolError("The body of the answer is too long.")
        if self._stage == _LENGTH and len(rest) == self._left:
            self._finish(rest)
            return
        self._body += rest
        self._measure()

    def _measure(self) -> None:
        surplus = len(self._body) - self._left
        if self._stage == _UNTIL_CLOSE:
            if surplus > 0:
                raise RemoteProtocolError("The body of the answer is too long.")
        elif surplus >= 0:
            if surplus:
                self.keep_alive = False
                del self._body[self._left :]
            self._finish(bytes(self._body))

    def _read_chunks(self) -> None:
        pending, at = self._pending, 0
        while self._stage != _COMPLETE:
            if self._stage == _CHUNK:
                piece = pending[at : at + self._left]
                self._body += piece
                self._left -= len(piece)
                at += len(piece)
                if self._left:
                    break
                self._stage = _CHUNK_END
            end = pending.find(b"\n", at)
            if end - at > self._head_left or (end < 0 and len(pending) - at > self._head_left):
                raise RemoteProtocolError("A chunk head or the trailers of the answer are too long.")
            if end < 0:
                break
            line = pending[at:end].removesuffix(b"\r")
            at = end + 1
            self._read_chunk_line(line)
        if self._stage == _COMPLETE and at < len(pending):
            self.keep_alive = False
        self._pending = pending[at:]

    def _read_chunk_line(self, line: bytes) -> None:
        if self._stage == _CHUNK_SIZE:
            size = _CHUNK_HEAD.fullmatch(line)
            if not size:
                raise RemoteProtocolError("A chunk of the answer has a malformed size.")
            self._left = int(size[1], 16)
            if len(self._body) + self._left > self._max_body:
                raise RemoteProtocolError("The body of the answer is too long.")
            self._stage = _CHUNK if self._left else _TRAILERS
        elif self._stage == _CHUNK_END:
            if line:
                raise RemoteProtocolError("A chunk of the answer is longer than its size.")
            self._stage = _CHUNK_SIZE
        elif line:
            self._head_left -= len(line)
        else:
            self._finish(bytes(self._body))


_FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})


def _members(values: list[bytes]) -> list[bytes]:
    return [member for value in values for part in value.split(b",") if (member := part.strip(b" \t").lower())]


def _content_length(values: list[bytes]) -> int:
    declared = set(_members(values))
    length = declared.pop() if len(declared) == 1 else b""
    if not length.isdigit() or len(length) > 15:
        raise RemoteProtocolError("The answer declares a malformed length, or several.")
    return int(length)
