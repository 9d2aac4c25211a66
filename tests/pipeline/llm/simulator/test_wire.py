import msgspec
import pytest

from prefpipe.pipeline.llm.simulator.wire import ApiError, read_request

START = b'{"model": "strong", "messages": [{"role": "user", "content": "Hi"}]'


def test_unknown_fields_are_read_over() -> None:
    assert read_request(START + b', "frequency_penalty": 0.5}').model == "strong"


def test_the_newer_name_of_the_limit_wins() -> None:
    assert read_request(START + b', "max_tokens": 9, "max_completion_tokens": 5}').limit == 5
    assert read_request(START + b', "max_tokens": 9}').limit == 9


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages": [{"role": "user"}]}', "model"),
        (b'{"model": "strong"}', "messages"),
        (b'{"model": "strong", "messages": []}', "messages"),
        (b'{"model": "strong", "messages": [{"role": "poet", "content": "Hi"}]}', "messages"),
        (b'{"model": 3, "messages": []}', "model"),
        (START + b', "temperature": 2.1}', "temperature"),
        (START + b', "temperature": -0.1}', "temperature"),
        (START + b', "n": 0}', "n"),
        (START + b', "max_tokens": 0}', "max_tokens"),
        (START + b', "top_logprobs": 21}', "top_logprobs"),
        (START + b', "seed": 9223372036854775808}', "seed"),
        (b"[]", None),
    ],
)
def test_a_wrong_value_is_refused_by_name(body: bytes, param: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        read_request(body)
    error = msgspec.json.decode(caught.value.body)["error"]
    assert caught.value.status == 400
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model": "\xff"}', START, b'{"x": ' + b"[" * 100_000])
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError, match="not valid JSON") as caught:
        read_request(body)
    assert caught.value.status == 400
