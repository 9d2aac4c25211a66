from collections import Counter
from itertools import combinations
from math import exp, log, sqrt
from random import Random

import pytest

from prefpipe.pipeline.llm.simulator.cases import Case
from prefpipe.pipeline.llm.simulator.judging import Judgement, decide, in_prose, pairwise_probabilities, spoil
from prefpipe.pipeline.llm.simulator.models import PRESETS, SimulatedModel, parse_model
from prefpipe.pipeline.llm.simulator.quality import marker

JUDGES = ["judge", "biased-judge", "noisy-judge", "coin-judge", "judge?length_bias=1&self_preference=1"]


def chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - to be repeated, not to be secret


def text(quality: float, author: str = "strong", words: int = 5) -> str:
    return f"{'word ' * words}{marker(author, quality)}"


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def pair(text_a: str, text_b: str, *, listwise: bool = False) -> Case:
    return Case(("A", "B"), (text_a, text_b), listwise)


def shares(model: SimulatedModel, case: Case, n: int) -> Counter[str]:
    counts = Counter(decide(model, case, chance(i)).verdict for i in range(n))
    return Counter({verdict: count / n for verdict, count in counts.items()})


@pytest.mark.parametrize("name", JUDGES)
def test_probabilities_sum_to_one_however_far_texts_are_apart(name: str) -> None:
    for gap in (0.0, 0.1, 3.0, 1000.0, -1000.0):
        probabilities = pairwise_probabilities(parse_model(name), text(gap), text(0))
        assert sum(probabilities) == pytest.approx(1, abs=1e-12)
        assert min(probabilities) >= 0


def test_probabilities_are_those_of_rao_and_kupper_with_an_order_effect() -> None:
    model = parse_model("judge?sharpness=2&position_bias=0.5&tie_zone=0.3")
    p_a, p_b, _ = pairwise_probabilities(model, text(0.4), text(0.1))
    delta = 2 * 0.3 + 0.5
    assert p_a == pytest.approx(sigmoid(delta - 0.3))
    assert p_b == pytest.approx(sigmoid(-delta - 0.3))


@pytest.mark.parametrize("name", ["judge", "judge?length_bias=1&self_preference=1"])
def test_swapping_the_slots_mirrors_the_probabilities(name: str) -> None:
    model, one, other = parse_model(name), text(0.4, "judge", 9), text(0.3)
    p_a, p_b, p_tie = pairwise_probabilities(model, one, other)
    assert pairwise_probabilities(model, other, one) == pytest.approx((p_b, p_a, p_tie))


def test_swapping_the_slots_moves_the_logit_by_twice_the_position_bias() -> None:
    model = parse_model("judge?position_bias=0.7&tie_zone=0")
    p_first, p_then, _ = pairwise_probabilities(model, text(0.4), text(0.3))
    q_first, q_then, _ = pairwise_probabilities(model, text(0.3), text(0.4))
    assert log(p_first / p_then) - log(q_then / q_first) == pytest.approx(2 * 0.7)


def test_length_and_family_add_their_logits() -> None:
    model = parse_model("strong?length_bias=0.5&self_preference=0.8&tie_zone=0&sharpness=1")
    own, other = text(0, "strong?seed=4", words=50), text(0, "good")
    p_a, p_b, _ = pairwise_probabilities(model, own, other)
    assert log(p_a / p_b) == pytest.approx(0.5 * log(len(own) / len(other)) + 0.8)


def test_the_coin_judge_sees_nothing_and_never_ties() -> None:
    assert pairwise_probabilities(PRESETS["coin-judge"], text(5), text(-5)) == (0.5, 0.5, 0)


@pytest.mark.parametrize("listwise", [False, True])
@pytest.mark.parametrize("name", JUDGES)
def test_verdicts_come_as_often_as_the_probabilities_say(name: str, *, listwise: bool) -> None:
    n, model = 4_000, parse_model(name)
    text_a, text_b = text(0.2), text(0.1, words=8)
    found = shares(model, pair(text_a, text_b, listwise=listwise), n)
    for verdict, p in zip(("A", "B", "tie"), pairwise_probabilities(model, text_a, text_b), strict=True):
        assert abs(found[verdict] - p) <= 4 * sqrt(p * (1 - p) / n), verdict


