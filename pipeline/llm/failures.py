"""Calls that failed, told apart by what to do: try again, give this row up, or stop the run."""

from collections.abc import Sequence

import msgspec

_TRANSIENT = frozenset({408, 409, 425, 429})
_STOP = frozenset({401, 403, 404})


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


class UnreachableError(TransientError):
    """No connection came about."""


class PermanentError(CallError):
    """The same call will fail again: the row is given up, with the reason."""


class StopError(CallError):
    """Every call will fail: a wrong key, an unknown model, a wrong address."""


def failure_of(status: int, body: bytes, retry_after: float | None = None) -> CallError:
    """Return the failure that an HTTP answer means.

    Args:
        status: The HTTP status, 400 or above.
        body: The answer's body; OpenAI's error object is read where there is one.
        retry_after: Seconds, from the answer's headers.
    """
    message, code = _details(body)
    reason = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    if status == 403 and b"flagged" in body:
        # A gateway's moderation refuses this one input, not the key.
        return PermanentError(reason)
    if status in _STOP:
        return StopError(reason)
    if code == "insufficient_quota":
        # OpenAI says 429 for an empty account, too; waiting does not fill it.
        return StopError(reason)
    if status in _TRANSIENT or status >= 500:
        return TransientError(reason, retry_after)
    return PermanentError(reason)


class _Error(msgspec.Struct):
    message: str = ""
    code: str | int | None = None


class _Body(msgspec.Struct):
    error: _Error | str | None = None
    message: str | None = None
    detail: msgspec.Raw = msgspec.Raw()


def _details(body: bytes) -> tuple[str, str | int | None]:
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return body[:200].decode("utf-8", "replace").strip(), None
    if isinstance(found.error, _Error):
        return found.error.message[:500], found.error.code
    return (found.error or found.message or bytes(found.detail).decode())[:500], None
