import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.judging import listwise, pairwise
from prefpipe.pipeline.judging.objects import verdict_object


def written(verdict: object, reasoning: object = "A is clearer.") -> str:
    return json.dumps({"reasoning": reasoning, "verdict": verdict})


@pytest.mark.parametrize(
    ("completion", "ranks"),
    [
        (written("A"), (1, 2)),
        (written("B"), (2, 1)),
        (written("tie"), (1, 1)),
        (written(" Tie "), (1, 1)),
        (f"```json\n{written('B')}\n```", (2, 1)),
        (f"Here it is:\n{written('B')}\nI hope this helps.", (2, 1)),
        (f"{written('A')}\nOn second thought:\n{written('B')}", (2, 1)),
        (f"{{braces}} and \\frac{{1}}{{2}} are no object. {written('A')}", (1, 2)),
        ('{"reasoning": "two\nlines", "verdict": "A"}', (1, 2)),
        ('{"verdict": "A"}', (1, 2)),
    ],
)
def test_the_last_object_gives_the_verdict(completion: str, ranks: tuple[int, int]) -> None:
    verdict = pairwise.verdict_in_json(completion)
    assert (verdict.ranks, verdict.reason) == (ranks, None)


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (written("C"), "the verdict 'C' is not one of A, B, tie"),
        (written("A or B"), "the verdict 'A OR B' is not one of A, B, tie"),
        (written(None), "the verdict in the object is not a text"),
        (written(["A"]), "the verdict in the object is not a text"),
        ('{"verdict": "A", "verdict": "B"}', "the JSON object names 'verdict' twice"),
        ('{"reasoning": "I say \\"A\\""}', "the object has no 'verdict'"),
        ('{"reasoning": "A is', "the JSON object is broken or never ends"),
        (f'{written("A")} {{"reasoning": "no,', "the JSON object is broken or never ends"),
        ('{"reasoning": "it says {"verdict": "A"} to me", "verdict": "B"}', "the JSON object is broken or never ends"),
        (f"{written('A')} [[B]]", "an object and double brackets both give a verdict"),
        ('{"a":' * 100_000, "the JSON object is broken or never ends"),
        ("{'reasoning': 'It says [[A]]', 'verdict': 'B'}", "the JSON object is broken or never ends"),
        ("A is better.", "no verdict in double brackets"),
        ("[[C]]", "the verdict 'C' is not one of A, B, tie"),
        (" ", "the answer is empty"),
    ],
)
def test_what_is_not_one_whole_object_with_a_known_verdict_is_none(completion: str, reason: str) -> None:
    verdict = pairwise.verdict_in_json(completion)
    assert (verdict.ranks, verdict.reason) == (None, reason)


@pytest.mark.parametrize(
    ("completion", "ranks"),
    [("A is better.\n\n[[A]]", (1, 2)), ('It prints {"a": 1}, as asked.\n\n[[B]]', (2, 1))],
)
def test_where_a_server_passes_the_schema_over_the_words_count(completion: str, ranks: tuple[int, int]) -> None:
    verdict = pairwise.verdict_in_json(completion)
    assert (verdict.ranks, verdict.rationale) == (ranks, None)


QUOTED = st.lists(
    st.sampled_from(
        [written("B"), '"verdict": "B"', "[[B]]", "</think>", "<think>", '", "verdict": "B"}', "\\", '"', "{", "\n"]
    )
).map("".join)


@given(QUOTED | st.text(), st.sampled_from(["A", "tie"]))
def test_what_a_judge_quotes_from_a_candidate_never_is_its_verdict(quoted: str, own: str) -> None:
    verdict = pairwise.verdict_in_json(written(own, quoted))
    assert verdict.ranks == pairwise.verdict(f"[[{own}]]").ranks
    assert verdict.rationale == quoted


@given(QUOTED)
def test_an_object_that_is_cut_short_never_gives_a_verdict(quoted: str) -> None:
    whole = written("A", quoted)
    for end in range(1, len(whole)):
        assert pairwise.verdict_in_json(whole[:end]).ranks is None


@given(st.text() | st.text('{}":[]ABtieverdict\n ', max_size=40))
def test_any_text_gives_ranks_or_a_reason(completion: str) -> None:
    for verdict in (pairwise.verdict_in_json(completion, 2), listwise.verdict_in_json(completion, 2)):
        assert (verdict.ranks is None) == bool(verdict.reason)


def test_the_tail_starts_at_the_quote_of_the_verdict_and_no_quoted_one_misleads_it() -> None:
    reasoning = 'It says "verdict": "B".'
    assert verdict_object(written("A", reasoning), "verdict").tail == '"A"}'
    assert verdict_object(written("A") + "\n", "verdict").tail == '"A"}\n'
    assert pairwise.verdict("First [[A]].\nI say [[B]] now.").tail == "[[B]] now."


def ranking(*groups: Any) -> str:
    return json.dumps({"reasoning": "C is best.", "ranking": groups})


@pytest.mark.parametrize(
    ("completion", "ranks"),
    [
        (ranking(["C"], ["A"], ["B"]), (2, 3, 1)),
        (ranking(["B"], ["A", "C"]), (2, 1, 2)),
        (ranking(["a", " b ", "C"]), (1, 1, 1)),
        (ranking("C", "A", "B"), (2, 3, 1)),
        ("[[C > A = B]]", (2, 2, 1)),
    ],
)
def test_groups_rank_from_best_to_worst_and_share_the_better_rank(completion: str, ranks: tuple[int, ...]) -> None:
    verdict = listwise.verdict_in_json(completion, 3)
    assert (verdict.ranks, verdict.reason) == (ranks, None)


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (ranking(["C"], ["A"]), "the ranking leaves out B"),
        (ranking(), "the ranking leaves out A, B, C"),
        (ranking(["C"], ["A", "C"], ["B"]), "the ranking names a label twice"),
        (ranking(["C", "C"], ["A"], ["B"]), "the ranking names a label twice"),
        (ranking(["D"], ["C"], ["A"], ["B"]), "the ranking names 'D', which was not shown"),
        (ranking(1, 2, 3), "the ranking in the object is not a list of groups of labels"),
        (ranking([["A"]]), "the ranking in the object is not a list of groups of labels"),
        ('{"ranking": "C > A > B"}', "the ranking in the object is not a list of groups of labels"),
        ('{"order": ["C", "A", "B"]}', "the object has no 'ranking'"),
    ],
)
def test_a_ranking_that_does_not_name_every_label_once_is_none(completion: str, reason: str) -> None:
    verdict = listwise.verdict_in_json(completion, 3)
    assert (verdict.ranks, verdict.reason) == (None, reason)


def test_the_reasons_are_kept_also_of_a_verdict_that_cannot_be_read() -> None:
    assert pairwise.verdict_in_json(written("C")).rationale == "A is clearer."
    assert listwise.verdict_in_json(ranking(["C"]), 3).rationale == "C is best."
    assert pairwise.verdict_in_json(written("A", ["no text"])).rationale is None


@pytest.mark.parametrize("slots", [2, 26])
def test_schemas_name_every_field_close_every_object_and_put_the_reasons_first(slots: int) -> None:
    for schema in (pairwise.schema(2), listwise.schema(slots)):
        assert list(schema["properties"]) == schema["required"]
        assert schema["required"][0] == "reasoning"
        assert schema["additionalProperties"] is False
    assert pairwise.schema()["properties"]["verdict"]["enum"] == ["A", "B", "tie"]
    assert len(listwise.schema(slots)["properties"]["ranking"]["items"]["items"]["enum"]) == slots
