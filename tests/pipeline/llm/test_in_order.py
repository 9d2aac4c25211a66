from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.in_order import InOrder


@given(st.permutations(range(12)), st.lists(st.integers(0, 5), max_size=40))
def test_everything_comes_out_once_in_the_order_of_planning(arrivals: list[int], draws: list[int]) -> None:
    turns: InOrder[str, str] = InOrder(len)
    places = [turns.plan(f"about {number}") for number in range(12)]
    given_out: list[tuple[str, str]] = []
    for number, most in zip(arrivals, (draws + [0] * 12)[:12], strict=True):
        turns.answer(places[number], str(number))
        ready = turns.ready
        batch = turns.take(most)
        assert len(batch) == min(ready, most)
        given_out += batch
    given_out += turns.take(12)
    assert given_out == [(f"about {number}", str(number)) for number in range(12)]
    assert (turns.ready, turns.emitted) == (0, turns.planned)


def test_an_answer_waits_for_all_before_it() -> None:
    turns: InOrder[str, str] = InOrder(len)
    first, second = turns.plan("first"), turns.plan("second")
    turns.answer(second, "b")
    assert turns.ready == 0
    assert turns.take(9) == []
    turns.answer(first, "a")
    assert turns.take(9) == [("first", "a"), ("second", "b")]
