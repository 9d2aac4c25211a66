from typing import Any

import pyarrow as pa

from prefpipe.pipeline.formats import dpo

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
GOOD: dict[str, Any] = {"prompt": PROMPT, "prompt_id": "p", "content": "Hi!", "model": "m", "metadata": '{"a":1}'}
BAD: dict[str, Any] = {**GOOD, "content": "What?", "model": "n"}


def test_the_prompt_is_a_list_of_messages_and_both_answers_hold_the_assistants_turn_alone() -> None:
    row = dpo.row(GOOD, BAD, 1.5, -0.5, 0.9)
    assert row["prompt"] == PROMPT
    assert row["chosen"] == [{"role": "assistant", "content": "Hi!"}]
    assert row["rejected"] == [{"role": "assistant", "content": "What?"}]


def test_scores_models_and_margin_stand_beside() -> None:
    row = dpo.row(GOOD, BAD, 1.5, -0.5, 0.9)
    assert (row["chosen_model"], row["rejected_model"]) == ("m", "n")
    assert (row["chosen_score"], row["rejected_score"], row["margin"], row["consistency"]) == (1.5, -0.5, 2.0, 0.9)
    assert (row["prompt_id"], row["metadata"]) == ("p", '{"a":1}')


def test_without_scores_there_is_no_margin() -> None:
    assert dpo.row(GOOD, BAD, None, None, None)["margin"] is None
    assert dpo.row(GOOD, BAD, 1.0, None, None)["margin"] is None


def test_a_row_has_exactly_the_columns_of_the_schema() -> None:
    row = dpo.row(GOOD, BAD, 1.5, -0.5, 0.9)
    assert list(row) == dpo.SCHEMA.names
    assert pa.Table.from_pylist([row], schema=dpo.SCHEMA).to_pylist() == [row]


def test_the_three_columns_that_trainers_read_are_of_one_type() -> None:
    types = {str(dpo.SCHEMA.field(name).type) for name in ("prompt", "chosen", "rejected")}
    assert len(types) == 1
    assert "role: string" in types.pop()
