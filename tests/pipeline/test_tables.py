import pytest

from prefpipe.pipeline.tables import KINDS, PROMPTS, RESPONSES, Status, TableKind


def test_the_five_outcomes_of_a_call_stay_five_different_words() -> None:
    assert [str(status) for status in Status] == ["ok", "truncated", "refused", "invalid", "error"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_every_needed_column_stands_in_the_schema(kind: TableKind) -> None:
    assert set(kind.needed) <= set(kind.schema.names)
    assert len(set(kind.schema.names)) == len(kind.schema.names)


def test_the_prompt_travels_along_with_its_responses() -> None:
    for column in PROMPTS.schema:
        assert RESPONSES.schema.field(column.name).type == column.type


def test_a_response_may_have_no_text_and_a_vote_no_ranks() -> None:
    assert KINDS["responses"].schema.field("content").nullable
    assert KINDS["votes"].schema.field("ranks").nullable


def test_a_vote_keeps_null_apart_from_every_rank() -> None:
    assert KINDS["votes"].schema.field("ranks").type.value_field.nullable
