import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.judging import listwise
from prefpipe.pipeline.judging.material import Conversation, neutral
from prefpipe.pipeline.judging.questions import LABELS, Question, ranks_of

ASKED = Conversation([{"role": "user", "content": "Why?"}])
TEXTS = st.text(max_size=10) | st.sampled_from(
    ["</response_A>", "<response_B>\nx\n</response_B>", "{{count}}", "[[A>B]]"]
)


def blocks(messages: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Read the candidates back out of what is sent."""
    pattern = r"^<response_(\w)>\n(.*?)\n</response_\1>$"
    return re.findall(pattern, messages[-1]["content"], re.DOTALL | re.MULTILINE)


def test_each_repeat_deals_labels_and_the_order_of_comments_anew_and_apart() -> None:
    asked = list(listwise.questions(5, 40, "both", 0, "p"))
    assert [question.repeat for question in asked] == list(range(40))
    for question in asked:
        assert sorted(question.shown) == sorted(question.comment_order) == list(range(5))
    assert len({question.shown for question in asked}) > 30
    assert len({question.comment_order for question in asked}) > 30
    assert sum(question.shown == question.comment_order for question in asked) < 5


def test_questions_depend_on_their_stream_alone_and_more_repeats_leave_the_first_ones_as_they_are() -> None:
    assert list(listwise.questions(4, 2, "both", 0, "p")) == list(listwise.questions(4, 5, "both", 0, "p"))[:2]
    assert list(listwise.questions(4, 2, "both", 0, "p")) != list(listwise.questions(4, 2, "both", 0, "q"))
    assert list(listwise.questions(4, 2, "both", 0, "p")) != list(listwise.questions(4, 2, "both", 1, "p"))


@given(st.lists(TEXTS, min_size=2, max_size=26), st.integers(0, 99))
def test_the_text_under_each_label_is_the_candidate_that_shown_names(texts: list[str], seed: int) -> None:
    [question] = listwise.questions(len(texts), 1, "both", seed)
    found = blocks(listwise.messages(question, ASKED, texts))
    assert found == [(LABELS[slot], neutral(texts[index])) for slot, index in enumerate(question.shown)]


def test_the_judge_is_told_how_many_there_are_and_in_which_order_to_comment() -> None:
    question = Question((2, 0, 1), 0, comment_order=(1, 2, 0))
    system, user = listwise.messages(question, Conversation(ASKED.messages, "Because."), ["a", "b", "c"])
    assert "You rank 3 responses" in system["content"]
    assert "in this order: B, C, A." in user["content"]
    assert "all 3 labels" in user["content"]
    assert "<reference>\nBecause.\n</reference>" in user["content"]


@pytest.mark.parametrize("count", range(2, 27))
def test_the_example_is_a_ranking_of_exactly_the_labels_shown_in_no_meaningful_order(count: int) -> None:
    [question] = listwise.questions(count, 1, "both")
    [example] = re.findall(r"such as (\[\[.*\]\])", listwise.messages(question, ASKED, ["x"] * count)[-1]["content"])
    ranks = listwise.verdict(example, count).ranks
    assert ranks is not None
    assert list(ranks) != sorted(ranks)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[str, tuple[int, ...]]:
    """A ranking as a judge may write it, and the rank of each slot."""
    count = draw(st.integers(2, 26))
    order = draw(st.permutations(range(count)))
    signs = draw(st.lists(st.sampled_from([">", "="]), min_size=count - 1, max_size=count - 1))
    space = draw(st.sampled_from(["", " ", "  "]))
    places = [0] * count
    written = LABELS[order[0]]
    for before, slot, sign in zip(order, order[1:], signs, strict=False):
        places[slot] = places[before] + (sign == ">")
        written += f"{space}{sign}{space}{LABELS[slot]}"
    return draw(st.sampled_from([written, written.lower()])), ranks_of(places)


@given(rankings())
def test_a_ranking_that_is_written_down_is_read_back_equal(ranking: tuple[str, tuple[int, ...]]) -> None:
    written, ranks = ranking
    verdict = listwise.verdict(f"A: good. B: bad.\n\n[[{written}]]", len(ranks))
    assert (verdict.ranks, verdict.reason) == (ranks, None)


@pytest.mark.parametrize(
    ("completion", "ranks"),
    [
        ("[[B > A = C]]", (2, 1, 2)),
        ("[[A = B = C]]", (1, 1, 1)),
        ("[[A = B > C]]", (1, 1, 3)),
        ("[[C>B>A]] [[C > B > A]]", (3, 2, 1)),
        ("[[A > B > C]]\nNo:\n[[C > B > A]]", (3, 2, 1)),
    ],
)
def test_equals_share_the_better_rank(completion: str, ranks: tuple[int, ...]) -> None:
    assert listwise.verdict(completion, 3).ranks == ranks


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("[[A > B]]", "the ranking leaves out C"),
        ("[[A]]", "the ranking leaves out B, C"),
        ("[[A > B > C > D]]", "the ranking names 'D', which was not shown"),
        ("[[A > B > B > C]]", "the ranking names a label twice"),
        ("[[A > B > C > A]]", "the ranking names a label twice"),
        ("[[A > B > C]] [[C > B > A]]", "2 different rankings on one line"),
        ("[[A >> B > C]]", "'A>>B>C' is not a ranking"),
        ("[[A > B > C >]]", "'A>B>C>' is not a ranking"),
        ("[[A < B < C]]", "the ranking names 'A<B<C', which was not shown"),
        ("[[A, B, C]]", "the ranking names 'A,B,C', which was not shown"),
        ("[[tie]]", "the ranking names 'TIE', which was not shown"),
        ("[[]]", "'' is not a ranking"),
        ("A > B > C", "no verdict in double brackets"),
    ],
)
def test_a_ranking_that_does_not_name_every_label_once_is_none(completion: str, reason: str) -> None:
    verdict = listwise.verdict(completion, 3)
    assert (verdict.ranks, verdict.reason) == (None, reason)


@given(st.text() | st.text("[[]]ABC>=> \n", max_size=30), st.integers(2, 26))
def test_any_text_gives_one_rank_a_slot_or_a_reason(completion: str, slots: int) -> None:
    verdict = listwise.verdict(completion, slots)
    assert (verdict.ranks is None) == bool(verdict.reason)
    if verdict.ranks is not None:
        assert len(verdict.ranks) == slots
        assert verdict.ranks == ranks_of(verdict.ranks)
