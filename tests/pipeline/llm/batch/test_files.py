import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.batch.files import FileLimits, Reading, RequestFile, request_line
from prefpipe.pipeline.llm.failures import CallError, PermanentError, StopError, ThrottledError, TransientError
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.requests import Request, Sampling, chat

MODEL = Model("m", "m", "http://host/v1", "KEY")


def request(text: str) -> Request:
    return chat(MODEL, [{"role": "user", "content": text}], Sampling(), 0)


def completion(text: str) -> bytes:
    return msgspec.json.encode({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})


def answered(key: str, text: str, status: int = 200) -> bytes:
    body = msgspec.Raw(completion(text))
    return msgspec.json.encode({"custom_id": key, "response": {"status_code": status, "body": body}, "error": None})


def failed(key: str, code: str = "batch_expired") -> bytes:
    return msgspec.json.encode({"custom_id": key, "response": None, "error": {"code": code, "message": "Too late."}})


def refused(key: str, status: int, message: str = "no") -> bytes:
    response = {"status_code": status, "body": {"error": {"message": message}}}
    return msgspec.json.encode({"custom_id": key, "response": response, "error": None})


@given(st.text())
def test_a_line_carries_the_very_bytes_of_the_body(text: str) -> None:
    sent = request(text)
    line = request_line(sent)
    assert line.endswith(b'"body":' + sent.body + b"}\n")
    assert line.count(b"\n") == 1
    found = json.loads(line)
    assert (found["custom_id"], found["method"], found["url"]) == (sent.key, "POST", "/v1/chat/completions")


def test_a_body_of_several_lines_is_refused_rather_than_torn() -> None:
    with pytest.raises(PermanentError, match="more than one line"):
        request_line(Request(MODEL, b"{\n}", "00"))


@given(st.lists(st.text(max_size=30), unique=True), st.integers(1, 7), st.integers(150, 600))
def test_no_file_is_larger_than_it_may_be_and_none_is_left_out(texts: list[str], most: int, size: int) -> None:
    limits = FileLimits(most, size)
    requests = [request(text) for text in texts]
    files: list[RequestFile] = []
    given_up = []
    for sent in requests:
        try:
            if not files or not files[-1].add(sent):
                files.append(RequestFile(limits, Path()))
                assert files[-1].add(sent)
        except PermanentError:
            given_up.append(sent)
    lines = []
    for file in files:
        file.handle.seek(0)
        content = file.handle.read()
        assert len(content) <= size
        assert content.count(b"\n") == len(file.keys) <= most
        lines += content.splitlines(keepends=True)
        file.close()
    assert lines == [request_line(sent) for sent in requests if sent not in given_up]
    assert all(len(request_line(sent)) > size for sent in given_up)


def test_a_request_that_no_file_can_hold_says_how_large_it_is() -> None:
    file = RequestFile(FileLimits(5, 200), Path())
    with pytest.raises(PermanentError, match=r"the request has [\d,]+ bytes; a batch takes 200"):
        file.add(request("x" * 200))
    assert file.add(request("x"))
    file.close()


def test_an_answer_keeps_every_byte_of_the_completion() -> None:
    raw = b'{ "choices" : [{"message":{"content":"a\xe2\x80\xa8b\\n"},"finish_reason":"stop"}] }'
    reading = Reading(["k"])
    found = reading.take(b'{"custom_id":"k","response":{"status_code":200,"body":%b}}' % raw, 2.0)
    assert found is not None
    assert (found.raw, found.answer.key, found.answer.text, found.answer.latency) == (raw, "k", "a\u2028b\n", 2.0)
    assert (reading.answered, reading.failures()) == (1, {})


@pytest.mark.parametrize(
    ("line", "kind", "reason"),
    [
        (failed("k"), TransientError, "the batch gave no answer (batch_expired: Too late.)"),
        (refused("k", 429, "slow"), ThrottledError, "HTTP 429: slow"),
        (refused("k", 500), TransientError, "HTTP 500: no"),
        (refused("k", 400, "too long"), PermanentError, "HTTP 400: too long"),
        (refused("k", 401, "bad key"), StopError, "HTTP 401: bad key"),
        (answered("k", "yes", status=503), TransientError, "HTTP 503"),
        (b'{"custom_id":"k"}', TransientError, "the batch gave no answer"),
        (b'{"custom_id":"k","error":"odd"}', TransientError, 'the batch gave no answer: "odd"'),
        (b'{"custom_id":"k","response":{"status_code":200,"body":"<html>"}}', TransientError, "not a chat completion"),
        (b'{"custom_id":"k","response":{"status_code":200}}', TransientError, "not a chat completion"),
        (b'{"custom_id":"k","response":{"status_code":200,"body":{}}}', TransientError, "no choice"),
    ],
)
def test_a_line_without_an_answer_says_why(line: bytes, kind: type[CallError], reason: str) -> None:
    reading = Reading(["k"])
    assert reading.take(line) is None
    failure = reading.failures()["k"]
    assert type(failure) is kind
    assert reason in failure.reason


