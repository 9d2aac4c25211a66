"""Asking: requests in, answers out in the same order, and as many calls in flight as limits allow.

    requests ─▶ answer store? ─▶ limits ─▶ client ─▶ retry ─▶ answer store ─▶ answers

Nothing waits for a batch to be full: whenever one call ends, the next begins, and a slow one holds nobody back. Each
model has a lane of its own, so that one with narrow limits does not slow the others down. Answers that arrive out of
order wait in memory for their turn. Whatever arrives is committed to the store within the same turn of the event loop.
"""

import asyncio
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Generic, TypeVar, cast

from ..errors import RunError
from ..tables import Status
from . import stop_reasons
from .answers import Answer, read_answer
from .bounds import Bounds
from .budget import expected_cost
from .failures import CallError, RefusedError, StopError, TransientError, UnreachableError, without_key
from .in_order import InOrder
from .interrupts import first_interrupt
from .lanes import Lane
from .limits import Ticket
from .meter import Meter
from .models import Model
from .requests import Request
from .retry import pause, with_retries
from .sender import Sender
from .store import AnswerStore

About = TypeVar("About")

PATIENCE_SECONDS = 900.0
"""How long a server may refuse or fail everything, or ask to wait, before the run ends; the same command goes on."""

UNBOUNDED = Bounds()

_LOOKUP = 256
_BATCH = 256
_LOOKAHEAD = 65_536
"""Answers that may wait for an earlier one; beyond it, nothing new is sent."""

_LOOKAHEAD_BYTES = 1 << 28
"""What their texts and probabilities of tokens may take, and requests that wait to be sent, likewise."""


def ask(
    requests: Iterable[tuple[About, Request]],
    *,
    store: AnswerStore,
    meter: Meter,
    concurrency: int | None = None,
    bounds: Bounds = UNBOUNDED,
    again: Callable[[About, Answer], bool] | None = None,
    sender: Sender | None = None,
) -> Generator[tuple[About, Answer], None, None]:
    """Yield the answer to each request beside what the request is about, in the order of the requests.

    A request whose answer the store holds is not sent. A call that fails for good gives an answer of status "error".
    Whoever stops early closes the generator before the store, which ends the calls in flight.

    Args:
        requests: What each is about, and what to send; drawn as answers arrive, so they may be millions.
        store: Where answers are looked up and kept.
        meter: Counts what happens.
        concurrency: The most calls in flight to each model, unless prefpipe.toml says it; None to find out how many it
            takes.
        bounds: Where the run stops by itself.
        again: Tells which answers of the store are to be asked for once more; the new one takes the old one's place.
        sender: What sends a request; the openai client where none is given.

    Raises:
        UsageError: No call may be in flight.
        RunError: A wrong key, an unknown model or an unreachable server makes every call fail, a server asks for too
            much patience, or a bound is reached. What was answered before is kept.
        KeyboardInterrupt: After Ctrl-C, when the calls in flight have ended; after a second one, at once.
    """
    interrupted = False
    asking: _Asking[About] | None = None

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        if asking:
            asking.loop.call_soon_threadsafe(asking.end, KeyboardInterrupt())

    with first_interrupt(interrupt), asyncio.Runner() as runner:
        asking = _Asking(iter(requests), store, meter, concurrency, bounds, again, sender, runner.get_loop())
        try:
            if interrupted:
                asking.end(KeyboardInterrupt())
            while batch := runner.run(asking.next_batch()):
                yield from batch
        finally:
            runner.run(asking.close())
            store.flush()


