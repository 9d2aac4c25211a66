import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.places import places


def test_ranks_are_competition_ranks_and_equals_stand_in_order_of_their_codes() -> None:
    order, ranks = places(np.array([[0.5, 2.0, 0.5 + 1e-12, -1.0], [1.0, 1.0, 1.0, 1.0]]))
    assert order.tolist() == [[1, 0, 2, 3], [0, 1, 2, 3]]
    assert ranks.tolist() == [[1, 2, 2, 4], [1, 1, 1, 1]]


def test_rounding_does_not_decide_who_stands_before_whom() -> None:
    order, ranks = places(np.array([[0.1, 0.1 + 3e-16, 0.1 - 3e-16]]))
    assert order.tolist() == [[0, 1, 2]]
    assert ranks.tolist() == [[1, 1, 1]]


def test_unknown_scores_come_last() -> None:
    order, ranks = places(np.array([[np.nan, 1.0, np.nan, 2.0]]))
    assert order.tolist() == [[3, 1, 0, 2]]
    assert ranks.tolist() == [[1, 2, 3, 4]]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=7))
def test_a_rank_is_one_more_than_the_number_of_better_candidates(scores: list[int]) -> None:
    order, ranks = places(np.array([scores], float))
    for place, item in enumerate(order[0]):
        assert ranks[0, place] == 1 + sum(other > scores[item] for other in scores)
    assert sorted(order[0].tolist()) == list(range(len(scores)))
