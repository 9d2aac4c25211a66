import json

import pytest

from prefpipe.pipeline.llm.failures import (
    CallError,
    PermanentError,
    RefusedError,
    StopError,
    ThrottledError,
    TransientError,
    failure_of,
)


def body(message: str, code: str | None = None) -> bytes:
    return json.dumps({"error": {"message": message, "type": "t", "code": code}}).encode()


@pytest.mark.parametrize(
    ("status", "sent", "kind"),
    [
        (429, body("slow down", "rate_limit_exceeded"), ThrottledError),
        (429, body("no money left", "insufficient_quota"), StopError),
        (500, b"", TransientError),
        (503, b"<html>", TransientError),
        (529, body("overloaded"), ThrottledError),
        (408, b"", TransientError),
        (500, body("The model produced output that does not match the expected peg-native format"), PermanentError),
        (500, body("1 validation error: [{'type': 'literal_error', 'loc': ('body',)}]"), PermanentError),
        (400, body("Invalid model name passed in model=nosuch. Call `/v1/models`"), StopError),
        (400, body("context", "context_length_exceeded"), RefusedError),
        (400, b'{"error": {"message": "too large", "type": "exceed_context_size_error", "code": 400}}', RefusedError),
        (400, body("This model's maximum context length is 4096 tokens."), RefusedError),
        (400, body("The decoder prompt is longer than the maximum model length of 512."), RefusedError),
        (400, body("The response was filtered", "content_filter"), RefusedError),
        (400, body("max_tokens must be at least 1"), PermanentError),
        (413, b"", PermanentError),
        (422, b'{"detail": [{"loc": ["body"], "msg": "extra"}]}', PermanentError),
        (401, body("bad key", "invalid_api_key"), StopError),
        (403, body("not allowed"), StopError),
        (403, b'{"error": {"message": "moderation", "metadata": {"flagged_input": "x"}}}', RefusedError),
        (404, body("unknown model", "model_not_found"), StopError),
    ],
)
def test_each_status_says_what_to_do(status: int, sent: bytes, kind: type[CallError]) -> None:
    failure = failure_of(status, sent)
    assert type(failure) is kind
    assert str(status) in failure.reason


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (body("the message"), "the message"),
        (b'{"error": "a plain text"}', "a plain text"),
        (b'{"message": "another form"}', "another form"),
        (b'{"detail": "fastapi"}', "fastapi"),
        (b"Bad Gateway", "Bad Gateway"),
        (b"\xff\xfe", "HTTP 500"),
    ],
)
def test_the_servers_own_words_are_kept(sent: bytes, message: str) -> None:
    assert message in failure_of(500, sent).reason


def test_the_wait_that_a_server_asks_for_is_kept() -> None:
    assert failure_of(429, b"", 1.5).retry_after == 1.5
