"""What a load server does with a request: each kind is a small law, so that what it allows can be computed."""

import heapq
from array import array
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from load_answers import BROKEN, GARBAGE, TOO_MANY, Kind, Outcome
from load_limits import Limited


def chance(body: bytes, attempt: int = 0) -> float:
    """Return a number from 0 to 1 that follows from the request."""
    return int.from_bytes(blake2b(body, digest_size=8, salt=attempt.to_bytes(16, "big")).digest(), "big") / 2**64


class Plain:
    """Every answer takes as long."""

    def __init__(self, seconds: float = 0.0) -> None:
        self._outcome = Outcome(seconds)

    def receive(self, body: bytes, now: float) -> Outcome:  # noqa: ARG002
        return self._outcome

    def figures(self) -> dict[str, Any]:
        return {}


class Spread:
    """Latencies log-uniform between two bounds; tells the least time that so many places in flight could do it in."""

    def __init__(self, low: float, high: float, concurrency: float) -> None:
        self._low, self._ratio = low, high / low
        self._concurrency = int(concurrency)
        self._latencies = array("d")

    def receive(self, body: bytes, now: float) -> Outcome:  # noqa: ARG002
        seconds = self._low * self._ratio ** chance(body)
        self._latencies.append(seconds)
        return Outcome(seconds)

    def figures(self) -> dict[str, Any]:
        ends = [0.0] * self._concurrency
        for seconds in self._latencies:
            heapq.heapreplace(ends, ends[0] + seconds)
        return {"sum_of_latencies": sum(self._latencies), "with_tail": max(ends)}


class Trouble:
    """A share of all attempts fails, each in its way; a 429 asks for a second of patience."""

    def __init__(self, seconds: float, error_429: float, error_500: float, drop: float, garbage: float) -> None:
        self._seconds = seconds
        headers = b"retry-after: 1\r\n"
        self._troubles = [
            (error_429, Outcome(seconds, 429, TOO_MANY, headers)),
            (error_500, Outcome(seconds, 500, BROKEN)),
            (drop, Outcome(seconds, 0)),
            (garbage, Outcome(seconds, 200, GARBAGE)),
        ]
        self._attempts: Counter[int] = Counter()
        self._failing: set[int] = set()

    def receive(self, body: bytes, now: float) -> Outcome:  # noqa: ARG002
        call = hash(body)
        self._attempts[call] += 1
        draw = chance(body, self._attempts[call])
        for share, outcome in self._troubles:
            if draw < share:
                self._failing.add(call)
                return outcome
            draw -= share
        self._failing.discard(call)
        return Outcome(self._seconds)

    def figures(self) -> dict[str, Any]:
        attempts = self._attempts.values()
        return {"attempts": sum(attempts), "most_attempts": max(attempts), "never_answered": len(self._failing)}


class Slots:
    """As an inference engine: so many answers are made at a time, and what is beyond waits its turn."""

    def __init__(self, slots: float, seconds: float) -> None:
        self._free_at = [0.0] * int(slots)
        self._seconds = seconds
        self._ends: list[float] = []
        self._most = 0

    def receive(self, body: bytes, now: float) -> Outcome:  # noqa: ARG002
        end = max(now, self._free_at[0]) + self._seconds
        heapq.heapreplace(self._free_at, end)
        self._most = max(self._most, _in_flight(self._ends, now) + 1)
        heapq.heappush(self._ends, end)
        return Outcome(end - now)

    def figures(self) -> dict[str, Any]:
        return {"most_in_flight": self._most}


class HardLimit:
    """As a small server behind a strict door: beyond so many in flight it refuses, and names no time to wait."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit, self._seconds = int(limit), seconds
        self._ends: list[float] = []

    def receive(self, body: bytes, now: float) -> Outcome:  # noqa: ARG002
        if _in_flight(self._ends, now) >= self._limit:
            return Outcome(0.0, 429, TOO_MANY)
        heapq.heappush(self._ends, now + self._seconds)
        return Outcome(self._seconds)

    def figures(self) -> dict[str, Any]:
        return {}


def _in_flight(ends: list[float], now: float) -> int:
    while ends and ends[0] <= now:
        heapq.heappop(ends)
    return len(ends)


KINDS: dict[str, Callable[..., Kind]] = {
    "plain": Plain,
    "spread": Spread,
    "trouble": Trouble,
    "slots": Slots,
    "hard-limit": HardLimit,
    "limited": Limited,
}
