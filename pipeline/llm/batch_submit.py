"""Submitting: each request without an answer goes into a batch: into one, and never into two."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .batch_calls import Caller, stopping
from .batch_failures import TooMuchError
from .batch_files import Limits, RequestFile
from .batch_journal import Journal
from .batch_pace import Pace
from .batch_progress import Progress
from .batch_records import Address, Batch, Lane, Step
from .batch_server import BatchServer, Remote
from .failures import PermanentError
from .models import Model
from .requests import Request
from .store import AnswerStore


@dataclass
class Round:
    """What one pass over all requests has come to.

    Attributes:
        waiting: Numbers of the batches that will bring answers.
        left_over: Whether requests were held back, or refused as too much.
        taken: How many batches ran, by lane.
        refused: Sizes of the batches that were too much, by lane.
        submitted: Numbers of the batches that this round has submitted.
        stopped: Why the bounds of the run left requests out, if they did.
    """

    waiting: set[int] = field(default_factory=set)
    left_over: bool = False
    taken: Counter[Lane] = field(default_factory=Counter)
    refused: defaultdict[Lane, list[int]] = field(default_factory=lambda: defaultdict(list))
    submitted: set[int] = field(default_factory=set)
    stopped: str | None = None


@dataclass
class _Queue:
    """The file that a lane's requests go into now, how much it may hold, and how many more may follow."""

    model: Model
    limits: Limits
    left: float
    file: RequestFile | None = None


class Submitter:
    """Hands requests over to their servers."""

    def __init__(
        self, caller: Caller, store: AnswerStore, journal: Journal, limits: Limits, progress: Progress
    ) -> None:
        """Take what calls servers, what holds answers and batches, what a file may hold, and how far the run is."""
        self._caller = caller
        self._store = store
        self._journal = journal
        self._limits = limits
        self._progress = progress
        self._folder = journal.path.parent
        self._settled: set[int] = set()
        self._queues: dict[Lane, _Queue] = {}
        self._round = Round()

    async def submit(self, chunks: Iterable[list[Request]], paces: defaultdict[Lane, Pace]) -> Round:
        """Submit what has no answer and is in no batch, as far as the pace of its lane allows.

        Raises:
            RunError: A server takes no batches.
        """
        self._round = Round()
        async with self._journal.turn():
            try:
                for chunk in chunks:
                    for request in await self._missing(chunk):
                        await self._put(request, paces)
                for queue in self._queues.values():
                    await self._send(queue)
            finally:
                for queue in self._queues.values():
                    if queue.file:
                        queue.file.close()
                self._queues.clear()
        return self._round

    async def _missing(self, chunk: list[Request]) -> list[Request]:
        """Return the requests that are to be submitted, each once; note the batches that hold the others."""
        given_up = self._progress.given_up
        chunk = [request for request in chunk if request.key not in given_up]
        held = self._store.get([request.key for request in chunk])
        wanted = {request.key: request for request in chunk if request.key not in held}
        keys = list(wanted)
        holders = self._journal.holders(keys)
        if unsettled := set(holders.values()) - self._settled:
            for batch in self._journal.batches(unsettled):
                await self._settle(batch)
            holders = self._journal.holders(keys)
        self._round.waiting.update(holders.values())
        return [request for key, request in wanted.items() if key not in holders]

    async def _settle(self, batch: Batch) -> None:
        """Find out what has become of a batch that an earlier run, or an earlier round, has left.

        This is a turn of ours, so a batch on its way has nobody any more who would take it further.
        """
        self._settled.add(batch.number)
        if batch.step is Step.PLANNED:
            self._journal.drop(batch.number)
        elif batch.step is Step.CREATING:
            with stopping(batch.lane):
                file_id, tag, since = batch.file_id or "", batch.tag, batch.created
                remote = await self._caller.call(batch.address, lambda server: server.find(file_id, tag, since))
            if remote:
                self._journal.submitted(batch.number, remote.id, remote.state)
            else:
                self._journal.drop(batch.number)

    async def _put(self, request: Request, paces: defaultdict[Lane, Pace]) -> None:
        lane = Lane(Address.of(request.model), request.model.name)
        if lane not in self._queues:
            pace = paces[lane]
            self._queues[lane] = _Queue(request.model, pace.limits(self._limits), pace.batches)
        queue = self._queues[lane]
        while queue.left > 0:
            if queue.file is None:
                queue.file = RequestFile(queue.limits, self._folder)
            if request.key in queue.file.keys:
                return
            if why := self._progress.why_stop(request.key):
                self._round.stopped = why
                return
            try:
                if queue.file.add(request):
                    self._progress.launch([request.key])
                    return
            except PermanentError as error:
                self._progress.fail(request.key, error)
                return
            await self._send(queue)
        self._round.left_over = True

    async def _send(self, queue: _Queue) -> None:
        """Submit a lane's file, if there is any."""
        if queue.file is None:
            return
        file, queue.file = queue.file, None
        if not file.keys:
            file.close()
            return
        try:
            batch = self._journal.plan(queue.model, file.keys)
            try:
                await self._hand_over(batch, file)
            except TooMuchError:
                self._journal.drop(batch.number)
                self._progress.take_back(file.keys)
                self._round.refused[batch.lane].append(batch.requests)
                self._round.left_over = True
                queue.left = 0
                return
        finally:
            file.close()
        self._settled.add(batch.number)
        self._round.submitted.add(batch.number)
        self._round.waiting.add(batch.number)
        queue.left -= 1

    async def _hand_over(self, batch: Batch, file: RequestFile) -> None:
        """Take a planned batch to its server; every step is in the journal before the next begins."""
        address, tried = batch.address, False
        name = f"prefpipe-{batch.tag}.jsonl"

        async def create(server: BatchServer) -> Remote:
            nonlocal tried
            if tried and (found := await server.find(file_id, batch.tag, batch.created)):
                return found  # the last attempt did succeed, but its answer was lost
            tried = True
            return await server.create(file_id, batch.tag)

        with stopping(batch.lane):
            file_id = await self._caller.call(address, lambda server: server.upload(name, file.handle))
            self._journal.creating(batch.number, file_id)
            remote = await self._caller.call(address, create)
        self._journal.submitted(batch.number, remote.id, remote.state)
