from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.conversations import ROLES, conversation

PLACE = "prompts.jsonl, line 3"
ASKED = {"role": "user", "content": "And?"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner | st.sampled_from(ROLES), max_size=3)
    ),
)


def test_a_text_is_one_message_of_the_user_unchanged() -> None:
    assert conversation(" Hello\n", PLACE) == [{"role": "user", "content": " Hello\n"}]


def test_a_list_keeps_its_turns_in_order_with_role_and_content_alone() -> None:
    turns: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": " Hello\n", "name": "Ana"},
        {"content": "", "role": "assistant"},
        ASKED,
    ]
    assert conversation(turns, PLACE) == [{"role": turn["role"], "content": turn["content"]} for turn in turns]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "the prompt is empty"),
        (" \n", "the prompt is empty"),
        ([], "neither a text nor a list"),
        (5, "neither a text nor a list"),
        (None, "neither a text nor a list"),
        (ASKED, "neither a text nor a list"),
        (["Hello"], "message 1 has no role"),
        ([ASKED, {"content": "a"}], "message 2 has no role"),
        ([{"from": "human", "value": "a"}], "message 1 has no role"),
        ([{"role": "human", "content": "a"}], "message 1 has the unknown role 'human'"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], "message 1 has no text"),
        ([{"role": "user", "content": None}, ASKED], "message 1 has no text"),
        ([ASKED, {"role": "assistant", "content": "Yes."}], "ends with an assistant's turn"),
        ([ASKED, {"role": "user", "content": " "}], "the last message is empty"),
    ],
)
def test_what_is_no_conversation_to_answer_is_refused_with_its_place(value: object, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as error:
        conversation(value, PLACE)
    assert error.value.message.startswith(f"{PLACE}: ")
    assert error.value.hint


def test_a_mistyped_role_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refusal:
        conversation([{"role": "asistant", "content": "a"}, ASKED], PLACE)
    assert refusal.value.hint == "Did you mean 'assistant'?"


@given(JSON)
def test_any_json_is_a_conversation_or_a_sentence_about_it(value: object) -> None:
    try:
        messages = conversation(value, PLACE)
    except UsageError:
        return
    assert all(message.keys() == {"role", "content"} and message["role"] in ROLES for message in messages)
    assert messages[-1]["role"] != "assistant"