def test_marginals_of_rankings_are_those_of_bradley_and_terry() -> None:
    n, model = 4_000, parse_model("judge?sharpness=1.5&tie_zone=0&position_bias=0.6")
    qualities = {"A": 0.5, "B": 0.2, "C": -0.1, "D": 0.3}
    case = Case(tuple(qualities), tuple(text(q) for q in qualities.values()), listwise=True)
    rankings = [decide(model, case, chance(i)).ranking for i in range(n)]
    assert all(sorted(ranking) == list(qualities) for ranking in rankings)
    for (slot_x, x), (slot_y, y) in combinations(enumerate(qualities), 2):
        p = sigmoid(1.5 * (qualities[x] - qualities[y]) + 0.6 * (slot_y - slot_x) / 3)
        share = sum(ranking.index(x) < ranking.index(y) for ranking in rankings) / n
        assert abs(share - p) < 4 * sqrt(p * (1 - p) / n), (x, y)


def test_a_wide_tie_zone_joins_all_and_none_joins_nothing() -> None:
    case = Case(tuple("ABC"), (text(0), text(0.1), text(0.2)), listwise=True)
    assert decide(parse_model("judge?tie_zone=100"), case, chance(0)).verdict == "tie"
    assert len(decide(parse_model("judge?tie_zone=0"), case, chance(0)).groups) == 3


def test_a_judge_that_may_not_tie_tosses_a_coin_instead() -> None:
    judgement = decide(parse_model("judge?tie_zone=1000"), pair(text(1), text(0)), chance(0), may_tie=False)
    assert judgement.verdict in {"A", "B"}
    assert judgement.probabilities == {"A": 0.5, "B": 0.5}


@pytest.mark.parametrize("verdict", ["A", "B", "tie"])
def test_prose_ends_with_the_verdict_and_points_at_it(verdict: str) -> None:
    groups = {"A": (("A",), ("B",)), "B": (("B",), ("A",)), "tie": (("A", "B"),)}[verdict]
    draft = in_prose(Judgement(groups, "Reason.", {"A": 0.5, "B": 0.3, "tie": 0.2}))
    assert draft.text == f"Reason.\n\n[[{verdict}]]"
    assert draft.menu is not None
    assert draft.text[draft.menu.start : draft.menu.end] == verdict


def test_a_ranking_is_written_with_its_ties() -> None:
    draft = in_prose(Judgement((("C",), ("A", "B"), ("D",)), "Reason."))
    assert draft.text.endswith("\n[[C > A = B > D]]")


def test_failures_come_at_their_rates_and_never_leave_a_verdict() -> None:
    n, model = 4_000, parse_model("judge?invalid=0.2&refuse=0.1&truncate=0.05")
    whole = in_prose(decide(model, pair(text(1), text(0)), chance(0)))
    drafts = [spoil(model, whole, chance(i)) for i in range(n)]
    for draft in drafts:
        assert (draft is whole) is ("[[" in draft.text)
    for reason, rate in [("content_filter", 0.1), ("length", 0.05)]:
        share = sum(draft.finish_reason == reason for draft in drafts) / n
        assert abs(share - rate) < 4 * sqrt(rate * (1 - rate) / n)
    share = sum(draft is not whole and draft.finish_reason == "stop" for draft in drafts) / n
    assert abs(share - 0.2) < 4 * sqrt(0.2 * 0.8 / n)


def test_a_truncated_ranking_of_many_ends_before_its_verdict() -> None:
    labels = tuple(map(chr, range(ord("A"), ord("Z") + 1)))
    case = Case(labels, tuple(text(i / 10) for i in range(26)), listwise=True)
    model = parse_model("judge?truncate=1")
    for seed in range(20):
        draft = in_prose(decide(model, case, chance(seed)))
        assert "[[" in draft.text
        assert "[[" not in spoil(model, draft, chance(seed)).text
