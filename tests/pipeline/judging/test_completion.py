import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.judging.completion import verdict_text


@pytest.mark.parametrize(
    ("completion", "choices"),
    [
        ("[[A]]", ("A",)),
        ("A is better.\n\n[[A]]", ("A",)),
        ("First I thought [[A]].\nNo: [[B]]\n", ("B",)),
        ("[[A]]\nThat is my verdict.", ("A",)),
        ("Either [[A]] or [[B]]", ("A", "B")),
        ("B leaks a raw <think> tag.\n\n[[A]]", ("A",)),
        ("B ends with </think>, A does not.\n\n[[A]]", ("A",)),
        ("[[A]]\nB leaks <thinking> and </thinking>.", ("A",)),
        ("[[ B > A ]]", (" B > A ",)),
        ("[[[A]]]", ("A",)),
        ("[[]]", ("",)),
    ],
)
def test_the_verdict_stands_on_the_last_line_that_has_one_whatever_the_judge_quotes(
    completion: str, choices: tuple[str, ...]
) -> None:
    text = verdict_text(completion)
    assert (text.choices, text.reason) == (choices, None)


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ("A is better.", "no verdict in double brackets"),
        ("[A]", "no verdict in double brackets"),
        ("[[A", "no verdict in double brackets"),
        ("[[A\n]]", "no verdict in double brackets"),
        ("B leaks a raw <think> tag.", "no verdict in double brackets"),
    ],
)
def test_without_a_verdict_the_reason_is_said(completion: str, reason: str) -> None:
    text = verdict_text(completion)
    assert (text.choices, text.reason) == ((), reason)


@given(st.text() | st.text("[]AB<think/>\n ", max_size=40))
def test_any_text_has_either_a_verdict_or_a_reason(completion: str) -> None:
    text = verdict_text(completion)
    assert bool(text.choices) != bool(text.reason)
