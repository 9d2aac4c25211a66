"""Batches: requests that come in a file and are answered in files, in any order, by and by, and not always all.

What befalls a live call on its way befalls a line here: a 429 or a 500 stands in the error file, a dropped request has
no line at all, garbage is a line cut short, and a request may be overtaken by the end of the batch's window.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ...ids import content_id
from .batch_lines import Fault, Orders, Outcome, answer_line, expired_line, read_orders
from .files import Files
from .models import SimulatedModel
from .wire import ApiError

_WINDOW_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What a server takes, and how it spoils what it gives.

    Attributes:
        most_requests: Of one batch.
        most_bytes: Of one file.
        most_enqueued: Requests to one model in all batches under way; None sets no limit.
        duplicated: Share of answers whose line comes twice.
        foreign: Lines for requests that nobody sent, as a share of those that somebody did.
    """

    most_requests: int = 50_000
    most_bytes: int = 200_000_000
    most_enqueued: int | None = None
    duplicated: float = 0.0
    foreign: float = 0.0


class _Wanted(Struct):
    input_file_id: str
    endpoint: Literal["/v1/chat/completions"]
    completion_window: Literal["24h"]
    metadata: Annotated[dict[str, Annotated[str, Meta(max_length=512)]], Meta(max_length=16)] | None = None


@dataclass(slots=True)
class _Batch:
    id: str
    wanted: _Wanted
    created: int
    state: str = "validating"
    times: dict[str, int] = field(default_factory=dict)
    orders: Orders = field(default_factory=lambda: Orders(None, [], []))
    looks: int = 0
    done: int = 0
    completed: int = 0
    expired: int = 0
    output: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    output_file: str | None = None
    error_file: str | None = None

    def as_object(self) -> dict[str, Any]:
        faults = [fault.as_object() for fault in self.orders.faults]
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.wanted.endpoint,
            "model": self.orders.model.name if self.orders.model else None,
            "errors": {"object": "list", "data": faults} if faults else None,
            "input_file_id": self.wanted.input_file_id,
            "completion_window": self.wanted.completion_window,
            "status": self.state,
            "output_file_id": self.output_file,
            "error_file_id": self.error_file,
            "created_at": self.created,
            "expires_at": self.created + _WINDOW_SECONDS,
            **self.times,
            "request_counts": {
                "total": 0 if faults else len(self.orders.requests),
                "completed": self.completed,
                "failed": self.done - self.completed,
            },
            "metadata": self.wanted.metadata,
        }


