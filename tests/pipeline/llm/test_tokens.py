import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.tokens import read_tokens


def logprobs(*tokens: dict[str, Any]) -> bytes:
    return json.dumps({"content": tokens, "refusal": None}).encode()


def test_tokens_come_with_what_could_have_stood_in_their_place() -> None:
    listed = [{"token": "A", "logprob": -0.5, "bytes": [65]}, {"token": "B", "logprob": -1, "bytes": [66]}]
    (token,) = read_tokens(logprobs({"token": "A", "logprob": -0.5, "bytes": [65], "top_logprobs": listed}))
    assert (token.text, token.logprob, token.likeliest) == (b"A", -0.5, [(b"A", -0.5), (b"B", -1.0)])


def test_bytes_are_what_was_said_and_the_token_only_where_there_are_none() -> None:
    first, second, third = read_tokens(
        logprobs(
            {"token": "\\xc3", "logprob": -1, "bytes": [0xC3]},
            {"token": "bytes:\\xa9", "logprob": -1, "bytes": [0xA9]},
            {"token": "é", "logprob": -1, "bytes": None, "top_logprobs": None},
        )
    )
    assert (first.text + second.text).decode() == "é" == third.text.decode()
    assert third.likeliest == []


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"{}",
        b'{"content": null}',
        b'{"content": [{"token": "A"}]}',
        b'{"content": [{"token": "A", "logprob": null}]}',
        b'{"content": [{"token": "A", "logprob": 3}]}',
        b'{"content": [{"token": "A", "logprob": -1, "bytes": [256]}]}',
        b'{"tokens": ["A"], "token_logprobs": [-1]}',
        b"[]",
        b"\xff",
    ],
)
def test_what_cannot_be_read_is_no_token(raw: bytes | None) -> None:
    assert list(read_tokens(raw)) == []


@given(st.binary())
def test_no_bytes_are_an_error(raw: bytes) -> None:
    assert list(read_tokens(raw)) == []
