from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.judging.pairwise import MENU
from prefpipe.pipeline.judging.probabilities import perplexity, verdict_probabilities


@dataclass
class Said:
    text: bytes
    logprob: float
    likeliest: Sequence[tuple[bytes, float]] = field(default_factory=list)


def token(text: str, chance: float = 0.9, **others: float) -> Said:
    """A token with its own chance and those of the others, none of which need be listed with it."""
    return listed(text, {text: chance, **others})


def listed(text: str, chances: dict[str, float]) -> Said:
    return Said(text.encode(), log(chances[text]), [(other.encode(), log(chance)) for other, chance in chances.items()])


def probabilities(*tokens: Said, tail: str = "[[A]]") -> list[float] | None:
    found = verdict_probabilities(tokens, tail, MENU)
    return None if found is None else list(found)


VERDICT = {"A": 0.6, "B": 0.3, "tie": 0.1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["A is", " better", ".\n\n", "[["], ["]]"]),
        (["Better.", " [["], ["]]"]),
        (["Better.\n[", "["], ["]", "]", "\n"]),
        (["[["], ["]]", "<|im_end|>"]),
        (["[[B]]", " no", "\n[["], ["]]"]),
    ],
)
def test_the_verdict_is_found_however_its_brackets_are_cut(before: list[str], after: list[str]) -> None:
    tokens = [token(text) for text in before], listed("A", VERDICT), [token(text) for text in after]
    assert probabilities(*tokens[0], tokens[1], *tokens[2]) == pytest.approx([0.6, 0.3, 0.1])


def test_a_token_may_hold_the_brackets_as_well() -> None:
    chances = {" [[A": 0.5, " [[B": 0.3, " [[t": 0.1, " So": 0.05, "[[B": 0.05}
    assert probabilities(token("Well."), listed(" [[A", chances), token("]]")) == pytest.approx([5 / 9, 3 / 9, 1 / 9])
    chances = {"[[A]]": 0.5, "[[B]]": 0.2, "[[tie": 0.1, "[[AB]]": 0.1}
    assert probabilities(listed("[[A]]", chances)) == pytest.approx([5 / 8, 2 / 8, 1 / 8])


def test_every_spelling_of_a_verdict_counts_for_it() -> None:
    chances = {"A": 0.3, "a": 0.1, " A": 0.05, "A]]": 0.05, "B": 0.2, "b": 0.1}
    ties = {"tie": 0.05, "T": 0.05, "t": 0.02, "Tie": 0.02, " ti": 0.02, "TIE": 0.04}
    found = probabilities(token("[["), listed("A", chances | ties), token("]]"))
    assert found == pytest.approx([0.5, 0.3, 0.2])


def test_blanks_before_a_verdict_are_a_way_to_it() -> None:
    blank = listed(" ", {" ": 0.5, "A": 0.2, "B": 0.3})
    found = probabilities(token("[["), blank, listed("A", {"A": 0.8, "B": 0.2}), token(" ]]"), tail="[[ A ]]")
    assert found == pytest.approx([0.2 + 0.4, 0.3 + 0.1, 0])


def test_what_is_not_on_the_menu_is_left_out_while_it_is_the_smaller_part() -> None:
    chances = {"A": 0.4, "B": 0.2, "C": 0.1, "None": 0.1, "Any": 0.05, "]]": 0.05, "\u00c4": 0.05}
    assert probabilities(token("[["), listed("A", chances), token("]]")) == pytest.approx([2 / 3, 1 / 3, 0])
    rest = {"A": 0.3, "C": 0.3, "D": 0.3}
    assert probabilities(token("[["), listed("A", rest), token("]]")) is None


def test_what_the_server_does_not_list_lies_outside_of_the_menu() -> None:
    assert probabilities(token("[["), listed("A", {"A": 0.3, "B": 0.1}), token("]]")) is None
    assert probabilities(token("[["), listed("A", {"A": 0.5, "B": 0.1}), token("]]")) == pytest.approx(
        [5 / 6, 1 / 6, 0]
    )


