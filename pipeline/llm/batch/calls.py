"""Calling servers of batches: again after what passes, and one sentence for what does not."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ...errors import RunError
from ..failures import CallError, UnreachableError
from ..retry import with_retries
from .failures import GoneError, TooMuchError
from .records import Address, Queue
from .server import BatchServer, Servers

Result = TypeVar("Result")

GO_ON = "Submitted batches and answers so far are kept; run the same command again to continue."


class Caller:
    """Calls servers, and remembers which of them have ever answered."""

    def __init__(self, servers: Servers) -> None:
        """Take the servers."""
        self._servers = servers
        self._reached: set[Address] = set()

    async def call(self, address: Address, send: Callable[[BatchServer], Awaitable[Result]]) -> Result:
        """Return what a call gives.

        Raises:
            CallError: It fails for good, or again and again.
        """
        server = self._servers.at(address)
        try:
            result = await with_retries(lambda: send(server), lambda: self.has_reached(address))
        except UnreachableError:
            raise
        except CallError:
            self._reached.add(address)
            raise
        self._reached.add(address)
        return result

    def has_reached(self, address: Address) -> bool:
        """Tell whether a server has ever answered; one that has is waited for when it cannot be reached."""
        return address in self._reached


@contextmanager
def stopping(queue: Queue) -> Iterator[None]:
    """Let a failed call inside stop the run; only that too much was sent is for the caller to deal with.

    Raises:
        RunError: In one sentence, what failed.
    """
    try:
        yield
    except TooMuchError:
        raise
    except CallError as error:
        raise stopped(queue, error) from error


def stopped(queue: Queue, error: CallError) -> RunError:
    """Return the error that a failed call stops the run with."""
    address, model = queue
    reason = error.reason.removesuffix(".")
    if isinstance(error, UnreachableError):
        return RunError(
            f"The server of {model} cannot be reached: {reason}.",
            f"Check the address, and that the server is running. {GO_ON}",
        )
    if isinstance(error, GoneError):
        return RunError(
            f"{address.base_url} takes no batches: {reason}.",
            "Check that the server offers OpenAI's Batch API; without --batch, requests are sent one by one.",
        )
    return RunError(
        f"{address.base_url} does not take a batch of {model}: {reason}.",
        f"Check the model's name, its address and the key in {address.key_variable}. {GO_ON}",
    )
