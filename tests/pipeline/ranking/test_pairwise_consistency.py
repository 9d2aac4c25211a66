from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.comparisons import Ballots
from prefpipe.pipeline.ranking.pairwise_consistency import PositionCounts, cyclic_triads, position_counts
from prefpipe.pipeline.ranking.tally import Tally

FIRST, SECOND, TIE = (1, 2), (2, 1), (1, 1)
Vote = tuple[int, int, int, int, tuple[int, int]]  # prompt, source, first, second, ranks


def counts_of(votes: list[Vote], prompts: int = 1, items: int = 3) -> PositionCounts:
    return position_counts(
        Ballots(
            prompt=np.array([vote[0] for vote in votes], np.int64),
            source=np.array([vote[1] for vote in votes], np.int64),
            placed=np.ones(len(votes), bool),
            offsets=np.arange(len(votes) + 1) * 2,
            items=np.array([item for vote in votes for item in vote[2:4]], np.int64),
            ranks=np.array([rank for vote in votes for rank in vote[4]], np.int64),
        ),
        prompts,
        items,
    )


@pytest.mark.parametrize(
    ("there", "back", "consistent", "conflicts"),
    [
        (FIRST, SECOND, 1, 0),
        (SECOND, FIRST, 1, 0),
        (TIE, TIE, 1, 0),
        (FIRST, FIRST, 0, 1),
        (SECOND, SECOND, 0, 1),
        (TIE, FIRST, 0, 0),
        (SECOND, TIE, 0, 0),
    ],
)
def test_orders_agree_contradict_or_waver(
    there: tuple[int, int], back: tuple[int, int], consistent: int, conflicts: int
) -> None:
    found = counts_of([(0, 0, 0, 1, there), (0, 0, 1, 0, back)])
    assert (found.both_orders[0], found.consistent[0], found.conflicts[0]) == (1, consistent, conflicts)
    assert found.consistency[0] == consistent


def test_orders_of_other_judges_repeats_prompts_or_pairs_do_not_meet() -> None:
    votes: list[Vote] = [(0, 0, 0, 1, FIRST), (0, 1, 1, 0, FIRST), (1, 0, 1, 0, FIRST), (0, 0, 2, 0, FIRST)]
    found = counts_of(votes, prompts=2)
    assert found.both_orders.tolist() == [0, 0]
    assert np.isnan(found.consistency).all()


def test_first_slots_are_counted_among_votes_that_name_a_winner() -> None:
    found = counts_of([(0, 0, 0, 1, FIRST), (0, 0, 1, 0, FIRST), (0, 0, 1, 2, SECOND), (0, 0, 0, 2, TIE)], prompts=2)
    assert found.decisive.tolist() == [3, 0]
    assert found.first_won.tolist() == [2, 0]
    assert found.first_slot_share[0] == pytest.approx(2 / 3)
    assert np.isnan(found.first_slot_share[1])


def test_votes_that_rank_one_of_two_or_show_more_say_nothing_of_slots() -> None:
    found = position_counts(
        Ballots(
            prompt=np.zeros(3, np.int64),
            source=np.zeros(3, np.int64),
            placed=np.array([True, True, False]),
            offsets=np.array([0, 2, 5, 7]),
            items=np.array([0, 1, 0, 1, 2, 1, 0]),
            ranks=np.array([1, 0, 1, 2, 3, 1, 2]),
        ),
        prompts=1,
        items=3,
    )
    assert found.decisive[0] == found.both_orders[0] == 0


def test_no_votes_are_counted_as_none() -> None:
    assert counts_of([], prompts=2).decisive.tolist() == [0, 0]


def tally_of(points: list[list[float]]) -> Tally:
    wins = np.array([points], float)
    return Tally(wins, np.zeros_like(wins), np.zeros_like(wins))


def test_the_circle_of_condorcet_is_one_triad() -> None:
    assert cyclic_triads(tally_of([[0, 2, 1], [1, 0, 2], [2, 1, 0]])).tolist() == [1]


def test_a_tie_breaks_the_circle() -> None:
    assert cyclic_triads(tally_of([[0, 2, 1], [1, 0, 1], [2, 1, 0]])).tolist() == [0]


@given(st.integers(1, 6), st.integers(0, 10**6))
def test_triads_are_those_found_one_by_one(items: int, seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 3, (items, items)).astype(float)
    expected = 0
    for i, j, k in combinations(range(items), 3):
        there = points[i, j] > points[j, i] and points[j, k] > points[k, j] and points[k, i] > points[i, k]
        back = points[i, j] < points[j, i] and points[j, k] < points[k, j] and points[k, i] < points[i, k]
        expected += there or back
    assert cyclic_triads(tally_of(points.tolist())).tolist() == [expected]


@pytest.mark.parametrize("items", [5, 6, 8])
def test_without_ties_triads_follow_from_the_numbers_of_wins(items: int) -> None:
    # Kendall and Babington Smith (1940): d = n(n-1)(2n-1)/12 - Σa²/2.
    random = np.random.default_rng(items)
    wins = np.triu(random.random((200, items, items)) < 0.5, 1)
    wins |= np.triu(~wins, 1).transpose(0, 2, 1)
    scores = wins.sum(2)
    expected = items * (items - 1) * (2 * items - 1) / 12 - (scores**2).sum(1) / 2
    nothing = np.zeros(wins.shape)
    np.testing.assert_array_equal(cyclic_triads(Tally(wins.astype(float), nothing, nothing)), expected)
