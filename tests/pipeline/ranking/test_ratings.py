import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.ratings import ballots_of_ratings


def test_ratings_become_one_ballot_for_each_prompt_and_source() -> None:
    ballots = ballots_of_ratings(
        prompt=np.array([1, 0, 0, 0, 1]),
        source=np.array([0, 1, 1, 0, 0]),
        item=np.array([2, 0, 1, 1, 0]),
        rating=np.array([4.0, 7.0, 9.0, 3.0, 4.0]),
        items=3,
    )
    assert ballots.prompt.tolist() == [0, 0, 1]
    assert ballots.source.tolist() == [0, 1, 0]
    assert ballots.sizes.tolist() == [1, 2, 2]
    assert ballots.items.tolist() == [1, 0, 1, 0, 2]
    assert ballots.ranks.tolist() == [1, 2, 1, 1, 1]
    assert not ballots.placed.any()


def test_several_ratings_of_a_candidate_are_averaged() -> None:
    ballots = ballots_of_ratings(
        np.zeros(4, int), np.zeros(4, int), np.array([0, 1, 0, 1]), np.array([1.0, 4.0, 5.0, 3.0]), 2
    )
    assert ballots.items.tolist() == [0, 1]
    assert ballots.ranks.tolist() == [2, 1]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_ranks_are_competition_ranks_of_the_ratings(ratings: list[int]) -> None:
    count = len(ratings)
    ballots = ballots_of_ratings(
        np.full(count, 2), np.full(count, 1), np.arange(count), np.array(ratings, float), count
    )
    assert ballots.ranks.tolist() == [1 + sum(other > rating for other in ratings) for rating in ratings]
