"""As much of HTTP/1.1 as a JSON server needs: requests out of a stream of bytes, and replies into one."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 256 * 1024 * 1024
"""A batch's file may have 200 MB."""

_HEX = frozenset("0123456789abcdefABCDEF")


class HttpError(Exception):
    """Bytes that are no request, or more than is taken; nothing after them on the connection can be read."""

    def __init__(self, status: int, message: str) -> None:
        """Take the status to send back, and the sentence that says what is wrong."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    path: str
    headers: Mapping[str, str]
    keep_alive: bool
    length: int | None
    """Bytes of the body; None where it comes in chunks."""


class RequestReader:
    """Takes bytes as they arrive, and gives requests as they are complete, in order."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self._received = bytearray()
        self._head: _Head | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        self._received += data

    def next(self) -> Request | None:
        """Return the next request, or None while it is incomplete.

        Raises:
            HttpError: 400 for what is not HTTP/1, 413 for a body above `LARGEST_BODY`.
        """
        if self._head is None:
            self._head = self._next_head()
        head = self._head
        if head is None:
            return None
        body = self._next_chunks() if head.length is None else self._take(head.length)
        if body is None:
            return None
        self._head = None
        return Request(head.method, head.path, head.headers, body, head.keep_alive)

    def awaits_continue(self) -> bool:
        """Return, once for a request, whether its sender waits for leave to send the body."""
        head = self._head
        if head is None or self._received or "expect" not in head.headers:
            return False
        headers = {name: value for name, value in head.headers.items() if name != "expect"}
        self._head = _Head(head.method, head.path, headers, head.keep_alive, head.length)
        return True

    def _take(self, length: int) -> bytes | None:
        received = self._received
        if len(received) < length:
            return None
        taken = bytes(received[:length])
        del received[:length]
        return taken

    def _next_head(self) -> _Head | None:
        end = self._received.find(b"\r\n\r\n", 0, LARGEST_HEAD)
        if end < 0:
            if len(self._received) >= LARGEST_HEAD:
                raise HttpError(400, "The head of the request is too long.")
            return None
        head = _read_head(self._received[:end].decode("latin-1"))
        del self._received[: end + 4]
        return head

    def _next_chunks(self) -> bytes | None:
        """Move whole chunks to the body; return it at the last one, which is empty."""
        received = self._received
        while (end := received.find(b"\r\n", 0, 1024)) >= 0:
            size = _read_chunk_size(received[:end].decode("latin-1"))
            if len(self._body) + size > LARGEST_BODY:
                raise HttpError(413, "The body of the request is too large.")
            if size == 0:
                return self._end_chunks(end)
            start = end + 2
            if len(received) < start + size + 2:
                return None
            if received[start + size : start + size + 2] != b"\r\n":
                raise HttpError(400, "A chunk of the body does not end where it should.")
            self._body += received[start : start + size]
            del received[: start + size + 2]
        if len(received) >= 1024:
            raise HttpError(400, "A chunk of the body has no size.")
        return None

    def _end_chunks(self, size_end: int) -> bytes | None:
        received = self._received
        if received[size_end : size_end + 4] == b"\r\n\r\n":
            end = size_end
        else:  # trailers may follow: they are read over
            end = received.find(b"\r\n\r\n", size_end, LARGEST_HEAD)
        if end < 0:
            if len(received) >= LARGEST_HEAD:
                raise HttpError(400, "The trailers of the request are too long.")
            return None
        del received[: end + 4]
        body, self._body = bytes(self._body), bytearray()
        return body


def write_reply(status: int, headers: Mapping[str, str], body: bytes, *, keep_alive: bool) -> bytes:
    """Return the bytes of a reply."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"content-length: {len(body)}")
    if not keep_alive:
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def _read_head(text: str) -> _Head:
    first, *lines = text.lstrip("\r\n").split("\r\n")
    match first.split(" "):
        case [method, path, "HTTP/1.1" | "HTTP/1.0" as version] if method and path:
            pass
        case _:
            raise HttpError(400, "The first line is not that of an HTTP/1.1 request.")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or not name or name != name.strip():
            raise HttpError(400, "A header line is not a name, a colon and a value.")
        if key in headers and key in {"content-length", "transfer-encoding"}:
            raise HttpError(400, f"The header {key} comes twice.")
        headers[key] = value.strip()
    asked = headers.get("connection", "").lower()
    keep_alive = "close" not in asked if version == "HTTP/1.1" else "keep-alive" in asked
    return _Head(method, path, headers, keep_alive, _read_length(headers))


def _read_length(headers: Mapping[str, str]) -> int | None:
    length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
    if encoding is not None:
        if encoding.lower() != "chunked" or length is not None:
            raise HttpError(400, "The body must come with a length or in chunks.")
        return None
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()):
        raise HttpError(400, "The content-length is not a number.")
    if len(length) > 20 or int(length) > LARGEST_BODY:
        raise HttpError(413, "The body of the request is too large.")
    return int(length)


def _read_chunk_size(line: str) -> int:
    size = line.partition(";")[0].strip()
    if not size or not _HEX.issuperset(size):
        raise HttpError(400, "The size of a chunk is not a number.")
    return int(size, 16)