class Batches:
    """All batches of one server; a batch advances when it is looked at, and never by itself."""

    def __init__(
        self,
        files: Files,
        rules: BatchRules,
        find_model: Callable[[str], SimulatedModel],
        answer: Callable[[bytes], Outcome],
        clock: Callable[[], float],
    ) -> None:
        """Take where files are kept, what is allowed, what knows the models, what answers a body, and the time."""
        self._files = files
        self._rules = rules
        self._find_model = find_model
        self._answer = answer
        self._clock = clock
        self._batches: dict[str, _Batch] = {}

    def create(self, body: bytes) -> dict[str, Any]:
        """Take a new batch; its file is read at the first look.

        Raises:
            ApiError: 400, the order makes no sense, or its file does not exist.
        """
        try:
            wanted = msgspec.json.decode(body, type=_Wanted)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ApiError(400, f"{error}.", code="invalid_value") from None
        if wanted.input_file_id not in self._files:
            message = f"Cannot find file {wanted.input_file_id}, or the project does not have access to it."
            raise ApiError(400, message, param="file_id")
        batch = _Batch(f"batch_{content_id(len(self._batches), wanted.input_file_id)}", wanted, int(self._clock()))
        self._batches[batch.id] = batch
        return batch.as_object()

    def look(self, batch_id: str) -> dict[str, Any]:
        """Return a batch after its next step.

        Raises:
            ApiError: 404, there is none of that id.
        """
        batch = self._get(batch_id)
        match batch.state:
            case "validating":
                self._validate(batch)
            case "in_progress":
                self._work(batch)
            case "finalizing":
                self._close(batch, "expired" if batch.expired else "completed")
            case "cancelling":
                self._close(batch, "cancelled")
        return batch.as_object()

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Begin to cancel a batch.

        Raises:
            ApiError: 404 for one that does not exist, 400 for one that has ended.
        """
        batch = self._get(batch_id)
        if batch.state not in {"validating", "in_progress", "finalizing"}:
            raise ApiError(400, f"Cannot cancel a batch with status '{batch.state}'.")
        self._enter(batch, "cancelling")
        return batch.as_object()

    def page(self, limit: int, after: str | None) -> dict[str, Any]:
        """Return some batches, the newest first, or those behind the one named.

        Raises:
            ApiError: 404, there is none of that id.
        """
        newest = list(reversed(self._batches.values()))
        start = 1 + newest.index(self._get(after)) if after else 0
        page = [batch.as_object() for batch in newest[start : start + limit]]
        return {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": start + limit < len(newest),
        }

    def _get(self, batch_id: str) -> _Batch:
        if batch_id not in self._batches:
            raise ApiError(404, f"No batch found with id '{batch_id}'.")
        return self._batches[batch_id]

    def _enter(self, batch: _Batch, state: str) -> None:
        batch.state = state
        batch.times[f"{state}_at"] = int(self._clock())

    def _validate(self, batch: _Batch) -> None:
        batch.orders = read_orders(self._files.get(batch.wanted.input_file_id).content, self._find_model)
        count, rules, model = len(batch.orders.requests), self._rules, batch.orders.model
        if count > rules.most_requests:
            message = f"The batch has {count} requests, which exceeds the limit of {rules.most_requests}."
            batch.orders.faults.append(Fault("too_many_tasks", message))
        under_way = (other for other in self._batches.values() if other.state in {"in_progress", "finalizing"})
        queued = sum(len(other.orders.requests) for other in under_way if other.orders.model == model)
        if model and rules.most_enqueued is not None and queued + count > rules.most_enqueued:
            message = (
                f"Enqueued token limit reached for {model.name}. Limit: {rules.most_enqueued} enqueued requests. "
                "Please try again once some in_progress batches have been completed."
            )
            batch.orders.faults.append(Fault("token_limit_exceeded", message))
        self._enter(batch, "failed" if batch.orders.faults else "in_progress")

    def _work(self, batch: _Batch) -> None:
        """Answer as many more requests as it is time for."""
        model, requests = batch.orders.model, batch.orders.requests
        assert model is not None  # noqa: S101 - a batch without a model is not valid
        batch.looks += 1
        if model.batch_seconds > 0:
            share = (self._clock() - batch.created) / model.batch_seconds
        else:
            share = batch.looks / max(1, model.batch_looks)
        until = max(batch.done, int(min(1.0, share) * len(requests)))
        for custom_id, body in requests[batch.done : until]:
            self._keep(batch, custom_id, self._answer(body))
        batch.done = until
        if until == len(requests):
            self._enter(batch, "finalizing")

    def _keep(self, batch: _Batch, custom_id: str, outcome: Outcome) -> None:
        """Write the lines that tell what became of a request."""
        if outcome.failure == "expire":
            batch.expired += 1
            batch.errors.append(expired_line(batch.id, custom_id))
            return
        line = answer_line(batch.id, custom_id, outcome)
        if outcome.status != 200:
            batch.errors.append(line)
            return
        batch.completed += 1
        if outcome.failure == "garbage":
            batch.output.append(line[: len(line) // 2])
        elif outcome.failure != "drop":
            batch.output += [line] * (2 if _draw("twice", batch.id, custom_id) < self._rules.duplicated else 1)
        if _draw("foreign", batch.id, custom_id) < self._rules.foreign:
            batch.output.append(answer_line(batch.id, content_id("foreign", custom_id), outcome))

    def _close(self, batch: _Batch, state: str) -> None:
        batch.output_file = self._write(batch, "output", batch.output)
        batch.error_file = self._write(batch, "error", batch.errors)
        batch.output, batch.errors = [], []
        self._enter(batch, state)

    def _write(self, batch: _Batch, kind: str, lines: list[bytes]) -> str | None:
        """Keep lines as a file, in an order that has nothing to do with that of the requests."""
        if not lines:
            return None
        shuffled = sorted(lines, key=lambda line: sha256(batch.id.encode() + line).digest())
        content = b"\n".join(shuffled) + b"\n"
        return self._files.add(f"{batch.id}_{kind}.jsonl", "batch_output", content, int(self._clock())).id


def _draw(*parts: str) -> float:
    """Return a number from 0 to 1 that follows from the parts."""
    return int(content_id(*parts)[:8], 16) / 16**8
