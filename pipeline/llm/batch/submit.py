"""Submitting: each request without an answer goes into a batch: into one, and never into two."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..failures import PermanentError
from ..models import Model
from ..requests import Request
from ..store import AnswerStore
from .calls import Caller, stopping
from .failures import TooMuchError
from .files import FileLimits, RequestFile
from .journal import Journal
from .pace import Pace
from .progress import Progress
from .records import Address, Batch, BatchStep, Queue
from .server import BatchServer, Remote


@dataclass
class Round:
    """What one pass over all requests has come to.

    Attributes:
        waiting: Numbers of the batches that will bring answers.
        left_over: Whether requests were held back, or refused as too much.
        taken: How many batches ran, by queue.
        refused: Sizes of the batches that were too much, by queue.
        submitted: Numbers of the batches that this round has submitted.
        stopped: Why the bounds of the run left requests out, if they did.
    """

    waiting: set[int] = field(default_factory=set)
    left_over: bool = False
    taken: Counter[Queue] = field(default_factory=Counter)
    refused: defaultdict[Queue, list[int]] = field(default_factory=lambda: defaultdict(list))
    submitted: set[int] = field(default_factory=set)
    stopped: str | None = None


@dataclass
class _OpenFile:
    """The file that a queue's requests go into now, how much it may hold, and how many more may follow."""

    model: Model
    limits: FileLimits
    left: float
    file: RequestFile | None = None


class Submitter:
    """Hands requests over to their servers."""

    def __init__(
        self, caller: Caller, store: AnswerStore, journal: Journal, limits: FileLimits, progress: Progress
    ) -> None:
        """Take what calls servers, what holds answers and batches, what a file may hold, and how far the run is."""
        self._caller = caller
        self._store = store
        self._journal = journal
        self._limits = limits
        self._progress = progress
        self._folder = journal.path.parent
        self._settled: set[int] = set()
        self._open: dict[Queue, _OpenFile] = {}
        self._round = Round()

    async def submit(self, chunks: Iterable[list[Request]], paces: defaultdict[Queue, Pace]) -> Round:
        """Submit what has no answer and is in no batch, as far as the pace of its queue allows.

        Raises:
            RunError: A server takes no batches.
        """
        self._round = Round()
        async with self._journal.turn():
            try:
                for chunk in chunks:
                    for request in await self._missing(chunk):
                        await self._put(request, paces)
                for opened in self._open.values():
                    await self._send(opened)
            finally:
                for opened in self._open.values():
                    if opened.file:
                        opened.file.close()
                self._open.clear()
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
        if batch.step is BatchStep.PLANNED:
            self._journal.drop(batch.number)
        elif batch.step is BatchStep.CREATING:
            with stopping(batch.queue):
                file_id, tag, since = batch.file_id or "", batch.tag, batch.created
                remote = await self._caller.call(batch.address, lambda server: server.find(file_id, tag, since))
            if remote:
                self._journal.submitted(batch.number, remote.id, remote.state)
            else:
                self._journal.drop(batch.number)

    async def _put(self, request: Request, paces: defaultdict[Queue, Pace]) -> None:
        queue = Queue(Address.of(request.model), request.model.name)
        if queue not in self._open:
            pace = paces[queue]
            self._open[queue] = _OpenFile(request.model, pace.limits(self._limits), pace.batches)
        opened = self._open[queue]
        while opened.left > 0:
            if opened.file is None:
                opened.file = RequestFile(opened.limits, self._folder)
            if request.key in opened.file.keys:
                return
            if why := self._progress.why_stop(request.key):
                self._round.stopped = why
                return
            try:
                if opened.file.add(request):
                    self._progress.launch([request.key])
                    return
            except PermanentError as error:
                self._progress.fail(request.key, error)
                return
            await self._send(opened)
        self._round.left_over = True

    async def _send(self, opened: _OpenFile) -> None:
        """Submit a queue's file, if there is any."""
        if opened.file is None:
            return
        file, opened.file = opened.file, None
        if not file.keys:
            file.close()
            return
        try:
            batch = self._journal.plan(opened.model, file.keys)
            try:
                await self._hand_over(batch, file)
            except TooMuchError:
                self._journal.drop(batch.number)
                self._progress.take_back(file.keys)
                self._round.refused[batch.queue].append(batch.requests)
                self._round.left_over = True
                opened.left = 0
                return
        finally:
            file.close()
        self._settled.add(batch.number)
        self._round.submitted.add(batch.number)
        self._round.waiting.add(batch.number)
        opened.left -= 1

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

        with stopping(batch.queue):
            file_id = await self._caller.call(address, lambda server: server.upload(name, file.handle))
            self._journal.creating(batch.number, file_id)
            remote = await self._caller.call(address, create)
        self._journal.submitted(batch.number, remote.id, remote.state)
