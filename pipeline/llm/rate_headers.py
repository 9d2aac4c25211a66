"""What a server's headers declare of its limits, in any of the usual dialects."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from .sender import Headers


class Declared(NamedTuple):
    """What a server's headers say of requests or of tokens.

    Attributes:
        limit: How many it allows in a period.
        left: How many of them are left, if it says when they are back.
        reset: Seconds until all are back.
        a_minute: Whether the period is a minute.
        continuous: Whether they come back little by little, instead of all at once.
    """

    limit: float
    left: float | None = None
    reset: float = 0.0
    a_minute: bool = False
    continuous: bool = False


_FIELDS = {
    name.encode(): (kind, field)
    for field in ("limit", "remaining", "reset")
    for name, kind in (
        (f"x-ratelimit-{field}-requests", "requests"),
        (f"x-ratelimit-{field}-tokens", "tokens"),
        (f"anthropic-ratelimit-requests-{field}", "requests"),
        (f"anthropic-ratelimit-tokens-{field}", "tokens"),
        (f"x-ratelimit-{field}", "plain"),
    )
}
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("(?=.)" + "".join(rf"(?:({_NUMBER.pattern}){unit})?" for unit in _UNITS), re.ASCII)


def read_headers(headers: Headers) -> dict[str, Declared]:
    """Return what headers declare of "requests" and of "tokens"; what is malformed is left out.

    OpenAI's and Anthropic's names count by the minute, unless the time to the reset shows an hour or a day, as OpenAI's
    and Groq's free tiers have. The plain X-RateLimit-* of OpenRouter and others do not tell their period: only what is
    left counts. Times of day are compared with the server's own Date, so that nobody's clock needs to be right.
    """
    found: dict[str, dict[str, str]] = {}
    date = b""
    for name, value in headers:
        lower = name.lower()
        if place := _FIELDS.get(lower):
            found.setdefault(place[0], {})[place[1]] = value.decode("latin-1").strip()
        elif lower == b"date":
            date = value
    if not found:
        return {}
    declared = {kind: said for kind, fields in found.items() if (said := _declared(kind, fields, date))}
    if (plain := declared.pop("plain", None)) and "requests" not in declared:
        declared["requests"] = plain
    return declared


def _declared(kind: str, fields: dict[str, str], date: bytes) -> Declared | None:
    limit = _number(fields.get("limit", ""))
    left = _number(fields.get("remaining", ""))
    reset = _seconds(fields.get("reset", ""), date)
    if not limit:
        return None
    if left is None or reset is None:
        return Declared(limit, a_minute=kind != "plain")
    left = min(left, limit)
    # A bucket that fills little by little says when it will be full; from that follows how long it takes when empty.
    period = reset * limit / (limit - left) if left < limit else 0.0
    is_long = reset > 63
    continuous = any(abs(period / known - 1) < 0.1 for known in ((3_600, 86_400) if is_long else (60,)))
    return Declared(limit, left, reset, kind != "plain" and not is_long, continuous)


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _seconds(text: str, date: bytes) -> float | None:
    """Return the seconds from now that a reset means: "6m0s", "20ms", "12", a Unix time (s or ms) or RFC 3339."""
    if parts := _DURATION.fullmatch(text):
        return sum(float(part or 0) * unit for part, unit in zip(parts.groups(), _UNITS.values(), strict=True))
    moment = _number(text)
    if moment is not None and moment < 1e9:
        return moment
    try:
        sent = parsedate_to_datetime(date.decode("latin-1"))
        if moment is None:
            return max(0.0, (datetime.fromisoformat(text) - sent).total_seconds())
        return max(0.0, (moment / 1000 if moment >= 1e12 else moment) - sent.timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
