"""The calls to one model: those that wait for their first attempt or another one, and when the next may go."""

import asyncio
from collections import deque
from collections.abc import Callable

from .budget import expected_tokens
from .failures import CallError, ThrottledError
from .limits import Limits, Ticket
from .meter import Meter
from .models import Model
from .requests import Request
from .sender import Headers


class Lane:
    """What one model is asked, as fast as its limits allow. Calls that come back for another attempt go first.

    Attributes:
        model: Whom to ask.
        fresh: Requests that were never sent.
        limits: When the next call may go.
        wait: The seconds until another call may go, when it was last asked; inf if one has to come back first.
    """

    def __init__(self, model: Model, concurrency: int | None, meter: Meter, clock: Callable[[], float]) -> None:
        self.model = model
        self.fresh: deque[Request] = deque()
        self.limits = Limits(model, concurrency)
        self.wait = 0.0
        self._returning: deque[tuple[Request, asyncio.Future[Ticket]]] = deque()
        self._clock = clock
        self._meter = meter
        self._traffic = meter.traffic_of(model)
        self._estimate: tuple[str, float] = ("", 0.0)

    @property
    def has_waiting(self) -> bool:
        """Whether any call is to be sent."""
        return bool(self.fresh or self._returning)

    def may_send(self) -> bool:
        """Tell whether another call may go now; note how long to wait otherwise."""
        while self._returning and self._returning[0][1].done():
            self._returning.popleft()  # it was cancelled
        now = self._clock()
        self.wait = self.limits.wait(now, self._tokens_of_next() if self.limits.counts_tokens else 0.0)
        self._traffic.wait = self.wait if self.has_waiting else 0.0
        return self.wait == 0.0

    def _tokens_of_next(self) -> float:
        request = self._returning[0][0] if self._returning else self.fresh[0] if self.fresh else None
        if request is None:
            return 0.0
        if self._estimate[0] != request.key:
            self._estimate = (request.key, float(sum(expected_tokens(request, self._meter.uses.get(self.model)))))
        return self._estimate[1]

    def resume_one(self) -> bool:
        """Give a call that came back its turn; tell whether there was one. `may_send` has just said yes."""
        if not self._returning:
            return False
        self._returning.popleft()[1].set_result(self.ticket())
        return True

    def ticket(self) -> Ticket:
        """Count a call as sent. `may_send` has just said yes."""
        ticket = self.limits.send(self._clock(), self._estimate[1] if self.limits.counts_tokens else 0.0)
        self._count(1)
        return ticket

    async def next_turn(self, request: Request) -> Ticket:
        """Wait until the call may be sent once more."""
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._returning.append((request, turn))
        return await turn

    def succeeded(self, ticket: Ticket, tokens: int | None, headers: Headers) -> None:
        """End a call that the server answered."""
        self._count(-1)
        self.limits.succeeded(self._clock(), ticket, tokens, headers)

    def failed(self, ticket: Ticket, error: CallError) -> None:
        """End a call that is to be sent again."""
        self._count(-1)
        self._traffic.throttled += isinstance(error, ThrottledError)
        self._traffic.last_failure = error.reason
        self.limits.failed(self._clock(), ticket, error)

    def count_retry(self) -> None:
        """Count that a call is to be sent again."""
        self._meter.count_retry()
        self._traffic.retries += 1

    def _count(self, calls: int) -> None:
        self._meter.in_flight += calls
        self._traffic.in_flight += calls

    @property
    def troubled_seconds(self) -> float | None:
        """How long nothing has succeeded at any server, but calls went wrong; None while one is well."""
        since = self.limits.troubled_since
        return None if since is None else self._clock() - since
