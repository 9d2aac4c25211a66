"""A server's files and batches through the openai package: its errors in our words, its files as lines of bytes.

The client's own transport is used, not the lean one: files of hundreds of megabytes are streamed, and a few calls a
minute need not be cheap.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO

import httpx2
import openai
from openai.types import Batch, BatchError

from ..client import CONNECT_SECONDS, TIMEOUT_SECONDS
from ..embedded import EmbeddedTransport
from ..failures import StopError
from ..simulator import Simulator
from .failures import in_our_words, is_queue_limit
from .files import ENDPOINT
from .records import Address

TAG = "prefpipe"
"""The name under which a batch's tag stands in its metadata."""

_PAGE = 100
_CLOCKS_DIFFER_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch as its server sees it.

    Attributes:
        id: The server's name for it.
        state: validating, in_progress, finalizing, completed, failed, expired, cancelling or cancelled.
        total: Requests in it, once they are counted.
        answered: Requests with an answer so far.
        failed: Requests with an error so far.
        seconds: From its creation to its end, once it has ended.
        files: The files that hold its answers and its errors.
        errors: Why it failed, each as its code and a sentence.
    """

    id: str
    state: str
    total: int
    answered: int
    failed: int
    seconds: float | None
    files: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {"completed", "failed", "expired", "cancelled"}

    @property
    def was_too_much(self) -> bool:
        """Whether it failed because too much was waiting already."""
        return self.state == "failed" and any(is_queue_limit(code, message) for code, message in self.errors)


class BatchServer:
    """One server; every method sends once and raises a CallError where that fails."""

    def __init__(self, address: Address, simulator: Simulator) -> None:
        """Take where it is, and what answers there if that is the embedded simulator."""
        self._address = address
        http = httpx2.AsyncClient(transport=EmbeddedTransport(simulator)) if address.simulated else httpx2.AsyncClient()
        self._client = openai.AsyncOpenAI(
            base_url=address.base_url,
            api_key=address.api_key,
            max_retries=0,
            timeout=httpx2.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            http_client=http,
        )

    async def upload(self, name: str, file: IO[bytes]) -> str:
        """Send a file from its start, under a name, and return the server's name for it."""
        file.seek(0)
        with in_our_words(self._address):
            sent = await self._client.files.create(file=(name, file, "application/jsonl"), purpose="batch")
        if not getattr(sent, "id", None):
            raise StopError("what it answers to a file is not an answer of OpenAI's end point /files")
        return sent.id

    async def create(self, file_id: str, tag: str) -> Remote:
        """Create a batch from a file on the server."""
        with in_our_words(self._address):
            return _remote(
                await self._client.batches.create(
                    input_file_id=file_id, endpoint=ENDPOINT, completion_window="24h", metadata={TAG: tag}
                )
            )

    async def find(self, file_id: str, tag: str, since: float) -> Remote | None:
        """Return the batch that was created from a file or with a tag, if there is one.

        Args:
            file_id: The file.
            tag: The tag.
            since: When it can have been created at the earliest, in seconds since 1970, by our clock.
        """
        with in_our_words(self._address):
            async for batch in self._client.batches.list(limit=_PAGE):
                if batch.input_file_id == file_id or (batch.metadata or {}).get(TAG) == tag:
                    return _remote(batch)
                if batch.created_at < since - _CLOCKS_DIFFER_SECONDS:
                    break  # the newest come first
        return None

    async def look(self, batch_id: str) -> Remote:
        """Return a batch as it is now."""
        with in_our_words(self._address):
            return _remote(await self._client.batches.retrieve(batch_id))

    async def cancel(self, batch_id: str) -> Remote:
        """Ask for a batch to be cancelled, which takes the server minutes."""
        with in_our_words(self._address):
            return _remote(await self._client.batches.cancel(batch_id))

    async def lines(self, file_id: str) -> AsyncIterator[list[bytes]]:
        """Yield the lines of a file, as many at a time as arrive together.

        A line ends at a line feed only: JSON may hold all the other characters that Unicode takes for line ends.
        """
        rest = b""
        with in_our_words(self._address):
            async with self._client.files.with_streaming_response.content(file_id) as response:
                async for piece in response.iter_bytes():
                    *lines, rest = (rest + piece).split(b"\n")
                    if lines:
                        yield lines
        if rest:
            yield [rest]

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


class Servers:
    """All servers that batches are at; each is connected to when it is first needed."""

    def __init__(self, simulator: Simulator | None = None) -> None:
        """Take the simulator that answers for simulated models; its batches live as long as it does."""
        self._simulator = simulator
        self._servers: dict[Address, BatchServer] = {}

    def at(self, address: Address) -> BatchServer:
        """Return the server at an address."""
        if address not in self._servers:
            self._simulator = self._simulator or Simulator()
            self._servers[address] = BatchServer(address, self._simulator)
        return self._servers[address]

    async def close(self) -> None:
        """Close all connections."""
        for server in self._servers.values():
            await server.close()
        self._servers.clear()


def _remote(batch: Batch) -> Remote:
    if not isinstance(batch, Batch):
        raise StopError("what it answers is not an answer of OpenAI's end point /batches")
    counts = batch.request_counts
    times = (batch.completed_at, batch.expired_at, batch.cancelled_at, batch.failed_at)
    ended = next((at for at in times if at is not None), None)
    told: list[BatchError] = (batch.errors.data if batch.errors else None) or []
    return Remote(
        batch.id,
        batch.status,
        counts.total if counts else 0,
        counts.completed if counts else 0,
        counts.failed if counts else 0,
        None if ended is None else float(max(0, ended - batch.created_at)),
        tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
        tuple((error.code or "", error.message or "") for error in told),
    )
