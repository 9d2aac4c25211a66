"""What is known of a batch: where it is, how far it has come, what the server last said of it."""

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from ..models import NO_KEY, Model


class BatchStep(StrEnum):
    """How far a batch has come."""

    PLANNED = "planned"
    CREATING = "creating"
    SUBMITTED = "submitted"
    COLLECTED = "collected"


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and the environment variable that holds the key to it; the key itself is never written down."""

    base_url: str
    key_variable: str
    simulated: bool

    @classmethod
    def of(cls, model: Model) -> Self:
        """Return where a model is."""
        return cls(model.base_url, model.key_variable, model.simulated)

    @property
    def api_key(self) -> str:
        """The key to send; servers that want none get a placeholder."""
        return os.environ.get(self.key_variable) or NO_KEY


class Queue(NamedTuple):
    """One model at one server: what shares files, and the limit of what may wait there."""

    address: Address
    model: str


class OddLines(NamedTuple):
    """Lines of a batch's files that gave no answer and no reason: unreadable, nobody's, or there before."""

    garbled: int
    foreign: int
    repeated: int


NO_ODD_LINES = OddLines(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the journal knows it.

    Attributes:
        number: Its own within the journal.
        tag: What it carries to the server, to be found by.
        model: The name of the model in tables.
        address: Where the batch is.
        kept_at: What stands for the server in the answer store.
        requests: How many it holds.
        created: When it was planned, in seconds since 1970.
        step: How far it has come.
        file_id: The server's name for its file of requests.
        batch_id: The server's name for it.
        state: What the server last said of it.
        answered: Requests with an answer, as last known.
        failed: Requests with an error, as last known.
        odd: Lines of its files that were passed over.
    """

    number: int
    tag: str
    model: str
    address: Address
    kept_at: str
    requests: int
    created: float
    step: BatchStep
    file_id: str | None
    batch_id: str | None
    state: str | None
    answered: int
    failed: int
    odd: OddLines

    @property
    def queue(self) -> Queue:
        """Which model it asks, and where."""
        return Queue(self.address, self.model)