class _Asking(Generic[About]):
    """The calls in flight and the answers that wait for their turn."""

    def __init__(
        self,
        requests: Iterator[tuple[About, Request]],
        store: AnswerStore,
        meter: Meter,
        concurrency: int | None,
        bounds: Bounds,
        again: Callable[[About, Answer], bool] | None,
        sender: Sender | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.loop = loop
        self._requests = requests
        self._store = store
        self._meter = meter
        self._concurrency = concurrency
        self._bounds = bounds
        self._again = again
        self._sender = sender
        self._lanes: dict[Model, Lane] = {}
        self._launched = 0
        self._fresh_bytes = 0
        self._failed = 0
        self._reserved: dict[str, float] = {}
        self._replaced: set[str] = set()
        self._ending: BaseException | None = None
        self._turns: InOrder[About, Answer] = InOrder(_size)
        self._places: dict[str, list[int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: set[asyncio.Task[None]] = set()
        self._reached: set[str] = set()
        self._unreachable: set[str] = set()
        self._flush_is_due = False
        self._stopped: BaseException | None = None
        self._advanced = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None

    async def next_batch(self) -> list[tuple[About, Answer]]:
        """Return the next answers in order; none when there are no more."""
        while True:
            self._advanced.clear()
            self._fill()
            ready = self._take()
            if self._stopped:
                raise self._stopped
            if self._ending and not self._tasks:
                raise self._ending
            if ready or self._is_idle:
                return ready
            await self._advanced.wait()

    @property
    def _is_idle(self) -> bool:
        return not (self._tasks or any(lane.fresh for lane in self._lanes.values()))

    def _take(self) -> list[tuple[About, Answer]]:
        """Return a full batch of consecutive answers, or all of them at the end."""
        return self._turns.take(_BATCH) if self._turns.ready >= _BATCH or self._is_idle else []

    def _fill(self) -> None:
        """Send until no lane may send more, nothing is left, or what waits for its turn is too much."""
        hungry = True
        while hungry and not self._ending:
            hungry = False
            for lane in self._lanes.values():
                hungry |= self._send_from(lane)
            hungry = (hungry or self._is_idle) and self._may_plan_more() and self._look_up()
        self._set_alarm()

    def _may_plan_more(self) -> bool:
        turns, held = self._turns, self._turns.held + self._fresh_bytes
        return turns.ready < _BATCH and turns.planned - turns.emitted < _LOOKAHEAD and held < _LOOKAHEAD_BYTES

    def _send_from(self, lane: Lane) -> bool:
        """Send what a lane may send now; tell whether it could send more than there is."""
        while not self._ending and lane.may_send():
            if lane.resume_one():
                continue
            if not lane.fresh:
                return True
            if why := self._bounds.why_give_up(self._launched - len(self._tasks), self._failed):
                self.end(stop_reasons.bound_reached(why))
            elif why := self._bounds.why_send_no_more(self._launched) or self._why_spend_no_more(lane.fresh[0]):
                # Calls that were begun may need another attempt, and what they really cost may leave room for this one.
                if not self._tasks:
                    self.end(stop_reasons.bound_reached(why))
                return False
            else:
                self._launch(lane, lane.fresh.popleft())
        return False

    def _set_alarm(self) -> None:
        """Come back when the first lane may send that waits for time to pass; end the run if that takes too long."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        if self._ending:
            return
        waits = [lane.wait for lane in self._lanes.values() if 0 < lane.wait < math.inf]
        if not waits:
            return
        self._alarm = self.loop.call_later(min(waits), self._advanced.set)
        for lane in self._lanes.values():
            if lane.has_waiting and PATIENCE_SECONDS < lane.wait < math.inf and not lane.limits.in_flight:
                self.end(stop_reasons.asks_to_wait(lane.model, lane.wait))

    def _look_up(self) -> bool:
        """Draw the next requests; answer from the store those that it holds. Tell whether there were any."""
        if not (chunk := list(islice(self._requests, _LOOKUP))):
            return False
        held = self._store.get([request.key for _, request in chunk])
        for about, request in chunk:
            place = self._turns.plan(about)
            if request.key in self._places:
                self._places[request.key].append(place)
            elif (stored := held.get(request.key)) and not self._is_asked_again(
                about, request, answer := read_answer(request.key, stored.raw, stored.latency)
            ):
                cost = self._meter.count_from_store(request.model, answer.usage)
                self._finish(place, request.model, replace(answer, cost=cost))
            else:
                self._places[request.key] = [place]
                self._lane(request.model).fresh.append(request)
                self._fresh_bytes += len(request.body)
        return True

    def _is_asked_again(self, about: About, request: Request, answer: Answer) -> bool:
        if self._again is None or not self._again(about, answer):
            return False
        self._replaced.add(request.key)
        return True

    def _lane(self, model: Model) -> Lane:
        if model not in self._lanes:
            self._lanes[model] = Lane(model, self._concurrency, self._meter, self.loop.time)
        return self._lanes[model]

    def _why_spend_no_more(self, request: Request) -> str | None:
        """Return why the next request may not be paid, or nothing."""
        if self._bounds.max_cost is None:
            return None
        self._reserved[request.key] = expected_cost(request, self._meter)
        why = self._bounds.why_spend_no_more(self._meter.spent, sum(self._reserved.values()))
        if why:
            del self._reserved[request.key]
        return why

    def end(self, reason: BaseException) -> None:
        """Send nothing more; raise the reason when the calls in flight have ended."""
        self._ending = self._ending or reason
        self._meter.stopping = True
        for task in self._resting:
            task.cancel()
        self._advanced.set()

    def _launch(self, lane: Lane, request: Request) -> None:
        self._launched += 1
        self._fresh_bytes -= len(request.body)
        task = self.loop.create_task(self._call(lane, request, lane.ticket()))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._stopped = self._stopped or error
        self._advanced.set()

    async def _call(self, lane: Lane, request: Request, ticket: Ticket) -> None:
        """Ask until there is an answer or none is to be had."""
        model = request.model

        async def send() -> Answer:
            return await self._send(lane, request, ticket)

        async def rest(seconds: float) -> None:
            nonlocal ticket
            ticket = await self._rest(lane, request, seconds)

        try:
            answer = await with_retries(send, lambda: not self._is_unreachable(model), refusals_count=False, wait=rest)
        except StopError as error:
            self.end(stop_reasons.refused(model, error))
            return
        except UnreachableError as error:
            if self._is_unreachable(model):
                raise stop_reasons.unreachable(model, error) from error
            answer = Answer(request.key, Status.ERROR, error=error.reason)
        except CallError as error:
            status = Status.REFUSED if isinstance(error, RefusedError) else Status.ERROR
            answer = Answer(request.key, status, error=error.reason)
        self._failed += answer.status is Status.ERROR
        self._reserved.pop(request.key, None)
        for place in self._places.pop(request.key):
            self._finish(place, model, answer)

    def _is_unreachable(self, model: Model) -> bool:
        """Tell whether none of a model's servers ever answered, and to none there is a connection."""
        return all(url in self._unreachable for url in model.base_urls)

    async def _rest(self, lane: Lane, request: Request, seconds: float) -> Ticket:
        """Wait before another attempt; meanwhile the call's place serves others."""
        if self._ending:
            raise asyncio.CancelledError
        lane.count_retry()
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._resting.add(task)
        try:
            await pause(min(seconds, PATIENCE_SECONDS))
            self._advanced.set()
            return await lane.next_turn(request)
        finally:
            self._resting.discard(task)

    async def _send(self, lane: Lane, request: Request, ticket: Ticket) -> Answer:
        """Send once, and keep what comes back if it is an answer."""
        if self._sender is None:
            from .client import Client

            self._sender = Client()
        try:
            raw, latency, headers = await self._sender.send(request, ticket.base_url)
            answer = read_answer(request.key, raw, latency)
        except CallError as error:
            error.reason = without_key(error.reason, request.model.api_key)
            if isinstance(error, TransientError):
                self._note_failure(lane, ticket, error)
            else:
                self._note_reached(ticket.base_url)
                lane.succeeded(ticket, 0, error.headers)
            raise
        self._note_reached(ticket.base_url)
        lane.succeeded(ticket, _tokens(answer), headers)
        again = request.key in self._replaced
        self._store.put(request.key, request.model.name, request.model.address, raw, latency, replace=again)
        cost = self._meter.count_sent(request.model, answer.usage)
        if not self._flush_is_due:
            # All answers that arrive within one turn of the loop share a commit.
            self._flush_is_due = True
            self.loop.call_soon(self._flush)
        return replace(answer, cost=cost)

    def _note_reached(self, base_url: str) -> None:
        self._reached.add(base_url)
        self._unreachable.discard(base_url)

    def _note_failure(self, lane: Lane, ticket: Ticket, error: TransientError) -> None:
        """Keep what a failure tells of the server; end the run if it asks for more patience than there is."""
        if not isinstance(error, UnreachableError):
            self._note_reached(ticket.base_url)
        elif ticket.base_url not in self._reached:
            self._unreachable.add(ticket.base_url)
        lane.failed(ticket, error)
        self._advanced.set()
        if (error.retry_after or 0.0) > PATIENCE_SECONDS and lane.troubled_seconds is not None:
            self.end(stop_reasons.asks_to_wait(lane.model, error.retry_after or 0.0))
        elif (lane.troubled_seconds or 0.0) > PATIENCE_SECONDS:
            self.end(stop_reasons.silent(lane.model, PATIENCE_SECONDS, error))

    def _flush(self) -> None:
        self._flush_is_due = False
        try:
            self._store.flush()
        except RunError as error:
            self._stopped = error
            self._advanced.set()

    def _finish(self, place: int, model: Model, answer: Answer) -> None:
        self._turns.answer(place, answer)
        self._meter.count_done(model, answer.status)

    async def close(self) -> None:
        """End all calls that are still in flight, and close the connections."""
        # After a second Ctrl-C, the wait for the next batch is still there, too.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._sender is not None:
            await self._sender.close()


def _size(answer: Answer) -> int:
    """Return about how many bytes the parts of an answer have that may be long."""
    return len(answer.text or "") + len(answer.reasoning or "") + len(answer.logprobs or b"")


def _tokens(answer: Answer) -> int | None:
    """Return what an answer counts against a limit of tokens."""
    if answer.prompt_tokens is None and answer.completion_tokens is None:
        return None
    return (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
