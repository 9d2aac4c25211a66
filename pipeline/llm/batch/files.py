"""The files of batches: requests written as lines, lines of answers read, matched by custom id and by nothing else.

A server may answer in any order, twice, in part, or with lines that nobody asked for. Whatever it sends, no request
gets another request's answer; a request without a usable line is as one whose call failed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import msgspec

from ..answers import Answer, read_answer
from ..failures import CallError, PermanentError, StopError, TransientError, failure_of
from ..requests import Request

ENDPOINT: Final = "/v1/chat/completions"


@dataclass(frozen=True)
class FileLimits:
    """What one file may hold; OpenAI's limits, which most servers share."""

    requests: int = 50_000
    bytes: int = 200_000_000


def request_line(request: Request) -> bytes:
    """Return the line that asks for an answer: the body is, byte for byte, what a call would send.

    Raises:
        PermanentError: The body has more than one line.
    """
    if b"\n" in request.body:
        raise PermanentError("the request has more than one line, which a batch cannot carry")
    return b'{"custom_id":"%b","method":"POST","url":"%b","body":%b}\n' % (
        request.key.encode(),
        ENDPOINT.encode(),
        request.body,
    )


class RequestFile:
    """A file in the making, on disk and without a name; closing it deletes it."""

    def __init__(self, limits: FileLimits, folder: Path) -> None:
        """Take what the file may hold, and the folder to write to."""
        self.handle = TemporaryFile(dir=folder)  # noqa: SIM115 - it lives as long as its owner wants it
        self.keys: set[str] = set()
        self._limits = limits
        self._size = 0

    def add(self, request: Request) -> bool:
        """Write a request; tell whether there was room for it.

        Raises:
            PermanentError: No file has room for it.
        """
        line = request_line(request)
        if len(line) > self._limits.bytes:
            raise PermanentError(f"the request has {len(line):,} bytes; a batch takes {self._limits.bytes:,}")
        if len(self.keys) >= self._limits.requests or self._size + len(line) > self._limits.bytes:
            return False
        self.handle.write(line)
        self.keys.add(request.key)
        self._size += len(line)
        return True

    def close(self) -> None:
        """Delete the file."""
        self.handle.close()


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw = msgspec.Raw()


class _Line(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw()


class _Error(msgspec.Struct):
    code: str | None = None
    message: str | None = None


_decode_line = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a request: as the server sent it, and as it reads."""

    raw: bytes
    answer: Answer


class Reading:
    """What the files of one batch say about its requests.

    Attributes:
        answered: Requests with an answer.
        garbled: Lines that cannot be read.
        foreign: Lines for requests that are not of this batch.
        repeated: Lines for requests that have their answer already.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        """Take the keys of the batch's requests."""
        self._open = set(keys)
        self._answered: set[str] = set()
        self._failed: dict[str, CallError] = {}
        self.garbled = 0
        self.foreign = 0
        self.repeated = 0

    @property
    def answered(self) -> int:
        """How many requests have an answer."""
        return len(self._answered)

    def take(self, text: bytes, latency: float | None = None) -> Answered | None:
        """Read one line; return the answer if it holds the first one to a request of this batch."""
        if not text.strip():
            return None
        try:
            line = _decode_line(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.garbled += 1
            return None
        key = line.custom_id
        if key in self._answered:
            self.repeated += 1
            return None
        if key not in self._open:
            self.foreign += 1
            return None
        try:
            found = _read(line, latency)
        except CallError as error:
            self._fail(key, error)
            return None
        self._open.discard(key)
        self._answered.add(key)
        self._failed.pop(key, None)
        return found

    def _fail(self, key: str, error: CallError) -> None:
        """Keep the graver of two failures, so that the order of lines decides nothing."""
        self._failed[key] = max(self._failed.get(key, error), error, key=_gravity)

    def failures(self) -> dict[str, CallError]:
        """Return why each request without an answer has none, by key; to be asked when all lines are read."""
        return {key: self._failed.get(key) or TransientError("its batch ended without an answer") for key in self._open}


def _read(line: _Line, latency: float | None) -> Answered:
    """Return the answer in a line.

    Raises:
        CallError: It holds none.
    """
    if line.response is None:
        raise TransientError(_reason(bytes(line.error)))
    raw = bytes(line.response.body)
    if line.response.status_code != 200:
        raise failure_of(line.response.status_code, raw)
    return Answered(raw, read_answer(line.custom_id, raw, latency))


def _reason(raw: bytes) -> str:
    try:
        error = msgspec.json.decode(raw, type=_Error)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return f"the batch gave no answer: {raw[:200].decode('utf-8', 'replace')}".rstrip(": ")
    told = ": ".join(part for part in (error.code, error.message) if part)
    return f"the batch gave no answer ({told[:500]})" if told else "the batch gave no answer"


def _gravity(error: CallError) -> tuple[bool, bool, str]:
    return isinstance(error, StopError), isinstance(error, PermanentError), error.reason
