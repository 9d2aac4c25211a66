"""Asking: requests in, answers out in the same order, and as many calls in flight as the window allows.

    requests ─▶ answer store? ─▶ window ─▶ client ─▶ retry ─▶ answer store ─▶ answers

The window slides: whenever one call ends, the next begins, and a slow one holds nobody back. Answers that arrive out of
order wait in memory for their turn. Whatever arrives is committed to the store within the same turn of the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Generic, TypeVar

from ..errors import RunError, UsageError
from ..tables import Status
from .answers import Answer, read_answer
from .bounds import Bounds
from .budget import expected_cost
from .failures import CallError, StopError, UnreachableError
from .interrupts import first_interrupt
from .meter import Meter
from .models import Model
from .requests import Request
from .retry import pause, with_retries
from .sender import Sender
from .store import AnswerStore

About = TypeVar("About")

DEFAULT_CONCURRENCY = 64

GO_ON = "What was answered is kept; run the same command again to go on."
UNBOUNDED = Bounds()

_LOOKUP = 256
_BATCH = 256
_LOOKAHEAD = 65_536
"""Answers that may wait for an earlier one; beyond it, nothing new is sent."""


def ask(
    requests: Iterable[tuple[About, Request]],
    *,
    store: AnswerStore,
    meter: Meter,
    concurrency: int = DEFAULT_CONCURRENCY,
    bounds: Bounds = UNBOUNDED,
    sender: Sender | None = None,
) -> Generator[tuple[About, Answer], None, None]:
    """Yield the answer to each request beside what the request is about, in the order of the requests.

    A request whose answer the store holds is not sent. A call that fails for good gives an answer of status "error".
    Whoever stops early closes the generator before the store, which ends the calls in flight.

    Args:
        requests: What each is about, and what to send; drawn as the window advances, so they may be millions.
        store: Where answers are looked up and kept.
        meter: Counts what happens.
        concurrency: The most calls in flight.
        bounds: Where the run stops by itself.
        sender: What sends a request; the openai client where none is given.

    Raises:
        UsageError: No call may be in flight.
        RunError: A wrong key, an unknown model or an unreachable server makes every call fail, or a bound is reached.
            What was answered before is kept.
        KeyboardInterrupt: After Ctrl-C, when the calls in flight have ended; after a second one, at once.
    """
    if concurrency < 1:
        raise UsageError(f"With {concurrency} calls in flight, nothing is asked.", "Allow at least one.")
    with asyncio.Runner() as runner:
        window = _Window(iter(requests), store, meter, concurrency, bounds, sender)
        loop = runner.get_loop()
        try:
            with first_interrupt(lambda: loop.call_soon_threadsafe(window.end, KeyboardInterrupt())):
                while batch := runner.run(window.next_batch()):
                    yield from batch
        finally:
            runner.run(window.close())
            store.flush()


class _Window(Generic[About]):
    """The calls in flight and the answers that wait for their turn."""

    def __init__(
        self,
        requests: Iterator[tuple[About, Request]],
        store: AnswerStore,
        meter: Meter,
        concurrency: int,
        bounds: Bounds,
        sender: Sender | None,
    ) -> None:
        self._requests = requests
        self._store = store
        self._meter = meter
        self._concurrency = concurrency
        self._bounds = bounds
        self._busy = 0
        self._returning: deque[asyncio.Future[None]] = deque()
        self._launched = 0
        self._failed = 0
        self._reserved: dict[str, float] = {}
        self._ending: BaseException | None = None
        self._sender = sender
        self._exhausted = False
        self._planned = 0
        self._complete = 0
        self._emitted = 0
        self._about: dict[int, About] = {}
        self._answers: dict[int, Answer] = {}
        self._missing: deque[Request] = deque()
        self._places: dict[str, list[int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._reached: set[str] = set()
        self._flush_is_due = False
        self._stopped: BaseException | None = None
        self._advanced = asyncio.Event()

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
            if ready or not self._tasks:
                return ready
            await self._advanced.wait()

    def _take(self) -> list[tuple[About, Answer]]:
        """Return a full batch of consecutive answers, or all of them at the end."""
        if self._tasks and not self._batch_is_ready():
            return []
        last = min(self._complete, self._emitted + _BATCH)
        batch = [(self._about.pop(place), self._answers.pop(place)) for place in range(self._emitted, last)]
        self._emitted = last
        return batch

    def _batch_is_ready(self) -> bool:
        return self._complete - self._emitted >= _BATCH

    def _fill(self) -> None:
        """Send until the window is full, nothing is left, or what waits for its turn is too much."""
        while self._busy < self._concurrency and not self._ending:
            if self._missing:
                if why := self._bounds.why_stop(self._launched, self._launched - len(self._tasks), self._failed):
                    self.end(RunError(f"The run stopped: {why}.", GO_ON))
                    return
                if why := self._why_spend_no_more(self._missing[0]):
                    # What the calls in flight really cost may leave room for this one.
                    if not self._tasks:
                        self.end(RunError(f"The run stopped: {why}.", GO_ON))
                    return
                self._launch(self._missing.popleft())
            elif self._batch_is_ready() or self._planned - self._emitted >= _LOOKAHEAD or not self._look_up():
                return

    def _look_up(self) -> bool:
        """Draw the next requests; answer from the store those that it holds. Tell whether there were any."""
        chunk = list(islice(self._requests, _LOOKUP))
        held = self._store.get([request.key for _, request in chunk])
        for about, request in chunk:
            place = self._planned
            self._planned += 1
            self._about[place] = about
            if stored := held.get(request.key):
                answer = read_answer(request.key, stored.raw, stored.latency)
                cost = self._meter.count_from_store(request.model, answer.usage)
                self._finish(place, replace(answer, cost=cost))
            elif request.key in self._places:
                self._places[request.key].append(place)
            else:
                self._places[request.key] = [place]
                self._missing.append(request)
        self._exhausted = not chunk
        return bool(chunk)

    def _why_spend_no_more(self, request: Request) -> str | None:
        """Return why the next request may not be paid, or nothing."""
        if self._bounds.max_cost is None:
            return None
        self._reserved[request.key] = expected_cost(request, self._meter)
        return self._bounds.why_spend_no_more(self._meter.spent, sum(self._reserved.values()))

    def end(self, reason: BaseException) -> None:
        """Send nothing more; raise the reason when the calls in flight have ended."""
        self._ending = self._ending or reason
        self._meter.stopping = True
        self._advanced.set()

    def _launch(self, request: Request) -> None:
        self._launched += 1
        self._occupy()
        task = asyncio.get_running_loop().create_task(self._call(request))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._vacate()
        if not task.cancelled() and (error := task.exception()):
            self._stopped = self._stopped or error

    def _occupy(self) -> None:
        self._busy += 1
        self._meter.in_flight += 1

    def _vacate(self) -> None:
        """Give a slot of the window up: first to a call that comes back for another attempt, else to a new one."""
        self._busy -= 1
        self._meter.in_flight -= 1
        while self._returning and self._busy < self._concurrency:
            if not (call := self._returning.popleft()).done():
                self._occupy()
                call.set_result(None)
        self._advanced.set()

    async def _pause(self, seconds: float) -> None:
        """Wait before another attempt; meanwhile the call's slot serves others."""
        self._vacate()
        await pause(seconds)
        if self._busy < self._concurrency:
            self._occupy()
            return
        call = asyncio.get_running_loop().create_future()
        self._returning.append(call)
        await call

    async def _call(self, request: Request) -> None:
        """Ask until there is an answer or none is to be had."""
        server = request.model.base_url
        try:
            answer = await with_retries(
                lambda: self._send(request), lambda: server in self._reached, self._meter.count_retry, self._pause
            )
        except StopError as error:
            raise _refused(request.model, error) from error
        except UnreachableError as error:
            if server not in self._reached:
                raise RunError(
                    f"The server of {request.model.name} cannot be reached: {error.reason}.",
                    "Check the address, and that the server is running.",
                ) from error
            answer = Answer(request.key, Status.ERROR, error=error.reason)
        except CallError as error:
            answer = Answer(request.key, Status.ERROR, error=error.reason)
        self._failed += answer.status is Status.ERROR
        self._reserved.pop(request.key, None)
        for place in self._places.pop(request.key):
            self._finish(place, answer)

    async def _send(self, request: Request) -> Answer:
        """Send once, and keep what comes back if it is an answer."""
        if self._sender is None:
            from .client import Client

            self._sender = Client()
        try:
            raw, latency, _ = await self._sender.send(request, request.model.base_url)
        except CallError as error:
            if not isinstance(error, UnreachableError):
                self._reached.add(request.model.base_url)
            raise
        self._reached.add(request.model.base_url)
        answer = read_answer(request.key, raw, latency)
        self._store.put(request.key, request.model.name, request.model.address, raw, latency)
        cost = self._meter.count_sent(request.model, answer.usage)
        if not self._flush_is_due:
            # All answers that arrive within one turn of the loop share a commit.
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)
        return replace(answer, cost=cost)

    def _flush(self) -> None:
        self._flush_is_due = False
        try:
            self._store.flush()
        except RunError as error:
            self._stopped = error
            self._advanced.set()

    def _finish(self, place: int, answer: Answer) -> None:
        self._answers[place] = answer
        while self._complete in self._answers:
            self._complete += 1
        self._meter.done += 1
        self._meter.failed += answer.status is not Status.OK

    async def close(self) -> None:
        """End all calls that are still in flight, and close the connections."""
        # After a second Ctrl-C, the wait for the next batch is still there, too.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._sender is not None:
            await self._sender.close()


def _refused(model: Model, error: StopError) -> RunError:
    message = f"{model.base_url} does not serve {model.name}: {error.reason}"
    return RunError(
        message if message.endswith(".") else f"{message}.",
        f"Check the model's name, its address and the key in {model.key_variable}. {GO_ON}",
    )
