from math import exp
from typing import Any

import msgspec
import pytest

from prefpipe.pipeline.llm.simulator.completions import complete
from prefpipe.pipeline.llm.simulator.judging import pairwise_probabilities
from prefpipe.pipeline.llm.simulator.models import parse_model
from prefpipe.pipeline.llm.simulator.quality import author, marker, quality
from prefpipe.pipeline.llm.simulator.wire import ApiError, ChatCompletion, ChatRequest

TEXTS = (f"One. {marker('strong', 0.3)}", f"Two. {marker('weak', 0.1)}")
PROMPT = "Judge.\n\n<response_A>\n{}\n</response_A>\n\n<response_B>\n{}\n</response_B>\n\n[[A]], [[B]] or [[tie]]?"
VERDICT_SCHEMA = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "verdict": {"type": "string", "enum": ["A", "B", "tie"]}},
}


def ask(model: str, content: str = "Why is the sky blue?", **fields: Any) -> ChatCompletion:
    request = {"model": model, "messages": [{"role": "user", "content": content}], **fields}
    return complete(msgspec.convert(request, ChatRequest), parse_model(model))


def judge(model: str, **fields: Any) -> ChatCompletion:
    return ask(model, PROMPT.format(*TEXTS), **fields)


def in_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}


def content(completion: ChatCompletion) -> str:
    found = completion.choices[0].message.content
    assert found is not None
    return found


def test_the_same_request_has_the_same_answer() -> None:
    assert ask("good", seed=1, n=3) == ask("good", seed=1, n=3)
    assert judge("judge", seed=1) == judge("judge", seed=1)


def test_seed_model_and_messages_each_change_the_answer() -> None:
    plain = content(ask("good", seed=1))
    others = [ask("good", seed=2), ask("good"), ask("good?seed=1", seed=1), ask("fair", seed=1), ask("good", "Why?")]
    assert plain not in {content(other) for other in others}


def test_formats_limits_and_temperature_leave_the_draws_as_they_are() -> None:
    plain = content(ask("good", seed=1))
    assert content(ask("good", seed=1, temperature=0.3, logprobs=True)) == plain
    assert plain.startswith(content(ask("good", seed=1, max_tokens=7)))


def test_failures_leave_the_readable_verdicts_as_they_are() -> None:
    read = 0
    for seed in range(100):
        spoiled = judge("judge?invalid=0.3&refuse=0.2", seed=seed).choices[0].message.content
        if spoiled and "[[" in spoiled:
            read += 1
            assert spoiled == content(judge("judge", seed=seed))
    assert 25 < read < 75


def test_several_answers_have_draws_of_their_own() -> None:
    completion = ask("good", n=4)
    assert [choice.index for choice in completion.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in completion.choices}) == 4
    for choice in completion.choices:
        assert author(choice.message.content or "") == "good"


def test_judges_with_equal_traits_and_different_seeds_are_independent() -> None:
    verdicts = [(content(judge("coin-judge", seed=i)), content(judge("coin-judge?seed=1", seed=i))) for i in range(400)]
    agree = sum(one[-5:] == other[-5:] for one, other in verdicts)
    assert 160 < agree < 240


def test_the_prefix_is_echoed_and_changes_nothing_else() -> None:
    bare, prefixed = ask("good"), ask("sim:good")
    assert prefixed.model == "sim:good"
    assert prefixed.choices == bare.choices


def test_usage_counts_what_was_read_and_written() -> None:
    completion = ask("good", "one two three", n=2, max_tokens=5)
    assert completion.usage.prompt_tokens == 7
    assert completion.usage.completion_tokens == 10
    assert completion.usage.total_tokens == 17
    assert [choice.finish_reason for choice in completion.choices] == ["length", "length"]


def test_a_cut_answer_has_no_known_author() -> None:
    text = content(ask("good", max_tokens=9))
    assert author(text) is None
    assert quality(text) == quality(text)


