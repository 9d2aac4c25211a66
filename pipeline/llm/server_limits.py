"""How much one server is given: a window of calls in flight, and pauses while it takes hardly any."""

import math
from typing import NamedTuple

from .concurrency import Window

_MEMORY = 11 / 12
_TROUBLED = 0.8
"""Share of the calls sent last, about a dozen, that have gone wrong when the server is left alone for a while."""

_IN_A_ROW = 18
"""Calls that went wrong without any success between them, and as many as two windows hold, that say the same."""

_FIRST_PAUSE = 0.5  # seconds, where a server does not say for how long; doubled each time
_LONGEST_PAUSE, _DOUBLINGS = 60.0, 10
_LOST_IN_A_ROW = 3  # connections that did not come about, until the server is left alone
_TICK = 1e-6


class Stamp(NamedTuple):
    """When a call was sent.

    Attributes:
        number: How many calls were sent to the server before it.
        round: The window's.
    """

    number: int
    round: int


class ServerLimits:
    """What one server is given, by what became of its calls.

    A call that is refused or lost costs only itself, as long as others succeed. When nearly all go wrong, nothing is
    sent until the time is over that the server asks for; if all goes wrong again, single calls try whether it is back.

    Attributes:
        window: The calls that may be in flight.
        in_flight: Those that are.
        troubled_since: When calls began to go wrong, of which none has succeeded since; None while all is well.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self.in_flight = 0
        self.troubled_since: float | None = None
        self._sent = 0
        self._trouble = 0.0
        self._in_a_row = self._lost = self._pauses = 0
        self._sent_before_pause = 0
        self._paused_until = -math.inf

    @property
    def room(self) -> int:
        """How many more calls may be in flight."""
        return (1 if self._pauses > 1 else self.window.size) - self.in_flight

    def wait(self, now: float) -> float:
        """Return the seconds until another call may be sent; 0.0 for now, inf if one has to come back first."""
        if now + _TICK < self._paused_until:
            return self._paused_until - now
        if self.room > 0:
            return 0.0
        self.window.full = True
        return math.inf

    def send(self) -> Stamp:
        """Count a call that is sent; what it is given is to be given back when it ends, in one way."""
        stamp = Stamp(self._sent, self.window.stamp())
        self._sent += 1
        self.in_flight += 1
        # Until it is known how a call ends, it counts as one that ends well: refusals come back before answers do.
        self._trouble *= _MEMORY
        return stamp

    def succeeded(self, stamp: Stamp, seconds: float) -> None:
        """Count a call that the server answered after so many seconds."""
        self.in_flight -= 1
        self._in_a_row = self._lost = self._pauses = 0
        self.troubled_since = None
        self.window.answered(stamp.round, seconds)

    def refused(self, now: float, stamp: Stamp, retry_after: float | None) -> None:
        """Count a call that the server refused as one too many."""
        self._lost = 0
        self.window.refused(stamp.round)
        self._went_wrong(now, stamp, retry_after)

    def failed(self, now: float, stamp: Stamp, retry_after: float | None) -> None:
        """Count a call that the server did not manage."""
        self._lost = 0
        self.window.failed(stamp.round)
        self._went_wrong(now, stamp, retry_after)

    def unreachable(self, now: float, stamp: Stamp) -> None:
        """Count a call for which no connection came about."""
        self._lost += 1
        self.window.failed(stamp.round)
        self._went_wrong(now, stamp, None)

    def _went_wrong(self, now: float, stamp: Stamp, retry_after: float | None) -> None:
        self.in_flight -= 1
        if self.troubled_since is None:
            self.troubled_since = now
        if stamp.number < self._sent_before_pause:
            # It was under way when the pause began, so it tells nothing new, except for how long.
            if now < self._paused_until:
                self._paused_until = max(self._paused_until, now + (retry_after or 0.0))
            return
        self._in_a_row += 1
        self._trouble += (1 - _MEMORY) * _MEMORY ** (self._sent - 1 - stamp.number)
        if (
            self._trouble >= _TROUBLED
            or self._in_a_row >= max(_IN_A_ROW, 2 * self.window.size)
            or self._lost >= _LOST_IN_A_ROW
            or self._pauses > 1
        ):
            self._pause(now, retry_after)

    def _pause(self, now: float, retry_after: float | None) -> None:
        seconds = min(_FIRST_PAUSE * 2.0 ** min(self._pauses, _DOUBLINGS), _LONGEST_PAUSE)
        if retry_after is not None:
            seconds = retry_after if self._pauses == 0 else max(seconds, retry_after)
        self._pauses += 1
        self._paused_until = now + seconds
        self._sent_before_pause = self._sent
        self._trouble = _TROUBLED / 2
        self._in_a_row = 0
        if self._pauses == 1:
            # A server that is away for long says nothing more about how many calls it takes.
            self.window.pause(self.in_flight)
