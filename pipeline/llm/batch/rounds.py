"""Rounds of batches: submit what is missing, wait for it, collect it, until each request is answered or given up."""

from asyncio import sleep
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from ...errors import RunError, WaitingError
from ..failures import CallError, PermanentError, StopError, TransientError
from ..meter import Meter
from ..requests import Request
from ..store import AnswerStore
from .calls import GO_ON, Caller, stopped
from .collect import collect
from .failures import GoneError
from .journal import Journal
from .pace import Pace
from .progress import Progress
from .records import Batch, BatchStep, Queue
from .server import Remote
from .submit import Round, Submitter

_FIRST_POLL = 1 / 16
_POLL_GROWTH = 1.5
_POLLS_IN_VAIN = 20
_REASONS = 3


class Rounds:
    """Sees to it that requests are answered, and knows in the end why some are not."""

    def __init__(
        self,
        caller: Caller,
        submitter: Submitter,
        store: AnswerStore,
        journal: Journal,
        meter: Meter,
        progress: Progress,
        poll_seconds: float,
        on_wait: Callable[[Sequence[Batch]], None] | None,
    ) -> None:
        """Take what calls servers and what submits, where things are kept, how far the run is, and how to wait."""
        self._caller = caller
        self._submitter = submitter
        self._store = store
        self._journal = journal
        self._meter = meter
        self._progress = progress
        self._poll_seconds = poll_seconds
        self._on_wait = on_wait
        self._paces: defaultdict[Queue, Pace] = defaultdict(Pace)
        self._again = False
        self._seen_at_work: set[int] = set()
        self._in_vain = 0

    async def run(self, requests: Callable[[], Iterable[list[Request]]], *, wait: bool) -> None:
        """Submit, wait and collect until nothing is missing.

        Args:
            requests: Gives all requests without an answer, in chunks, as often as it is called.
            wait: Whether to wait for batches.

        Raises:
            RunError: A server takes no batches, or a batch failed as a whole.
            WaitingError: Batches are under way, and are not to be waited for.
        """
        while True:
            self._again = False
            current = await self._submitter.submit(requests(), self._paces)
            self._meter.stopping = current.stopped is not None
            await self._bring_in(current, wait=wait)
            if current.stopped:
                raise RunError(f"The run stopped: {current.stopped}.", GO_ON)
            self._learn(current)
            if not (self._again or current.left_over):
                return
            if current.refused:
                await sleep(self._poll_seconds)

    async def _bring_in(self, current: Round, *, wait: bool) -> None:
        """Look at the batches of a round, again and again, until the last has ended and is collected."""
        pause = self._poll_seconds * _FIRST_POLL
        waiting = current.waiting
        while batches := self._under_way(waiting):
            self._meter.in_flight = sum(batch.requests for batch in batches)
            for batch in batches:
                if await self._look(batch, current):
                    waiting.discard(batch.number)
            if not (batches := self._under_way(waiting)):
                return
            if not wait:
                raise _waiting(batches)
            if self._on_wait:
                self._on_wait(batches)
            await sleep(pause)
            pause = min(pause * _POLL_GROWTH, self._poll_seconds)

    def _under_way(self, numbers: set[int]) -> list[Batch]:
        """Return those of some batches that no other process has collected or forgotten."""
        batches = [batch for batch in self._journal.batches(numbers) if batch.step is not BatchStep.COLLECTED]
        if len(batches) < len(numbers):
            self._again = True
            numbers &= {batch.number for batch in batches}
        return batches

    async def _look(self, batch: Batch, current: Round) -> bool:
        """Look at a batch; collect it if it has ended, and tell whether it has."""
        try:
            remote = await self._caller.call(batch.address, lambda server: server.look(batch.batch_id or ""))
            if remote.has_ended:
                await self._end(batch, remote, current)
                return True
        except GoneError as error:
            self._lose(batch, error)
            return True
        except CallError as error:
            self._in_vain += 1
            passing = isinstance(error, TransientError) and self._caller.has_reached(batch.address)
            if not passing or self._in_vain > _POLLS_IN_VAIN:
                raise stopped(batch.queue, error) from error
            return False
        self._in_vain = 0
        if remote.state != "cancelling":
            self._seen_at_work.add(batch.number)
        self._journal.seen(batch.number, remote.state, remote.answered, remote.failed)
        return False

    async def _end(self, batch: Batch, remote: Remote, current: Round) -> None:
        """Collect a batch, and find out what is to become of the requests without an answer."""
        if remote.state == "failed":
            self._refuse(batch, remote, current)
            return
        failures = await collect(batch, remote, self._caller, store=self._store, journal=self._journal)
        current.taken[batch.queue] += 1
        self._progress.answered += batch.requests - len(failures)
        for key, failure in failures.items():
            if isinstance(failure, StopError):
                raise stopped(batch.queue, failure)
            if self._progress.fail(key, failure):
                self._again = True
                self._meter.count_retry()
        if remote.state == "cancelled" and batch.number in self._seen_at_work:
            raise RunError(
                f"The batch {batch.batch_id} of {batch.model} was cancelled; {batch.requests - len(failures):,} of its "
                f"{batch.requests:,} requests have an answer.",
                "Run the same command again to ask for the rest.",
            )

    def _refuse(self, batch: Batch, remote: Remote, current: Round) -> None:
        """Take back a batch of which the server ran nothing."""
        reasons = list(dict.fromkeys(message or code for code, message in remote.errors))
        reason = "; ".join(reasons[:_REASONS]) or "no reason given"
        keys = self._journal.keys(batch.number)
        self._journal.collected(batch.number, remote.state, dict.fromkeys(keys, reason))
        if batch.number in current.submitted:
            self._progress.take_back(keys)
        if not remote.was_too_much:
            raise stopped(batch.queue, PermanentError(reason))
        current.refused[batch.queue].append(batch.requests)
        current.left_over = True

    def _lose(self, batch: Batch, error: GoneError) -> None:
        """Give up a batch that is not there any more, if nothing that was paid is lost with it."""
        if not batch.address.simulated:
            raise RunError(
                f"{batch.address.base_url} does not know the batch {batch.batch_id} with {batch.requests:,} requests "
                f"to {batch.model}: {error.reason.removesuffix('.')}.",
                f"Put the key that it was submitted with into {batch.address.key_variable}; or, to pay for its "
                f"requests again, give it up with `prefpipe batch forget {batch.batch_id}`.",
            ) from error
        self._journal.drop(batch.number)
        self._again = True

    def _learn(self, current: Round) -> None:
        """Set the pace of each queue by what its server has taken and refused."""
        for queue in current.taken.keys() | current.refused.keys():
            refused = current.refused[queue]
            if not self._paces[queue].learn(current.taken[queue], len(refused), min(refused, default=0)):
                raise RunError(
                    f"{queue.address.base_url} takes not even one request to {queue.model}: too much is waiting there.",
                    "Run the same command again when other batches have ended.",
                )


def _waiting(batches: Sequence[Batch]) -> WaitingError:
    requests = sum(batch.requests for batch in batches)
    noun = "batch is" if len(batches) == 1 else "batches are"
    return WaitingError(
        f"{len(batches):,} {noun} under way, with {requests:,} requests.",
        "Run the same command again to collect them; `prefpipe batch status` shows how far they are.",
    )
