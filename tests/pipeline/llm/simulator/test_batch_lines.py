from typing import Any

import msgspec
import pytest

from prefpipe.pipeline.llm.simulator.batch_lines import Outcome, answer_line, expired_line, read_orders
from prefpipe.pipeline.llm.simulator.models import SimulatedModel, parse_model
from prefpipe.pipeline.llm.simulator.wire import ApiError


def find(name: str) -> SimulatedModel:
    if name == "nobody":
        raise ApiError(404, "There is no nobody.")
    return parse_model(name)


def line(custom_id: str = "a", model: str = "good", **changes: Any) -> bytes:
    whole = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": {"model": model}}
    return msgspec.json.encode(whole | changes)


def codes(content: bytes) -> list[tuple[str, int | None]]:
    return [(fault.code, fault.line) for fault in read_orders(content, find).faults]


def test_requests_come_out_with_their_bodies_byte_for_byte() -> None:
    body = b'{"model" : "good",  "n":1}'
    text = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body": %b }\n\n' % body
    orders = read_orders(text + line("b"), find)
    assert orders.requests[0] == ("a", body)
    assert [custom_id for custom_id, _ in orders.requests] == ["a", "b"]
    assert (orders.model, orders.faults) == (find("good"), [])


@pytest.mark.parametrize(
    ("content", "code", "number"),
    [
        (b"", "empty_file", None),
        (b"\n{\n", "invalid_json_line", 2),
        (line() + b"\n" + line(), "duplicate_custom_id", 2),
        (line() + b"\n" + line("b", "weak"), "model_mismatch", 2),
        (line(model="nobody"), "model_not_found", 1),
        (line(method="GET"), "invalid_request", 1),
        (line(url="/v1/embeddings"), "invalid_request", 1),
        (line(body={}), "invalid_request", 1),
        (line(custom_id=1), "invalid_request", 1),  # type: ignore[arg-type]
        (b'{"custom_id":"\xff"}', "invalid_json_line", 1),
    ],
)
def test_every_fault_of_a_file_is_named_with_its_line(content: bytes, code: str, number: int | None) -> None:
    assert codes(content) == [(code, number)]


def test_all_faults_are_found_at_once() -> None:
    assert [number for _, number in codes(b"\n".join([b"{", line(), b"[]"]))] == [1, 3]


def test_an_answer_stands_in_its_line_byte_for_byte() -> None:
    text = answer_line("batch", "a", Outcome(200, b'{"x":  1}'))
    assert b'"body":{"x":  1}' in text
    assert msgspec.json.decode(text)["response"]["status_code"] == 200
    assert msgspec.json.decode(text)["error"] is None


def test_a_request_that_expired_has_an_error_and_no_response() -> None:
    found = msgspec.json.decode(expired_line("batch", "a"))
    assert (found["custom_id"], found["response"], found["error"]["code"]) == ("a", None, "batch_expired")
