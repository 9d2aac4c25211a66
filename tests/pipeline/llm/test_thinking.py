import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.thinking import split_thinking


@pytest.mark.parametrize(
    ("text", "said", "reasoning"),
    [
        ("The answer.", "The answer.", None),
        ("", "", None),
        ("<think>Hm.</think>The answer.", "The answer.", "Hm."),
        ("\n<think>\nHm.\n</think>\n\nThe answer.\n", "The answer.\n", "Hm."),
        ("<thinking>Hm.</thinking> Yes", "Yes", "Hm."),
        ("<THINK>Hm.</Think>Yes", "Yes", "Hm."),
        ("<think>a</think>\n<think>b</think>\nYes", "Yes", "a\n\nb"),
        ("<think>\n\n</think>\n\nYes", "Yes", None),
        ("<think>Hm.</think>", "", "Hm."),
        ("<think>I need to", None, "I need to"),
        ("<think>a</think><think>b", None, "a\n\nb"),
        ("<think>", None, None),
    ],
)
def test_thinking_that_opens_a_text_is_no_part_of_what_it_says(text: str, said: str | None, reasoning: str) -> None:
    assert split_thinking(text) == (said, reasoning)


@pytest.mark.parametrize(
    ("text", "said", "reasoning"),
    [
        ("First, hm.\n</think>\n\nYes", "Yes", "First, hm."),
        ("</think>\nYes", "Yes", None),
        ("<think>a\n<think>b</think>\nc\n</think>\nYes", "Yes", "a\n<think>b\n\nc"),
    ],
)
def test_thinking_whose_opening_tag_was_in_the_prompt_ends_at_a_tag_on_its_own_line(
    text: str, said: str, reasoning: str | None
) -> None:
    assert split_thinking(text) == (said, reasoning)


@pytest.mark.parametrize(
    "text",
    [
        "Models write <think>Hm.</think> before they answer.",
        "Close the block with </think> and go on.",
        "Write:\n<think>\nHm.\n</think>\nand then the answer.",
        "a < b, I think",
    ],
)
def test_tags_that_an_answer_speaks_of_stay_where_they_are(text: str) -> None:
    assert split_thinking(text) == (text, None)


@given(st.text("<think/>ing \nabc", max_size=60))
def test_nothing_is_lost_but_blanks_and_tags(text: str) -> None:
    said, reasoning = split_thinking(text)
    kept = f"{reasoning or ''}{said or ''}"
    letters = [letter for letter in kept if letter not in "<think/>ing \n"]
    assert letters == [letter for letter in text if letter not in "<think/>ing \n"]
    assert said is None or not said.lstrip().startswith("<think>")
