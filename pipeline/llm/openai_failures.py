"""The errors of the openai package and its http library in our words."""

import math

import httpx2

from .failures import TransientError, UnreachableError


def connection_failure(error: BaseException | None, base_url: str, timeout_seconds: float) -> TransientError:
    """Return what it means that no answer came."""
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return UnreachableError(f"no connection to {base_url} ({error or 'timed out'})")
    if isinstance(error, httpx2.TimeoutException):
        return TransientError(f"no answer within {timeout_seconds:.0f} s")
    if isinstance(error, httpx2.DecodingError | httpx2.TooManyRedirects):
        return TransientError(f"the answer cannot be used ({error})")
    return TransientError(f"the connection was lost ({type(error).__name__})")


def retry_after(headers: httpx2.Headers) -> float | None:
    """Return the seconds that a server asks to wait; dates are rare enough to be left to the ordinary waiting."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < math.inf:
            return seconds
    return None