def test_a_request_without_a_line_may_be_asked_again() -> None:
    assert isinstance(Reading(["k"]).failures()["k"], TransientError)


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff", b'{"custom_id":1}', b'{"custom_id":"k","respo', b"null"])
def test_a_garbled_line_is_counted_and_nobodys(line: bytes) -> None:
    reading = Reading(["k"])
    assert reading.take(line) is None
    assert (reading.garbled, reading.foreign, list(reading.failures())) == (1, 0, ["k"])


def test_an_empty_line_is_nothing() -> None:
    reading = Reading(["k"])
    assert reading.take(b"") is reading.take(b" \r") is None
    assert reading.garbled == 0


def test_the_order_of_lines_does_not_decide_which_failure_counts() -> None:
    lines = [failed("k"), refused("k", 400, "b"), refused("k", 400, "a"), refused("k", 500)]
    for order in (lines, lines[::-1]):
        reading = Reading(["k"])
        for line in order:
            reading.take(line)
        assert reading.failures()["k"].reason == "HTTP 400: b"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_answer_outweighs_a_failure(order: tuple[int, int]) -> None:
    lines = [answered("k", "yes"), refused("k", 400)]
    reading = Reading(["k"])
    found = [reading.take(lines[place]) for place in order]
    assert [answer.answer.text for answer in found if answer] == ["yes"]
    assert reading.failures() == {}


def _spoilt(draw: Any, keys: list[str]) -> list[bytes]:
    """Lines for some of the requests, once or more, with failures, fragments and strangers, in any order."""
    line = st.one_of(
        st.sampled_from(keys).map(lambda key: answered(key, f"answer to {key}")),
        st.sampled_from(keys).map(failed),
        st.tuples(st.sampled_from(keys), st.sampled_from([400, 429, 500])).map(lambda pair: refused(*pair)),
        st.tuples(st.sampled_from(keys), st.integers(1, 60)).map(
            lambda pair: answered(pair[0], f"answer to {pair[0]}")[: -pair[1]]
        ),
        st.text("0123456789abcdef", min_size=1, max_size=4).map(lambda key: answered(f"x{key}", "a stranger's")),
        st.binary(max_size=20).filter(lambda text: b"custom_id" not in text),
    )
    lines: list[bytes] = draw(st.lists(line, max_size=30))
    return lines


@st.composite
def _files(draw: Any) -> tuple[list[str], list[bytes]]:
    keys = draw(st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), min_size=1, max_size=8, unique=True))
    return keys, _spoilt(draw, keys)


@given(_files())
def test_no_request_ever_gets_the_answer_of_another(files: tuple[list[str], list[bytes]]) -> None:
    keys, lines = files
    reading = Reading(keys)
    answers = [found for line in lines if (found := reading.take(line))]
    for found in answers:
        assert found.answer.text == f"answer to {found.answer.key}"
        assert found.raw == completion(found.answer.text)
    got = [found.answer.key for found in answers]
    assert len(got) == len(set(got)) == reading.answered
    assert sorted([*got, *reading.failures()]) == sorted(keys)


@given(_files(), st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(files: tuple[list[str], list[bytes]], chance: Any) -> None:
    keys, lines = files
    shuffled = list(lines)
    chance.shuffle(shuffled)
    outcomes = []
    for order in (lines, shuffled):
        reading = Reading(keys)
        texts = {found.answer.key: found.raw for line in order if (found := reading.take(line))}
        reasons = {key: (type(error), error.reason) for key, error in reading.failures().items()}
        outcomes.append((texts, reasons, reading.garbled, reading.foreign))
    assert outcomes[0] == outcomes[1]


@given(_files())
def test_every_line_is_accounted_for(files: tuple[list[str], list[bytes]]) -> None:
    keys, lines = files
    reading = Reading(keys)
    told = sum(1 for line in lines if reading.take(line) is None and line.strip())
    assert reading.garbled + reading.foreign + reading.repeated <= told
    assert told + reading.answered == sum(1 for line in lines if line.strip())
