"""So many requests or tokens a minute: when the next ones may be used."""

import math
from collections import deque

from .rate_headers import Declared

_SHARE = 0.98
_SPAN, _ROOM = 60.6, 0.99
_LEEWAY = 0.1  # seconds that a late call may be made up for
_TICK = 1e-6  # seconds; what is this near is now, so that rounding never makes anyone wait for nothing


class Charge:
    """Units that were used at a time.

    Attributes:
        at: When, in seconds.
        units: How many.
        counted: Whether they still count against the last minute.
    """

    __slots__ = ("at", "counted", "units")

    def __init__(self, at: float, units: float) -> None:
        self.at = at
        self.units = units
        self.counted = True


class PerMinute:
    """A limit of so many units a minute, and of no more than the server says is left.

    Servers count in different ways: a bucket that fills continuously, any 60 seconds, the minutes of the clock, a
    sixtieth of the limit each second. The even pace suits all, from the first call on: a burst at the start is worth
    one minute once, and refused by most. The pace is 98 % of the limit, so that 60 seconds at the server never hold
    more than the limit, even if the network lets the calls of 60.6 seconds arrive in them: sent evenly, those are at
    most 0.98 · (60.6 + 0.1) / 60 = 99.2 % of the limit, and one call. Calls of many tokens are lumps, to which this
    does not apply, and what they use is only estimated until they end; therefore the last 60.6 seconds are added up as
    well, and kept to 99 %.

    Attributes:
        bounded: Whether there is any limit.
        used: How many units were ever charged.
    """

    def __init__(self, given: float | None) -> None:
        """Take what the user allows a minute; the server may declare less."""
        self._given = math.inf if given is None else given
        self._charges: deque[Charge] = deque()
        self._total = 0.0
        self._paid_at = -math.inf  # when all that was charged is paid for, at the even pace
        self._left = self._most_left = math.inf
        self._left_at = self._back_at = self._refill = self._longest_reset = 0.0
        self.used = 0.0
        self._began = math.inf
        self._limit_to(self._given)

    def _limit_to(self, limit: float) -> None:
        self._limit = limit
        self._pace = 60.0 / (_SHARE * limit)
        self.bounded = min(limit, self._left) < math.inf

    def declare(self, sent_at: float, used: float, said: Declared) -> None:
        """Take over what the server declares; the user's own limit stays where it is lower.

        Servers count a call when they take it, which may be long before they answer. What was left then has since been
        used by the calls sent later, and has come back in part.

        Args:
            sent_at: When the call was sent with whose answer this came.
            used: What `used` was just after.
            said: By the server.
        """
        if said.a_minute and self._limit != (limit := min(self._given, said.limit)):
            if self._limit == math.inf:
                self._count_past(sent_at, said)
            self._limit_to(limit)
        if said.left is not None:
            self._left, self._most_left = said.left - max(0.0, self.used - used), said.limit
            self._left_at, self._back_at = sent_at, sent_at + said.reset
            self._longest_reset = max(self._longest_reset, said.reset)
            self._refill = (said.limit - said.left) / said.reset if said.continuous else 0.0
            self.bounded = True

    def _count_past(self, sent_at: float, said: Declared) -> None:
        """Count what was used in the last minute before there was a limit: as charged, else as the server says."""
        told = 0.0 if said.left is None else said.limit - said.left
        charged = self.used if sent_at - self._began < _SPAN else 0.0
        past = Charge(sent_at, min(charged or told, said.limit))
        self._charges.append(past)
        self._total += past.units

    def wait(self, now: float, units: float) -> float:
        """Return the seconds until so many units may be used; 0.0 for now."""
        wait = self._paid_at - _LEEWAY - now
        if self._charges:
            wait = max(wait, self._until_room(now, units))
        if self._left < units:
            wait = max(wait, self._until_left(now, units))
        return wait if wait > _TICK else 0.0

    def _until_room(self, now: float, units: float) -> float:
        charges = self._charges
        while charges and charges[0].at + _SPAN <= now + _TICK:
            charge = charges.popleft()
            charge.counted = False
            self._total -= charge.units
        # What is larger than the limit may go when nothing else was sent; refusing it is the server's business.
        room = _ROOM * self._limit
        excess = self._total + min(units, room) - room
        free_at = now
        for charge in charges:
            if excess <= _TICK:
                break
            excess -= charge.units
            free_at = charge.at + _SPAN
        return free_at - now

    def _until_left(self, now: float, units: float) -> float:
        if not self._refill and now + _TICK >= self._back_at:
            # All is back. Until an answer tells how much is left of it, it has to do for about as long as before.
            self._left = self._most_left if self._longest_reset else math.inf
            self._back_at = now + self._longest_reset
        short = min(units, self._most_left) - self._left
        if short <= 0:
            return 0.0
        return (self._left_at + short / self._refill if self._refill else self._back_at) - now

    def charge(self, now: float, units: float) -> Charge | None:
        """Count units that are used now; return what `correct` needs, if there is a limit."""
        self._began = min(self._began, now)
        self.used += units
        self._left -= units
        if self._limit == math.inf:
            return None
        self._paid_at = max(self._paid_at, now) + units * self._pace
        self._total += units
        charge = Charge(now, units)
        self._charges.append(charge)
        return charge

    def rescale(self, factor: float) -> None:
        """Take what was ever charged for so many times as much: the first answer tells how wrong the estimates are."""
        self.used *= factor

    def correct(self, charge: Charge, units: float) -> None:
        """Replace the estimate of a charge by what it came to."""
        more = units - charge.units
        charge.units = units
        self._paid_at += more * self._pace
        if charge.counted:
            self._total += more