@pytest.mark.parametrize("model", ["good", "judge", "judge?invalid=1", "judge?truncate=1"])
@pytest.mark.parametrize("fields", [{}, {"max_tokens": 6}, {"top_logprobs": 20}])
def test_the_tokens_joined_are_the_content(model: str, fields: dict[str, Any]) -> None:
    for completion in (ask(model, logprobs=True, **fields), judge(model, logprobs=True, **fields)):
        (choice,) = completion.choices
        assert choice.logprobs is not None
        tokens = choice.logprobs.content
        assert "".join(token.token for token in tokens) == choice.message.content
        assert b"".join(bytes(token.bytes) for token in tokens).decode() == choice.message.content
        assert len(tokens) == completion.usage.completion_tokens
        assert all(token.logprob <= 0 for token in tokens)


@pytest.mark.parametrize("fields", [{}, {"response_format": in_schema(VERDICT_SCHEMA)}])
def test_the_verdict_token_carries_the_true_probabilities(fields: dict[str, Any]) -> None:
    model = "judge?position_bias=0.2"
    truth = dict(zip(("A", "B", "tie"), pairwise_probabilities(parse_model(model), *TEXTS), strict=True))
    for seed in range(10):
        (choice,) = judge(model, seed=seed, logprobs=True, top_logprobs=5, **fields).choices
        assert choice.logprobs is not None
        (token,) = [token for token in choice.logprobs.content if len(token.top_logprobs) > 1]
        found = {top.token: exp(top.logprob) for top in token.top_logprobs}
        assert found == pytest.approx(truth)
        assert exp(token.logprob) == pytest.approx(truth[token.token])
        assert [top.logprob for top in token.top_logprobs] == sorted(
            (top.logprob for top in token.top_logprobs), reverse=True
        )


def test_only_as_many_alternatives_come_as_were_asked_for() -> None:
    for width in (0, 1, 2):
        (choice,) = judge("judge", logprobs=True, top_logprobs=width).choices
        assert choice.logprobs is not None
        assert max(len(token.top_logprobs) for token in choice.logprobs.content) == width


def test_a_verdict_that_cannot_be_has_the_least_logprob() -> None:
    (choice,) = judge("coin-judge", logprobs=True, top_logprobs=3).choices
    assert choice.logprobs is not None
    assert -9999.0 in {top.logprob for token in choice.logprobs.content for top in token.top_logprobs}


def test_a_refusal_has_no_content() -> None:
    for completion in (ask("good?refuse=1", logprobs=True), judge("judge?refuse=1")):
        (choice,) = completion.choices
        assert (choice.message.content, choice.finish_reason) == (None, "content_filter")
        assert choice.message.refusal
        assert choice.logprobs is None


def test_a_judge_answers_in_json_with_the_verdict_that_it_gives_in_prose() -> None:
    for seed in range(20):
        prose = content(judge("judge", seed=seed))
        found = msgspec.json.decode(content(judge("judge", seed=seed, response_format=in_schema(VERDICT_SCHEMA))))
        assert prose == f"{found['reason']}\n\n[[{found['verdict']}]]"


def test_a_judge_ranks_two_where_the_schema_wants_a_ranking() -> None:
    groups = {"type": "array", "items": {"type": "array", "items": {"type": "string", "enum": ["A", "B"]}}}
    form = in_schema({"type": "object", "properties": {"ranking": groups}})
    found = [
        msgspec.json.decode(content(judge("judge", seed=seed, response_format=form)))["ranking"] for seed in range(40)
    ]
    assert {len(ranking) for ranking in found} == {1, 2}
    assert all(sorted(label for group in ranking for label in group) == ["A", "B"] for ranking in found)


def test_a_failing_judge_gives_no_json() -> None:
    for model in ("judge?truncate=1", "judge?invalid=1"):
        text = content(judge(model, response_format=in_schema(VERDICT_SCHEMA)))
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(text)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream": True}, "stream"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": in_schema(VERDICT_SCHEMA)}, "response_format"),
    ],
)
def test_what_the_simulator_cannot_do_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError) as caught:
        ask("good", **fields)
    assert caught.value.status == 400
    assert msgspec.json.decode(caught.value.body)["error"]["param"] == param


def test_a_conversation_longer_than_the_context_is_refused() -> None:
    words = "to " * 96
    assert content(ask("good?context=100", words))
    for text, fields in [(words + "be", {}), (words, {"max_tokens": 1})]:
        with pytest.raises(ApiError, match="maximum context length is 100 tokens") as caught:
            ask("good?context=100", text, **fields)
        assert msgspec.json.decode(caught.value.body)["error"]["code"] == "context_length_exceeded"
