"""When the next call to a model may be sent, and to which of its servers: decisions only, without a clock or a sleep.

    wait ─▶ 0 seconds: send ─▶ ticket ─▶ succeeded, failed

Three things hold a call back: the requests and tokens a minute that the user or the server declares, a pause that a
server needs, and the windows of calls in flight. Several servers of a model share its limits; each has a window and
pauses of its own, and of those with room the one with fewest calls in flight gets the next: a slow or dead one is
routed around, one that may be back is tried, and then grows into its share.
"""

import math
from dataclasses import dataclass

from ..errors import UsageError
from .concurrency import START, Window
from .failures import CallError, ThrottledError, UnreachableError
from .models import Model
from .per_minute import Charge, PerMinute
from .rate_headers import read_headers
from .sender import Headers
from .server_limits import ServerLimits, Stamp

MOST_IN_FLIGHT = 1024
"""Calls in flight to one model where the user sets no number."""

_MEMORY = 0.98
"""How much of what is known of the estimates one more answer leaves."""

_TOLD_OFTEN_ENOUGH = 0.05
"""Seconds between two calls of whose answers the headers are read: reading takes longer than all else here."""


@dataclass(slots=True)
class Ticket:
    """A call that was sent; it ends once, in one way.

    Attributes:
        server: Which of the model's servers to send it to, as their number from 0.
        base_url: That server's address.
        sent_at: When it was sent.
        stamp: What its server is to be told with its outcome.
        tokens: How many were estimated.
        charge: Its tokens, where they count against a limit.
        used: The requests and tokens of all calls until then, this one included.
    """

    server: int
    base_url: str
    sent_at: float
    stamp: Stamp
    tokens: float
    charge: Charge | None
    used: tuple[float, float]


class Limits:
    """The limits of one model, at all of its servers.

    Every method takes the time in seconds of one and the same clock, which only its caller reads. Estimates of tokens
    may be wrong by any steady factor: it is learnt from the answers.
    """

    def __init__(self, model: Model, concurrency: int | None = None) -> None:
        """Start with what the user allows.

        Args:
            model: Whom to ask. What prefpipe.toml says of its limits holds.
            concurrency: The calls in flight at all servers together, where prefpipe.toml does not say. None to find
                them out.

        Raises:
            UsageError: No call may be in flight.
        """
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"With {concurrency} calls in flight, nothing is asked.", "Allow at least one.")
        wanted = model.concurrency or concurrency
        self._most = wanted or MOST_IN_FLIGHT
        self._base_urls = model.base_urls
        self._servers = [ServerLimits(Window(self._most, wanted or START)) for _ in model.base_urls]
        self._chosen = 0
        self._requests = PerMinute(model.requests_per_minute)
        self._tokens = PerMinute(model.tokens_per_minute)
        self._told_at = -math.inf
        self._heard = False
        self._used = self._estimated = 0.0
        self.in_flight = 0

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens are limited, or may turn out to be with the first answer, so that calls need an estimate."""
        return self._tokens.bounded or not self._heard

    @property
    def most_in_flight(self) -> int:
        """The calls that may be in flight now."""
        return min(self._most, sum(server.window.size for server in self._servers))

    @property
    def troubled_since(self) -> float | None:
        """Since when no call has succeeded at any server, but others have gone wrong; None while all is well."""
        times = [server.troubled_since for server in self._servers]
        return None if None in times else max(time for time in times if time is not None)

    def wait(self, now: float, tokens: float = 0.0) -> float:
        """Return the seconds until it makes sense to ask again; 0.0 if a call of about so many tokens may go now.

        inf means that a call in flight must come back first.
        """
        if self.in_flight >= self._most:
            return math.inf
        shortest = fewest = math.inf
        for number, server in enumerate(self._servers):
            if (wait := server.wait(now)) < shortest:
                shortest = wait
            if wait == 0.0 and server.in_flight < fewest:
                fewest, self._chosen = server.in_flight, number
        if shortest == 0.0 and self._requests.bounded:
            shortest = self._requests.wait(now, 1.0)
        if shortest < math.inf and self._tokens.bounded:
            shortest = max(shortest, self._tokens.wait(now, self._expected(tokens)))
        return shortest

    def _expected(self, tokens: float) -> float:
        """Return an estimate times what the estimates before it turned out to be wrong by."""
        return tokens * self._used / self._estimated if self._estimated else tokens

    def send(self, now: float, tokens: float = 0.0) -> Ticket:
        """Count a call as sent, at the server with the fewest in flight; `wait` has just returned 0.0 for it."""
        number = self._chosen
        server = self._servers[number]
        self._requests.charge(now, 1.0)
        charge = self._tokens.charge(now, self._expected(tokens))
        self.in_flight += 1
        used = self._requests.used, self._tokens.used
        return Ticket(number, self._base_urls[number], now, server.send(), tokens, charge, used)

    def succeeded(self, now: float, ticket: Ticket, tokens: int | None = None, headers: Headers = ()) -> None:
        """End a call that the server answered, if only to say that this one is not valid.

        Args:
            now: The time.
            ticket: The call.
            tokens: What it used, prompt and completion; None if the server does not tell.
            headers: The answer's.
        """
        self.in_flight -= 1
        self._heard = True
        if tokens and ticket.tokens > 0:
            if not self._estimated:
                self._tokens.rescale(tokens / ticket.tokens)
            self._used = self._used * _MEMORY + tokens
            self._estimated = self._estimated * _MEMORY + ticket.tokens
        if headers and ticket.sent_at >= self._told_at + _TOLD_OFTEN_ENOUGH:
            self._read(ticket, headers)
        if tokens is not None and ticket.charge:
            self._tokens.correct(ticket.charge, tokens)
        self._servers[ticket.server].succeeded(ticket.stamp, now - ticket.sent_at)

    def failed(self, now: float, ticket: Ticket, error: CallError) -> None:
        """End a call that was refused, lost, or not managed; it is to be sent again."""
        self.in_flight -= 1
        if ticket.sent_at >= self._told_at:
            self._read(ticket, error.headers)
        server, patience = self._servers[ticket.server], error.retry_after
        if isinstance(error, ThrottledError | UnreachableError) and ticket.charge:
            self._tokens.correct(ticket.charge, 0.0)
        if isinstance(error, ThrottledError):
            server.refused(now, ticket.stamp, patience)
        elif isinstance(error, UnreachableError):
            server.unreachable(now, ticket.stamp)
        else:
            server.failed(now, ticket.stamp, patience)

    def _read(self, ticket: Ticket, headers: Headers) -> None:
        """Take over what the server says of a call; what it said of one that was sent later is newer."""
        if not (declared := read_headers(headers)):
            return
        self._told_at = ticket.sent_at
        for limit, used, kind in zip((self._requests, self._tokens), ticket.used, ("requests", "tokens"), strict=True):
            if said := declared.get(kind):
                limit.declare(ticket.sent_at, used, said)
