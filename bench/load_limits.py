"""A server with limits a minute, as OpenAI's tiers have them: over a sliding minute, or as a refilled bucket."""

import json
from array import array
from collections import deque
from math import ceil
from typing import Any

from load_answers import TOO_MANY, Outcome, completion

MINUTE = 60.0


class Bucket:
    """Holds a minute's worth at most, and is refilled all the time."""

    def __init__(self, limit: float) -> None:
        self.limit = self._level = limit
        self._at = 0.0

    def remaining(self, now: float) -> float:
        self._level = min(self.limit, self._level + (now - self._at) * self.limit / MINUTE)
        self._at = now
        return self._level

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much may be taken."""
        return max(0.0, amount - self.remaining(now)) * MINUTE / self.limit

    def take(self, amount: float, now: float) -> None:
        self._level = self.remaining(now) - amount

    def until_full(self, now: float) -> float:
        return (self.limit - self.remaining(now)) * MINUTE / self.limit


class Window:
    """Gives no more than a minute's worth within any sixty seconds."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._taken: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def remaining(self, now: float) -> float:
        while self._taken and self._taken[0][0] <= now - MINUTE:
            self._sum -= self._taken.popleft()[1]
        return self.limit - self._sum

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until so much may be taken."""
        missing = amount - self.remaining(now)
        for time, taken in self._taken:
            if missing <= 0:
                break
            missing -= taken
            if missing <= 0:
                return time + MINUTE - now
        return 0.0

    def take(self, amount: float, now: float) -> None:
        self._taken.append((now, amount))
        self._sum += amount

    def until_full(self, now: float) -> float:
        return self._taken[-1][0] + MINUTE - now if self._taken else 0.0


class Limited:
    """Answers within limits of requests and tokens a minute; refuses beyond them with the time to wait."""

    def __init__(
        self,
        requests: float,
        tokens: float,
        completion_tokens: float,
        seconds: float,
        sliding: float = 0,
        headers: float = 0,
    ) -> None:
        budget = Window if sliding else Bucket
        self._budgets: dict[str, Bucket | Window] = {"requests": budget(requests), "tokens": budget(tokens)}
        self._completion_tokens = int(completion_tokens)
        self._seconds = seconds
        self._with_headers = bool(headers)
        self._admitted_at, self._tokens = array("d"), array("d")

    def receive(self, body: bytes, now: float) -> Outcome:
        prompt_tokens = sum(4 + len(message["content"]) // 4 for message in json.loads(body)["messages"])
        amounts = {"requests": 1.0, "tokens": float(prompt_tokens + self._completion_tokens)}
        wait = max(budget.wait(amounts[name], now) for name, budget in self._budgets.items())
        if wait > 0:
            patience = b"retry-after-ms: %d\r\nretry-after: %d\r\n" % (ceil(wait * 1000), ceil(wait))
            return Outcome(0.0, 429, TOO_MANY, patience + self._headers(now))
        for name, budget in self._budgets.items():
            budget.take(amounts[name], now)
        self._admitted_at.append(now)
        self._tokens.append(amounts["tokens"])
        return Outcome(self._seconds, 200, completion(prompt_tokens, self._completion_tokens), self._headers(now))

    def _headers(self, now: float) -> bytes:
        if not self._with_headers:
            return b""
        lines = []
        for name, budget in self._budgets.items():
            lines.append(f"x-ratelimit-limit-{name}: {int(budget.limit)}")
            lines.append(f"x-ratelimit-remaining-{name}: {int(budget.remaining(now))}")
            lines.append(f"x-ratelimit-reset-{name}: {_duration(budget.until_full(now))}")
        return "".join(f"{line}\r\n" for line in lines).encode()

    def figures(self) -> dict[str, Any]:
        """Return the share of what was allowed that was used in the two minutes before nearly all were admitted."""
        admitted = list(zip(self._admitted_at, self._tokens, strict=True))
        end = self._admitted_at[len(admitted) * 95 // 100]
        last = [tokens for at, tokens in admitted if end - 2 * MINUTE < at <= end]
        shares = {
            "requests": len(last) / self._budgets["requests"].limit / 2,
            "tokens": sum(last) / self._budgets["tokens"].limit / 2,
        }
        return {
            "share_used": shares,
            "seconds": self._admitted_at[-1] - self._admitted_at[0],
            "admitted": len(admitted),
        }


def _duration(seconds: float) -> str:
    """Write a time as OpenAI does: 12ms, 1.5s, 1m0.5s."""
    if seconds < 1:
        return f"{ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.3f}s" if minutes else f"{rest:.3f}s"
