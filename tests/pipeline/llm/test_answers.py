import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.answers import read_answer
from prefpipe.pipeline.llm.failures import CallError, PermanentError, TransientError
from prefpipe.pipeline.tables import Status


def completion(content: str | None = "hello", finish: str | None = "stop", **message: Any) -> bytes:
    return json.dumps(
        {
            "id": "x",
            "model": "snapshot-1",
            "choices": [{"index": 0, "finish_reason": finish, "message": {"content": content, **message}}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        }
    ).encode()


def test_all_that_a_table_needs_is_read() -> None:
    answer = read_answer("key", completion(), 0.5)
    assert (answer.key, answer.status, answer.text, answer.finish_reason) == ("key", Status.OK, "hello", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens) == (3, 4)
    assert (answer.snapshot, answer.latency, answer.error) == ("snapshot-1", 0.5, None)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (completion(finish="length"), Status.TRUNCATED),
        (completion(finish="content_filter"), Status.REFUSED),
        (completion(content=None, refusal="I cannot help."), Status.REFUSED),
        (completion(content=None), Status.INVALID),
        (completion(content="  \n"), Status.INVALID),
        (completion(finish=None), Status.OK),
    ],
)
def test_each_way_to_end_has_its_status(raw: bytes, status: Status) -> None:
    answer = read_answer("key", raw, None)
    assert answer.status is status
    assert (answer.error is None) == (status is Status.OK)


@pytest.mark.parametrize(
    ("message", "said", "reasoning"),
    [
        ({"content": "Yes.", "reasoning_content": "Hm."}, "Yes.", "Hm."),
        ({"content": "Yes.", "reasoning": "Hm.\n"}, "Yes.", "Hm."),
        ({"content": "Yes.", "reasoning": "Hm.", "reasoning_content": "Hm."}, "Yes.", "Hm."),
        ({"content": "<think>\nHm.\n</think>\n\nYes."}, "Yes.", "Hm."),
        ({"content": "<think>So.</think>Yes.", "reasoning_content": "Hm."}, "Yes.", "Hm.\n\nSo."),
        ({"content": "Yes.", "reasoning_content": "", "reasoning": None}, "Yes.", None),
        ({"content": "Yes.", "reasoning": {"effort": "low"}, "reasoning_details": [{}]}, "Yes.", None),
        ({"content": "Yes, <think>."}, "Yes, <think>.", None),
    ],
)
def test_reasoning_is_kept_apart_wherever_the_server_puts_it(
    message: dict[str, Any], said: str, reasoning: str | None
) -> None:
    answer = read_answer("key", completion(**message), None)
    assert (answer.status, answer.text, answer.reasoning) == (Status.OK, said, reasoning)


@pytest.mark.parametrize(
    ("raw", "status", "error"),
    [
        (completion("<think>I need to"), Status.INVALID, "the thinking never ends"),
        (completion("<think>I need to", "length"), Status.TRUNCATED, "the answer reached the limit of tokens"),
        (completion("<think>Hm.</think>\n"), Status.INVALID, "the answer holds nothing but reasoning"),
        (completion(None, reasoning_content="Hm."), Status.INVALID, "the answer holds nothing but reasoning"),
        (completion(None, "length", reasoning="Hm."), Status.TRUNCATED, "the answer reached the limit of tokens"),
    ],
)
def test_an_answer_that_is_nothing_but_reasoning_is_never_ok(raw: bytes, status: Status, error: str) -> None:
    answer = read_answer("key", raw, None)
    assert (answer.status, answer.error) == (status, error)
    assert not answer.text
    assert answer.reasoning in {"I need to", "Hm."}


def test_the_probabilities_of_tokens_are_kept_as_they_came() -> None:
    raw = b'{"choices": [{"message": {"content": "A"}, "logprobs": {"content": []}}]}'
    assert read_answer("key", raw, None).logprobs == b'{"content": []}'
    assert read_answer("key", raw.replace(b'{"content": []}', b"null"), None).logprobs is None
    assert read_answer("key", completion(), None).logprobs is None


@pytest.mark.parametrize("raw", [b"", b"<html>502</html>", b'{"choices": [{"mess', b"[]", b"null", b'{"choices": []}'])
def test_what_is_no_completion_may_be_tried_again(raw: bytes) -> None:
    with pytest.raises(TransientError):
        read_answer("key", raw, None)


def test_an_error_inside_a_success_is_an_error() -> None:
    with pytest.raises(PermanentError, match="no credits"):
        read_answer("key", b'{"error": {"message": "no credits"}}', None)


@given(st.binary())
def test_no_bytes_are_misread(raw: bytes) -> None:
    with pytest.raises(CallError):
        read_answer("key", raw, None)


def test_a_content_in_parts_is_put_together_and_its_thinking_kept_apart() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm, "}, {"type": "text", "text": "yes."}]}
    content = [thinking, {"type": "text", "text": "It is "}, {"type": "text", "text": "so."}]
    answer = read_answer("k", json.dumps({"choices": [{"message": {"content": content}}]}).encode(), 0.1)
    assert (answer.status, answer.text, answer.reasoning) == (Status.OK, "It is so.", "Hm, yes.")
