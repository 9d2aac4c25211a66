"""The lines of a batch's files: requests read and checked, answers written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from ...ids import content_id
from .models import SimulatedModel
from .wire import ApiError

EXPIRED = "This request could not be executed before the completion window expired."


class Fault(NamedTuple):
    """What is wrong with a batch's file, and in which line, counted from 1."""

    code: str
    message: str
    line: int | None = None

    def as_object(self) -> dict[str, Any]:
        """Return what is shown of it."""
        return {"object": "error", "code": self.code, "message": self.message, "param": None, "line": self.line}


@dataclass(frozen=True, slots=True)
class Orders:
    """What a batch's file asks for.

    Attributes:
        model: The model of the first line that names one that exists.
        requests: The custom id and the body of each.
        faults: Whatever is wrong; nothing is answered then.
    """

    model: SimulatedModel | None
    requests: list[tuple[str, bytes]]
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: an HTTP answer, a failure on the way, or both: an answer that will not arrive."""

    status: int = 200
    body: bytes = b""
    failure: str | None = None


class _Line(Struct):
    custom_id: str
    method: Literal["POST"]
    url: Literal["/v1/chat/completions"]
    body: Raw


class _Named(Struct):
    model: str


def read_orders(content: bytes, find_model: Callable[[str], SimulatedModel]) -> Orders:
    """Return what a file asks for; every fault is found, as OpenAI finds them all before a batch begins."""
    orders = Orders(None, [], [])
    model = None
    seen: set[str] = set()
    for number, text in enumerate(content.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
            found = find_model(msgspec.json.decode(line.body, type=_Named).model)
        except msgspec.ValidationError as error:
            orders.faults.append(Fault("invalid_request", f"{error}.", number))
            continue
        except (msgspec.DecodeError, UnicodeDecodeError):
            orders.faults.append(Fault("invalid_json_line", "This line is not parseable as valid JSON.", number))
            continue
        except ApiError as error:
            orders.faults.append(Fault("model_not_found", str(error), number))
            continue
        model = model or found
        if found.name != model.name:
            message = f"A batch must use one model; this one names {model.name} and {found.name}."
            orders.faults.append(Fault("model_mismatch", message, number))
        if line.custom_id in seen:
            message = f"The custom_id '{line.custom_id}' is a duplicate of another in the file."
            orders.faults.append(Fault("duplicate_custom_id", message, number))
        seen.add(line.custom_id)
        orders.requests.append((line.custom_id, bytes(line.body)))
    if not orders.requests and not orders.faults:
        orders.faults.append(Fault("empty_file", "The batch input file is empty."))
    return Orders(model, orders.requests, orders.faults)


def answer_line(batch: str, custom_id: str, outcome: Outcome) -> bytes:
    """Return the line of a request that was answered, be it with an error."""
    request = content_id(batch, custom_id)
    response = {"status_code": outcome.status, "request_id": f"req_{request}", "body": Raw(outcome.body)}
    return msgspec.json.encode(
        {"id": f"batch_req_{request}", "custom_id": custom_id, "response": response, "error": None}
    )


def expired_line(batch: str, custom_id: str) -> bytes:
    """Return the line of a request that the batch's window left no time for."""
    error = {"code": "batch_expired", "message": EXPIRED}
    return msgspec.json.encode(
        {
            "id": f"batch_req_{content_id(batch, custom_id)}",
            "custom_id": custom_id,
            "response": None,
            "error": error,
        }
    )
