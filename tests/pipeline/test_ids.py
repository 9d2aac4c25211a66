import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ids import content_id, prompt_id, response_id, seed_of, vote_id

MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text(max_size=5)}), max_size=3
)


def test_an_id_is_the_start_of_a_hash_of_json_that_any_language_can_compute() -> None:
    written = json.dumps([[["user", "Ça va?"]]], separators=(",", ":"), ensure_ascii=False)
    assert prompt_id([{"role": "user", "content": "Ça va?"}]) == hashlib.sha256(written.encode()).hexdigest()[:20]


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_different_parts_have_different_ids(one: list[str], other: list[str]) -> None:
    assert (content_id(*one) == content_id(*other)) == (one == other)


def test_the_order_of_an_objects_keys_does_not_change_its_id() -> None:
    assert content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})


@given(MESSAGES, MESSAGES)
def test_a_prompts_id_changes_with_any_role_any_text_and_the_order_of_turns(
    one: list[dict[str, str]], other: list[dict[str, str]]
) -> None:
    assert (prompt_id(one) == prompt_id(other)) == (one == other)


def test_what_a_message_holds_beside_role_and_content_does_not_change_the_id() -> None:
    assert prompt_id([{"role": "user", "content": "a", "name": "Ana"}]) == prompt_id([{"content": "a", "role": "user"}])


def test_a_responses_id_changes_with_prompt_model_sample_and_text() -> None:
    ids = [
        response_id("p", "m", 0, "text"),
        response_id("q", "m", 0, "text"),
        response_id("p", "n", 0, "text"),
        response_id("p", "m", 1, "text"),
        response_id("p", "m", 0, "Text"),
        response_id("p", "m", 0, ""),
        response_id("p", "m", 0, None),
    ]
    assert len(set(ids)) == len(ids)


def test_a_votes_id_changes_with_all_that_was_asked_and_with_the_order_of_the_slots() -> None:
    ids = [
        vote_id("p", "j", "pairwise", 0, ["a", "b"]),
        vote_id("q", "j", "pairwise", 0, ["a", "b"]),
        vote_id("p", "k", "pairwise", 0, ["a", "b"]),
        vote_id("p", "j", "listwise", 0, ["a", "b"]),
        vote_id("p", "j", "pairwise", 1, ["a", "b"]),
        vote_id("p", "j", "pairwise", 0, ["b", "a"]),
        vote_id("p", "j", "pairwise", 0, ["ab"]),
    ]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("parts", [(), (0,), ("a", 1), ("a", [1, None])])
def test_a_seed_has_63_bits_and_differs_from_that_of_other_parts(parts: tuple[object, ...]) -> None:
    assert 0 <= seed_of(*parts) < 2**63
    assert seed_of(*parts) == seed_of(*parts)
    assert seed_of(*parts) != seed_of(*parts, 0)
