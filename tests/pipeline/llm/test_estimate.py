import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.estimate import (
    Forecast,
    estimate_chat,
    estimate_request,
    estimate_tokens,
    forecast,
)
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.requests import Request, Sampling, chat
from prefpipe.pipeline.llm.store import AnswerStore

ENGLISH = (
    "The tide rises twice a day because the moon pulls on the oceans more strongly on the near side of the Earth than "
    "on the far side. As the planet turns, each coast passes through both bulges, so most shores see two high tides "
    "and two low tides in a little more than twenty-four hours."
)
LIST = (
    "Here are three tips for better sleep:\n\n1. Keep the same hours every day, even at weekends.\n2. Leave your phone "
    "in another room.\n3. Avoid coffee after 2 p.m.; its effect lasts about 6 hours.\n\nIf none of this helps, talk to "
    "a doctor."
)
CODE = (
    'def mean(values: list[float]) -> float:\n    """Return the arithmetic mean."""\n    if not values:\n        raise '
    'ValueError("no values")\n    total = 0.0\n    for value in values:\n        total += value\n    return total / '
    "len(values)\n"
)
JSON = (
    '{"winner": "B", "scores": {"A": 6.5, "B": 8.25}, "reason": "Answer B names its sources and is shorter.", "ties": '
    "[1, 2, 3]}"
)
GERMAN = (
    "Die Gezeiten entstehen, weil der Mond das Wasser der Meere auf der ihm zugewandten Seite stärker anzieht als auf "
    "der abgewandten. Während sich die Erde dreht, durchläuft jede Küste beide Flutberge."
)
CHINESE = (
    "潮汐每天涨落两次,因为月球对地球近侧海水的引力比远侧更强。"
    "随着地球自转,每个海岸都会经过两个隆起的水面,所以大多数海岸每天有两次高潮和两次低潮。"
)
JAPANESE = (
    "潮の満ち引きが一日に二回起こるのは、月に近い側の海水が遠い側よりも強く引かれるからです。"
    "地球が自転するにつれて、どの海岸も二つのふくらみを通ります。"
)
RUSSIAN = (
    "Приливы происходят дважды в сутки, потому что Луна сильнее притягивает воду океанов на ближней стороне Земли, чем "
    "на дальней. Земля вращается, и каждый берег проходит через обе волны."  # noqa: RUF001
)
NUMBERS = "2024-01-31 17.25 1004 99.5\n2024-02-29 18.75 1100 98.1\n2024-03-31 16.00 998 97.4\n"

MODEL = Model("m", "m", "http://host/v1", "KEY", prompt_price=1.0, completion_price=10.0)
SAMPLING = Sampling(max_tokens=100)


# What the tokenizers of OpenAI (o200k), Qwen, DeepSeek and Mistral (Tekken) really make of each text.
@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (ENGLISH, (61, 63, 61, 63)),
        (LIST, (59, 59, 59, 59)),
        (CODE, (57, 55, 56, 57)),
        (JSON, (50, 51, 51, 52)),
        (GERMAN, (49, 57, 56, 48)),
        (CHINESE, (63, 49, 47, 74)),
        (JAPANESE, (63, 54, 54, 65)),
        (RUSSIAN, (48, 69, 55, 54)),
        (NUMBERS, (53, 80, 53, 80)),
    ],
)
def test_the_estimate_is_near_what_real_tokenizers_count(text: str, counts: tuple[int, ...]) -> None:
    assert 0.88 * min(counts) <= estimate_tokens(text) <= 1.12 * max(counts)


@given(st.text(), st.text())
def test_a_longer_text_never_has_fewer_tokens_than_what_it_begins_with(text: str, more: str) -> None:
    assert estimate_tokens(text) <= estimate_tokens(text + more)


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_texts_have_about_as_many_tokens_together_as_apart(one: str, other: str) -> None:
    apart = estimate_tokens(one) + estimate_tokens(other)
    assert abs(estimate_tokens(one + other) - apart) <= 6


@given(st.text(min_size=1))
def test_only_nothing_has_no_tokens(text: str) -> None:
    assert estimate_tokens("") == 0
    assert 1 <= estimate_tokens(text) <= 6 * len(text) + 1


def test_half_a_character_is_no_error() -> None:
    assert estimate_tokens("\ud83d") >= 1


def test_a_conversation_has_its_texts_and_what_a_template_adds() -> None:
    messages = [{"role": "system", "content": LIST}, {"role": "user", "content": ENGLISH}]
    texts = estimate_tokens(LIST) + estimate_tokens(ENGLISH)
    assert texts + 4 <= estimate_chat(messages) <= texts + 20
    assert estimate_chat(messages[:1]) < estimate_chat(messages)


def test_of_a_message_in_parts_the_texts_count() -> None:
    parts = [{"type": "text", "text": ENGLISH}, {"type": "image_url", "image_url": {"url": "http://host/i.png"}}]
    plain = estimate_chat([{"role": "user", "content": ENGLISH}])
    assert estimate_chat([{"role": "user", "content": parts}]) == plain


@pytest.mark.parametrize("content", [None, 1, [1, {"text": 2}]])
def test_a_message_without_a_text_counts_as_an_empty_one(content: object) -> None:
    assert estimate_chat([{"role": "user", "content": content}]) == estimate_chat([{"role": "user", "content": ""}])


