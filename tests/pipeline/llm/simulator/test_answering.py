from math import sqrt
from random import Random
from statistics import fmean, stdev

import pytest

from prefpipe.pipeline.llm.simulator.answering import answer
from prefpipe.pipeline.llm.simulator.models import PRESETS, parse_model
from prefpipe.pipeline.llm.simulator.quality import author, quality
from prefpipe.pipeline.llm.simulator.wire import Message

QUESTION = [Message("system", "Be terse."), Message("user", "Please explain photosynthesis.")]


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - to be repeated, not to be secret


def texts(name: str, n: int = 1) -> list[str]:
    return [answer(parse_model(name), QUESTION, chance(i)).text for i in range(n)]


def test_the_same_chance_gives_the_same_answer() -> None:
    assert texts("good", 5) == texts("good", 5)
    assert len(set(texts("good", 5))) == 5


@pytest.mark.parametrize("name", ["strong", "weak?spread=2"])
def test_qualities_have_the_mean_and_the_spread_of_the_model(name: str) -> None:
    n, model = 2_000, parse_model(name)
    values = [quality(text) for text in texts(name, n)]
    assert abs(fmean(values) - model.ability) < 4 * model.spread / sqrt(n)
    assert abs(stdev(values) - model.spread) < 4 * model.spread / sqrt(2 * n)


def test_an_answer_is_signed_and_speaks_of_what_was_asked() -> None:
    for name in PRESETS:
        (text,) = texts(name)
        assert author(text) == name
        assert "photosynthesis" in text
        assert "explain" not in text.split("photosynthesis")[0].lower().split()


def test_a_prompt_without_topics_is_answered_too() -> None:
    assert "the question" in answer(PRESETS["good"], [Message("user", "2 + 2 = ?")], chance(0)).text


def test_verbosity_is_the_ratio_of_lengths() -> None:
    plain, verbose = (
        fmean(len(text) for text in texts(name, 500)) for name in ("fair?verbosity=1", "fair?verbosity=3")
    )
    assert 2.6 < verbose / plain < 3.4


def test_a_limit_cuts_the_answer_and_its_marker() -> None:
    whole = answer(PRESETS["good"], QUESTION, chance(1))
    tokens = len(whole.pieces())
    for limit in (1, 5, tokens - 6, tokens - 1):
        cut = answer(PRESETS["good"], QUESTION, chance(1), limit)
        assert cut.finish_reason == "length"
        assert len(cut.pieces()) <= limit
        assert whole.text.startswith(cut.text)
        assert "[" not in cut.text
    assert answer(PRESETS["good"], QUESTION, chance(1), tokens) == whole


def test_failures_come_at_their_rates_and_leave_all_other_answers_as_they_are() -> None:
    n = 2_000
    drafts = [answer(parse_model("good?refuse=0.2&truncate=0.1"), QUESTION, chance(i)) for i in range(n)]
    plain = texts("good", n)
    reasons = [draft.finish_reason for draft in drafts]
    assert abs(reasons.count("content_filter") / n - 0.2) < 4 * sqrt(0.2 * 0.8 / n)
    assert abs(reasons.count("length") / n - 0.1) < 4 * sqrt(0.1 * 0.9 / n)
    for draft, text in zip(drafts, plain, strict=True):
        if draft.finish_reason == "stop":
            assert draft.text.rpartition("[")[0] == text.rpartition("[")[0]
        elif draft.finish_reason == "length":
            assert text.startswith(draft.text)
            assert author(draft.text) is None
        assert draft.refused is (draft.finish_reason == "content_filter")
