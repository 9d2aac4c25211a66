"""How many calls may be in flight at a server that does not say: found out by what becomes of them.

The window doubles while all is well and it is really full, until something tells where it ends; from then on it stays
just below that place, and goes beyond it by 5 % a round from time to time. A round is the next calls that are sent, as
many as the window holds: what was sent before a decision says nothing about it. It ends when half of them have, and
when nine in ten have if any was refused: refusals come back faster than answers, so those under way count as taken.

Four things end the growth:

- *A pause*, because the server took hardly any call, cuts the window to the calls that it did take.
- *Refusals* of a part of the calls cut it to 0.8, once a round. Some servers refuse at random, whatever the load, and a
  smaller window would only lose calls. So this cut is a trial: if as large a share is refused after it as before, the
  window is restored, and that share is tolerated for some rounds.
- *Failures* (5xx, timeouts, lost connections) of more than 5 % of a round put the growth off.
- *Saturation*: when a window that is four times as wide gives hardly more answers a second, its calls only queue
  elsewhere, where they may time out. Then it goes back to the width that is enough for that many answers.
"""

import math

START = 32
"""Calls in flight before anything is known."""

_CUT = 0.8
_STEP = 1.05
_BELOW_CEILING = 0.95
_HOLDS = (8, 32)  # clean rounds just below the ceiling before it is tried again; at first, and after failed tries
_NARROW = 16
_EVIDENCE = 50  # calls, at least, of which two shares of refusals are compared
_ENOUGH, _ENOUGH_AFTER_REFUSALS = 0.5, 0.9  # of a round's calls that have ended
_TOLERATED_ROUNDS = 16
_MOST_TOLERATED = 0.5
_COMPARABLE = 4.0  # times the window between two rounds whose flow is compared: latencies vary by a factor themselves
_WORTHWHILE = 0.15  # of what a wider window should gain in flow; with less, it gains nothing


class Window:
    """The calls that may be in flight at one server.

    Attributes:
        size: The calls that may be in flight now: at least one, at most what the user allows.
        full: Whether it was ever filled in this round; without, it does not grow.
    """

    def __init__(self, most: int, start: int = START) -> None:
        """Start with a window that will never exceed `most` calls."""
        self._most = most
        self._ceiling = math.inf
        self._hold = 0
        self._patience = _HOLDS[0]
        self._before: tuple[float, float, float] | None = None  # size, ceiling, share refused, before the trial's cuts
        self._tolerated = 0.0
        self._tolerated_rounds = 0
        self._flow = 0.0  # answers a second when the window was _flow_size
        self._flow_size = math.inf
        self._round = 0
        self._resize(float(start))

    def _resize(self, size: float) -> None:
        self._size = min(max(size, 1.0), float(self._most))
        self.size = int(self._size)
        self._begin()

    def _begin(self) -> None:
        self._round += 1
        self._calls = self.size
        self._sent = self._ended = self._refused = self._failed = self._answered = 0
        self._seconds = 0.0
        self.full = False

    def stamp(self) -> int:
        """Count a call that is sent, and return the stamp that is to be given back with its outcome."""
        if self._sent == self._calls:
            return 0
        self._sent += 1
        return self._round

    def answered(self, stamp: int, seconds: float) -> None:
        """Count a call that the server answered after so many seconds."""
        if stamp != self._round:
            return
        self._ended += 1
        self._answered += 1
        self._seconds += seconds
        self._judge_if_complete()

    def failed(self, stamp: int) -> None:
        """Count a call that the server did not manage."""
        if stamp == self._round:
            self._ended += 1
            self._failed += 1
            self._judge_if_complete()

    def refused(self, stamp: int) -> None:
        """Count a call that the server refused as one too many."""
        if stamp == self._round:
            self._ended += 1
            self._refused += 1
            self._judge_if_complete()

    def pause(self, taken: int) -> None:
        """Cut the window, since the server takes no more than so many calls; by a half at most, at once."""
        self._before = None
        self._lower_ceiling()
        self._resize(max(self._size / 2, min(self._size * _CUT, float(taken))))

    def _judge_if_complete(self) -> None:
        shares_matter = self._refused or self._before
        share = _ENOUGH_AFTER_REFUSALS if shares_matter else _ENOUGH
        if self._sent < self._calls or self._ended < share * self._calls:
            return
        if shares_matter and self._calls < _EVIDENCE:
            self._calls += self.size
        else:
            self._judge()

    def _judge(self) -> None:
        """Decide at the end of a round."""
        share = self._refused / self._calls
        if self._before:
            self._go_on_with_trial(*self._before, share)
        elif self._refuses_too_many():
            self._before = self._size, self._ceiling, share
            self._cut()
        elif 20 * self._failed > self._calls or not self.full:
            self._begin()
        else:
            self._grow()

    def _refuses_too_many(self) -> bool:
        """Tell whether more is refused than is tolerated and than chance explains."""
        if self._tolerated_rounds:
            self._tolerated_rounds -= 1
        else:
            self._tolerated = 0.0
        tolerated = self._tolerated * self._calls
        return self._refused > tolerated + 3 * math.sqrt(tolerated * (1 - self._tolerated))

    def _cut(self) -> None:
        self._lower_ceiling()
        self._resize(self._size * _CUT)

    def _lower_ceiling(self) -> None:
        self._ceiling = self._size
        # A narrow window is tried at the cost of about as many refusals as a wide one, so it is tried as seldom.
        self._hold = math.ceil(self._patience * max(1.0, _NARROW / self._size))
        self._patience = _HOLDS[1]

    def _go_on_with_trial(self, size: float, ceiling: float, before: float, share: float) -> None:
        """Compare the share that is refused since the cut with the share before it.

        If C calls are served, of S that are sent in a while, C/S are accepted: a cut of the window to 0.8 raises this
        by a quarter or more, until nothing is refused. Refusals at random leave it as it was. The line is half-way.
        """
        accepted = 1 - before
        if share == 0.0:
            self._before = None
            self._begin()
        elif share > _MOST_TOLERATED or 1 - share >= (accepted + min(1.0, accepted / _CUT)) / 2:
            self._before = size, ceiling, share
            self._cut()
        else:
            self._before = None
            self._tolerated, self._tolerated_rounds = max(before, share), _TOLERATED_ROUNDS
            self._ceiling, self._hold = ceiling, 0
            self._resize(size)

    def _grow(self) -> None:
        if self._size >= self._most:
            self._begin()
        elif self._is_saturated():
            self._ceiling = self._flow_size / _BELOW_CEILING
            self._hold = _HOLDS[1]
            self._resize(self._flow_size)
        elif self._size < self._ceiling * _BELOW_CEILING:
            self._resize(min(2 * self._size, self._ceiling * _BELOW_CEILING))
        elif self._hold:
            self._hold -= 1
            self._begin()
        else:
            if self._size > self._ceiling:
                self._patience = _HOLDS[0]
            self._resize(max(self._size * _STEP, self._size + 1))

    def _is_saturated(self) -> bool:
        """Compare the flow of this round with that of a smaller window, by Little's law: calls in flight / latency."""
        if self._seconds <= 0:
            return False
        flow = self.size * self._answered / self._seconds
        if self._size >= self._flow_size * _COMPARABLE:
            gain = flow / self._flow
            if gain - 1 < _WORTHWHILE * (self._size / self._flow_size - 1):
                # As fast as before, this many answers a second need this many calls in flight.
                self._flow_size *= max(1.0, gain)
                self._flow = max(self._flow, flow)
                return True
        elif self._size > self._flow_size:
            return False
        self._flow, self._flow_size = flow, self._size
        return False
