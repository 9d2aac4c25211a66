import pytest

from prefpipe.pipeline.llm.simulator.draft import Draft, Menu, refusal, token_estimate


@pytest.mark.parametrize("text", ["", "one", " two  words\n", "a\n\n[[A]]\n", "日本語 text"])
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(Draft(text).pieces()) == text


def test_the_verdict_is_a_piece_of_its_own() -> None:
    draft = Draft("So: [[tie]]", menu=Menu(6, 9, {"tie": 1.0}))
    assert draft.pieces() == ["So:", " [[", "tie", "]]"]


def test_a_cut_draft_keeps_whole_pieces_and_says_so() -> None:
    cut = Draft("one two three").cut(2)
    assert (cut.text, cut.finish_reason) == ("one two", "length")
    whole = Draft("one two three")
    assert whole.cut(3) is whole
    assert whole.cut(None) is whole


def test_a_verdict_that_was_cut_off_has_no_menu() -> None:
    draft = Draft("So: [[tie]]", menu=Menu(6, 9, {"tie": 1.0}))
    assert draft.cut(2).menu is None
    assert draft.cut(3).menu is not None


def test_a_refusal_is_filtered_content() -> None:
    assert (refusal().refused, refusal().finish_reason) == (True, "content_filter")


def test_tokens_are_words_unless_words_are_long() -> None:
    assert token_estimate("to be or not") == 4
    assert token_estimate("x" * 400) == 100