def test_a_request_counts_what_it_sends() -> None:
    asked = [{"role": "user", "content": ENGLISH}]
    assert estimate_request(chat(MODEL, asked, SAMPLING, 0).body) == estimate_chat(asked)


def test_a_schema_counts_as_a_part_of_the_prompt() -> None:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": ENGLISH}]}
    schema = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {"type": "object"}}}
    plain, with_schema = (
        estimate_request(msgspec.json.encode(each)) for each in (body, body | {"response_format": schema})
    )
    assert with_schema == plain + estimate_tokens(json.dumps(schema, separators=(",", ":")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "answers.db") as opened:
        yield opened


def requests(count: int, model: Model = MODEL, sampling: Sampling = SAMPLING) -> list[Request]:
    return [chat(model, [{"role": "user", "content": f"{ENGLISH} {number}"}], sampling, 0) for number in range(count)]


def keep(store: AnswerStore, request: Request, usage: dict[str, int] | None) -> None:
    store.put(request.key, "m", "http://host/v1", json.dumps({"usage": usage}).encode(), 0.1)
    store.flush()


def test_before_the_first_call_prompts_are_estimated_and_answers_are_limited(store: AnswerStore) -> None:
    planned = requests(20)
    estimated = sum(estimate_request(request.body) for request in planned)
    assert forecast(enumerate(planned), store) == [
        Forecast(MODEL, 20, 0, estimated, max(estimate_request(request.body) for request in planned), None, 2000)
    ]
    [only] = forecast(enumerate(planned), store)
    assert only.prompt_cost == pytest.approx(estimated / 1e6)
    assert only.cost is None
    assert only.most_cost == pytest.approx((estimated + 10 * 2000) / 1e6)


def test_what_the_store_answers_costs_nothing_and_tells_what_the_rest_needs(store: AnswerStore) -> None:
    planned = requests(40)
    for request in planned[:10]:
        keep(store, request, {"prompt_tokens": 2 * estimate_request(request.body), "completion_tokens": 7})
    [only] = forecast(enumerate(planned), store)
    estimated = sum(estimate_request(request.body) for request in planned[10:])
    assert (only.calls, only.stored, only.sent) == (40, 10, 30)
    assert only.prompt_tokens == pytest.approx(2 * estimated, abs=1)
    assert (only.completion_tokens, only.most_completion_tokens) == (30 * 7, 30 * 100)
    assert only.cost == pytest.approx((2 * estimated + 10 * 30 * 7) / 1e6, rel=1e-3)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 5}, {"completion_tokens": 5}])
def test_answers_that_tell_nothing_change_no_estimate(store: AnswerStore, usage: dict[str, int] | None) -> None:
    planned = requests(40)
    for request in planned[:20]:
        keep(store, request, usage)
    [only] = forecast(enumerate(planned), store)
    assert only.prompt_tokens == sum(estimate_request(request.body) for request in planned[20:])
    assert only.completion_tokens is None


def test_a_handful_of_answers_is_too_few_to_tell_how_long_the_others_will_be(store: AnswerStore) -> None:
    planned = requests(40)
    for request in planned[:9]:
        keep(store, request, {"prompt_tokens": 1000, "completion_tokens": 7})
    assert forecast(enumerate(planned), store)[0].completion_tokens is None


def test_when_all_is_stored_nothing_is_left_to_pay(store: AnswerStore) -> None:
    planned = requests(3, replace(MODEL, prompt_price=None, completion_price=None))
    for request in planned:
        keep(store, request, None)
    [only] = forecast(enumerate(planned), store)
    assert (only.sent, only.prompt_tokens, only.cost, only.most_cost) == (0, 0, 0.0, 0.0)


def test_without_a_limit_or_a_price_the_most_is_not_known(store: AnswerStore) -> None:
    [unlimited] = forecast(enumerate(requests(3, sampling=Sampling())), store)
    assert (unlimited.most_completion_tokens, unlimited.most_cost) == (None, None)
    assert unlimited.prompt_cost is not None
    [unpriced] = forecast(enumerate(requests(3, replace(MODEL, prompt_price=None, completion_price=None))), store)
    assert (unpriced.prompt_cost, unpriced.cost, unpriced.most_cost) == (None, None, None)


def test_a_prompt_beyond_the_listed_price_makes_the_cost_unknown(store: AnswerStore) -> None:
    hosted = Model("gpt-5.4", "gpt-5.4", "https://api.openai.com/v1", "KEY")
    short, long = ([{"role": "user", "content": ENGLISH * times}] for times in (1, 6000))
    assert forecast(enumerate([chat(hosted, short, SAMPLING, 0)]), store)[0].prompt_cost is not None
    assert (
        forecast(enumerate([chat(hosted, messages, SAMPLING, 0) for messages in (short, long)]), store)[0].prompt_cost
        is None
    )


def test_each_model_has_a_forecast_of_its_own_in_the_order_of_the_first_calls(store: AnswerStore) -> None:
    other = replace(MODEL, name="a", sent_name="a")
    planned = [request for pair in zip(requests(600), requests(600, other), strict=True) for request in pair]
    assert [(each.model.name, each.calls) for each in forecast(enumerate(planned), store)] == [("m", 600), ("a", 600)]