def test_brackets_that_anything_may_follow_lie_outside_of_the_menu() -> None:
    assert probabilities(listed("[[A", {"[[A": 0.3, "[[": 0.6}), token("]]")) is None
    assert probabilities(listed("[[A", {"[[A": 0.6, "[[": 0.3}), token("]]")) == pytest.approx([1, 0, 0])


def test_other_ways_to_go_on_than_a_verdict_say_nothing_of_it() -> None:
    opening = listed("\n[[", {"\n[[": 0.1, "\n": 0.3, " But": 0.6})
    assert probabilities(opening, listed("A", VERDICT), token("]]")) == pytest.approx([0.6, 0.3, 0.1])


def test_a_token_that_is_missing_from_its_own_list_counts_as_well() -> None:
    said = Said(b"A", log(0.02), [(b"B", log(0.9)), (b"tie", log(0.08))])
    assert probabilities(token("[["), said, token("]]")) == pytest.approx([0.02, 0.9, 0.08])


def test_the_verdict_of_an_object_stands_behind_its_quote() -> None:
    tokens = [token('{"reasoning": "A', A=0.1), token('", "verdict":'), token(' "'), listed("A", VERDICT), token('"}')]
    assert probabilities(*tokens, tail='"A"}') == pytest.approx([0.6, 0.3, 0.1])
    merged = listed(' "A', {' "A': 0.6, ' "B': 0.3, ' "tie': 0.1})
    assert probabilities(token('{"verdict":'), merged, token('"}'), tail='"A"}') == pytest.approx([0.6, 0.3, 0.1])


def test_a_verdict_after_characters_that_are_spread_over_tokens_is_found() -> None:
    tokens = [Said(b"\xc3", -1.0), Said(b"\xa9", -1.0), token(" [["), listed("A", VERDICT), token("]]")]
    assert probabilities(*tokens) == pytest.approx([0.6, 0.3, 0.1])


@pytest.mark.parametrize(
    ("tokens", "tail"),
    [
        ([], "[[A]]"),
        ([token("[["), listed("A", VERDICT), token("]]")], "[[B]]"),
        ([token("[["), listed("A", VERDICT), token("]]")], ""),
        ([token("[["), Said(b"A", -9999.0), token("]]")], "[[A]]"),
    ],
)
def test_where_the_tokens_do_not_show_the_verdict_nothing_is_said(tokens: list[Said], tail: str) -> None:
    assert probabilities(*tokens, tail=tail) is None


@given(st.lists(st.floats(0.001, 1), min_size=3, max_size=3), st.sampled_from(MENU), st.data())
def test_any_cut_of_the_same_words_gives_the_true_probabilities(
    weights: list[float], own: str, data: st.DataObject
) -> None:
    truth = {verdict: weight / sum(weights) for verdict, weight in zip(MENU, weights, strict=True)}
    before = data.draw(st.sampled_from(["Well.\n\n[[", "[[", " [["]))
    cut = data.draw(st.integers(0, len(before)))
    head, rest = before[:cut], before[cut:]
    closed = data.draw(st.sampled_from(["", "]]"]))
    said = listed(f"{rest}{own}{closed}", {f"{rest}{verdict}{closed}": chance for verdict, chance in truth.items()})
    found = probabilities(token(head), said, token("]]"[len(closed) :]), tail=f"[[{own}]]")
    assert found == pytest.approx(list(truth.values()))


def test_perplexity_is_the_inverse_of_the_mean_probability() -> None:
    assert perplexity([Said(b"a", log(0.5)), Said(b"b", log(0.125))]) == pytest.approx(4)
    assert perplexity([Said(b"a", 0.0)]) == 1


def test_without_tokens_or_with_an_impossible_one_perplexity_is_not_known() -> None:
    assert perplexity([]) is None
    assert perplexity([Said(b"a", -9999.0)]) is None
