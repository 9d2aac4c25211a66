"""Calls that failed, told apart by what to do: try again, give this row up, or stop the run."""

import re
from collections.abc import Sequence

import msgspec

from .models import NO_KEY

_TRANSIENT = frozenset({408, 409, 425})
_REFUSALS = frozenset(
    {"content_filter", "content_policy_violation", "context_length_exceeded", "exceed_context_size_error"}
)
"""Codes and types of errors of OpenAI, Azure, llama.cpp and those who follow them."""

_TOO_LONG = re.compile(
    r"(maximum|exceeds?\b.*) context (length|size|window)|maximum (model|input) length", re.IGNORECASE
)
"""What vLLM, SGLang and others say, whose errors have no code."""

_FINAL = re.compile(r"validation error|output that does not match the expected", re.IGNORECASE)
"""What llama.cpp's servers answer with a 500, though the same request will always give the same."""

_UNKNOWN_MODEL = re.compile(r"invalid model name|model .{1,100} (does not exist|not found)", re.IGNORECASE)
"""What gateways such as LiteLLM answer with a 400."""

_TOO_MANY = frozenset({429, 529})
"""529 is Anthropic's, for a server that is overloaded."""

_STOP = frozenset({401, 402, 403, 404})


class CallError(Exception):
    """A call that gave no answer.

    Attributes:
        reason: What happened, fit for a table's error column.
        retry_after: Seconds that the server asks to wait, if it said so.
        headers: Of the server's answer, if there was one.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.headers: Sequence[tuple[bytes, bytes]] = ()


class TransientError(CallError):
    """The same call may succeed later: too many requests, a server's error, a lost connection."""


class ThrottledError(TransientError):
    """The server refused this call as one too many: it is put off for as long as it takes, never given up."""


class UnreachableError(TransientError):
    """No connection came about."""


class PermanentError(CallError):
    """The same call will fail again: the row is given up, with the reason."""


class RefusedError(PermanentError):
    """The server refuses to answer this one: a content filter, or a conversation that is longer than it takes."""


class StopError(CallError):
    """Every call will fail: a wrong key, an unknown model, a wrong address."""


def failure_of(status: int, body: bytes, retry_after: float | None = None) -> CallError:
    """Return the failure that an HTTP answer means.

    Args:
        status: The HTTP status, 400 or above.
        body: The answer's body; OpenAI's error object is read where there is one.
        retry_after: Seconds, from the answer's headers.
    """
    message, code, kind = _details(body)
    reason = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    if status in {400, 413, 422} and (_REFUSALS & {code, kind} or _TOO_LONG.search(message)):
        return RefusedError(reason)
    if status == 500 and _FINAL.search(message):
        return PermanentError(reason)
    if status == 400 and _UNKNOWN_MODEL.search(message):
        return StopError(reason)
    if status == 403 and b"flagged" in body:
        # A gateway's moderation refuses this one input, not the key.
        return RefusedError(reason)
    if status in _STOP:
        return StopError(reason)
    if code == "insufficient_quota":
        # OpenAI says 429 for an empty account, too; waiting does not fill it.
        return StopError(reason)
    if status in _TOO_MANY:
        return ThrottledError(reason, retry_after)
    if status in _TRANSIENT or status >= 500:
        return TransientError(reason, retry_after)
    return PermanentError(reason)


def without_key(text: str, key: str) -> str:
    """Return a server's message without the key that some servers repeat in it, even where a cut went through it."""
    if key == NO_KEY:
        return text
    text = text.replace(key, "***")
    cut = next((size for size in range(len(key) - 1, 7, -1) if text.endswith(key[:size])), 0)
    return f"{text[:-cut]}***" if cut else text


class _Error(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    type: str | None = None


class _Body(msgspec.Struct):
    error: _Error | str | None = None
    message: str | None = None
    detail: msgspec.Raw = msgspec.Raw()


def _details(body: bytes) -> tuple[str, str | int | None, str | None]:
    """Return the message, the code and the type of an error."""
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return body[:200].decode("utf-8", "replace").strip(), None, None
    if isinstance(found.error, _Error):
        return found.error.message[:500], found.error.code, found.error.type
    return (found.error or found.message or bytes(found.detail).decode())[:500], None, None
