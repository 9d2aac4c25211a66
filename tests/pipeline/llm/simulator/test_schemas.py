from typing import Any

import msgspec
import pytest

from prefpipe.pipeline.llm.simulator.cases import Case
from prefpipe.pipeline.llm.simulator.judging import Judgement
from prefpipe.pipeline.llm.simulator.schemas import allows_tie, in_json, read_schema, wants_ranking
from prefpipe.pipeline.llm.simulator.wire import ApiError, JsonSchema, ResponseFormat

CASE = Case(("A", "B"), ("x", "y"), listwise=False)
A_WINS = Judgement((("A",), ("B",)), 'It is "better".', {"A": 0.75, "B": 0.25, "tie": 0.0})
TIED = Judgement((("A", "B"),), "Same.", {"A": 0.2, "B": 0.2, "tie": 0.6})
VERDICT = {"type": "string", "enum": ["A", "B", "Tie"]}


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def fill(judgement: Judgement, **properties: Any) -> Any:
    return msgspec.json.decode(in_json(judgement, CASE, schema(**properties)).text)


def test_every_kind_of_property_says_what_the_judge_thinks() -> None:
    found = fill(
        A_WINS,
        reason={"type": "string"},
        verdict=VERDICT,
        sure={"type": "integer", "minimum": 1, "maximum": 5},
        share={"type": "number", "minimum": 0, "maximum": 1},
        order={"type": "array", "items": {"type": "string", "enum": ["B", "A"]}},
    )
    assert found == {
        "reason": 'It is "better".',
        "verdict": "A",
        "sure": 4,
        "share": 0.75,
        "order": ["A", "B"],
    }
    assert list(found) == ["reason", "verdict", "sure", "share", "order"]


def test_a_tie_is_spelled_as_the_enum_spells_it() -> None:
    assert fill(TIED, verdict=VERDICT) == {"verdict": "Tie"}


def test_groups_of_labels_hold_the_ranking_with_its_ties() -> None:
    labels = {"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}}
    ranked = Judgement((("C",), ("A", "B")), "C leads.")
    case = Case(("A", "B", "C"), ("x", "y", "z"), listwise=True)
    for prop in (labels, {"type": "array", "items": {"type": "string"}}):
        found = msgspec.json.decode(in_json(ranked, case, schema(p={"type": "array", "items": prop})).text)
        assert [[label.upper() for label in group] for group in found["p"]] == [["C"], ["A", "B"]]


def test_a_schema_with_a_list_and_no_verdict_wants_a_ranking() -> None:
    order = {"type": "array", "items": {"type": "string"}}
    assert wants_ranking(schema(reason={"type": "string"}, order=order))
    assert not wants_ranking(schema(order=order, verdict=VERDICT))
    assert not wants_ranking(schema(reason={"type": "string"}))


def test_the_menu_stands_where_the_verdict_does() -> None:
    draft = in_json(TIED, CASE, schema(reason={"type": "string"}, verdict=VERDICT))
    assert draft.menu is not None
    assert draft.text[draft.menu.start : draft.menu.end] == "Tie"
    assert draft.menu.probabilities == {"A": 0.2, "B": 0.2, "Tie": 0.6}


def test_an_enum_without_tie_allows_none() -> None:
    assert allows_tie(schema(verdict=VERDICT, reason={"type": "string"}))
    assert not allows_tie(schema(verdict={"type": "string", "enum": ["A", "B"]}))


def test_a_tied_ranking_in_an_enum_without_tie_names_the_first() -> None:
    tied = Judgement((("B", "A"),), "Same.")
    assert fill(tied, best={"type": "string", "enum": ["A", "B"]}) == {"best": "B"}


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [({}, 1, 10), ({"maximum": 0}, 0, 0), ({"minimum": 50}, 50, 50), ({"minimum": 1.5, "maximum": 3.5}, 2, 3)],
)
def test_numbers_reach_from_bound_to_bound(bounds: dict[str, float], low: int, high: int) -> None:
    for certainty, expected in [(0.0, low), (1.0, high)]:
        judgement = Judgement((("A",), ("B",)), "Better.", {"A": certainty, "B": 1 - certainty, "tie": 0.0})
        value = fill(judgement, score={"type": "integer", **bounds})["score"]
        assert isinstance(value, int)
        assert value == expected


@pytest.mark.parametrize(
    ("prop", "says"),
    [
        ({"type": "string", "enum": ["first", "second"]}, "without A, B"),
        ({"type": "string", "enum": ["A", "tie"]}, "without B"),
        ({"enum": [1, 2]}, "not strings"),
        ({"type": "boolean"}, "the property 'p'"),
        ({"type": ["string", "null"]}, "the property 'p'"),
        ({"type": "object", "properties": {}}, "the property 'p'"),
        ({"type": "array", "items": {"type": "string", "enum": ["A"]}}, "without B"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "string", "enum": ["A"]}}}, "without B"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "empty range"),
        (True, "the property 'p'"),
    ],
)
def test_what_is_not_supported_is_refused_whatever_the_judgement(prop: Any, says: str) -> None:
    for judgement in (A_WINS, TIED):
        with pytest.raises(ApiError, match=says) as caught:
            in_json(judgement, CASE, schema(p=prop))
        assert caught.value.status == 400


def test_plain_text_needs_no_schema() -> None:
    assert read_schema(None) is None
    assert read_schema(ResponseFormat("text")) is None


@pytest.mark.parametrize(
    "form",
    [
        ResponseFormat("json_object"),
        ResponseFormat("json_schema"),
        ResponseFormat("json_schema", JsonSchema("x", {"type": "array"})),
        ResponseFormat("json_schema", JsonSchema("x", {"type": "object"})),
    ],
)
def test_a_format_that_describes_no_object_is_refused(form: ResponseFormat) -> None:
    with pytest.raises(ApiError, match="does not support"):
        read_schema(form)
