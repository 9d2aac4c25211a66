from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of
from prefpipe.pipeline.ranking.repeats import Repeats, rankings_of_repeats

Vote = tuple[int, int, list[int], list[int]]  # prompt, source, items in slot order, their ranks


def repeats_of(votes: list[Vote], prompts: int = 1, items: int = 3) -> Repeats:
    ballots = Ballots(
        prompt=np.array([vote[0] for vote in votes], np.int64),
        source=np.array([vote[1] for vote in votes], np.int64),
        placed=np.ones(len(votes), bool),
        offsets=np.cumsum([0, *(len(vote[2]) for vote in votes)]),
        items=np.array([item for vote in votes for item in vote[2]], np.int64),
        ranks=np.array([rank for vote in votes for rank in vote[3]], np.int64),
    )
    return rankings_of_repeats(ballots, pairs_of(ballots), prompts, items)


def midranks(found: Repeats, prompt: int = 0) -> list[list[float]]:
    rankings: list[list[float]] = (found.rankings[prompt][found.present[prompt]] / 2).tolist()
    return rankings


def test_a_vote_on_all_candidates_is_a_ranking_with_mid_ranks() -> None:
    found = repeats_of([(0, 0, [2, 0, 1], [1, 2, 2]), (0, 1, [0, 1, 2], [3, 1, 1])])
    assert midranks(found) == [[2.5, 2.5, 1], [3, 1.5, 1.5]]
    assert found.incomplete.tolist() == [0]


def test_all_pairs_in_both_orders_are_one_ranking() -> None:
    votes = [(0, 0, list(pair), [1, 2] if pair[0] < pair[1] else [2, 1]) for pair in permutations(range(3), 2)]
    assert midranks(repeats_of(votes)) == [[1, 2, 3]]


def test_orders_in_conflict_make_a_tie_and_a_tie_beside_a_winner_half_a_win() -> None:
    conflict: list[Vote] = [(0, 0, [0, 1], [1, 2]), (0, 0, [1, 0], [1, 2])]
    half: list[Vote] = [(0, 1, [0, 1], [1, 2]), (0, 1, [1, 0], [1, 1])]
    assert midranks(repeats_of(conflict + half, items=2)) == [[1.5, 1.5], [1, 2]]


def test_one_valid_order_of_every_pair_is_enough_and_a_missing_pair_is_not() -> None:
    complete: list[Vote] = [(0, 3, [0, 1], [1, 2]), (0, 3, [2, 1], [1, 2]), (0, 3, [2, 0], [1, 2])]
    missing: list[Vote] = [(0, 5, [0, 1], [1, 2]), (0, 5, [1, 0], [2, 1]), (0, 5, [2, 1], [1, 2])]
    found = repeats_of(complete + missing)
    assert midranks(found) == [[2, 3, 1]]
    assert found.incomplete.tolist() == [1]


def test_votes_on_blocks_of_candidates_join_to_a_ranking_when_they_cover_all_pairs() -> None:
    votes: list[Vote] = [(0, 0, [0, 1, 2], [1, 2, 3]), (0, 0, [3, 0], [2, 1]), (0, 0, [1, 3], [1, 2])]
    assert repeats_of(votes, items=4).incomplete.tolist() == [1]
    assert midranks(repeats_of([*votes, (0, 0, [2, 3], [1, 2])], items=4)) == [[1, 2, 3, 4]]


def test_a_vote_that_leaves_candidates_out_is_no_complete_ranking() -> None:
    found = repeats_of([(0, 0, [0, 1, 2], [1, 2, 0])])
    assert midranks(found) == []
    assert found.incomplete.tolist() == [1]


def test_prompts_with_fewer_rankings_are_padded() -> None:
    found = repeats_of([(2, 0, [0, 1], [1, 2]), (2, 1, [1, 0], [1, 2]), (0, 1, [1, 0], [2, 1])], prompts=3, items=2)
    assert found.present.tolist() == [[True, False], [False, False], [True, True]]
    assert midranks(found, 2) == [[1, 2], [2, 1]]
    assert midranks(found, 0) == [[1, 2]]


def test_one_candidate_cannot_be_ranked() -> None:
    found = repeats_of([(0, 0, [0], [1])], items=1)
    assert found.present.sum() == 0
    assert found.rankings.shape == (1, 0, 1)


def test_no_votes_give_no_rankings() -> None:
    assert repeats_of([], prompts=2).rankings.shape == (2, 0, 3)


@given(st.integers(2, 6), st.integers(0, 10**6))
def test_pairs_give_the_mid_ranks_of_their_points(items: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    votes: list[Vote] = []
    points = np.zeros(items)
    for i, j in combinations(range(items), 2):
        asked = [(i, j), (j, i)][: random.integers(1, 3)]
        for first, second in asked:
            outcome = int(random.integers(-1, 2))
            votes.append((0, 0, [first, second], [1 + (outcome < 0), 1 + (outcome > 0)]))
            points[first] += outcome / len(asked)
            points[second] -= outcome / len(asked)
    shuffled = [votes[index] for index in random.permutation(len(votes))]
    assert midranks(repeats_of(shuffled, items=items)) == [rankdata(-points.round(9)).tolist()]


@pytest.mark.parametrize("items", [63, 64, 200])
def test_many_candidates_do_not_overflow(items: int) -> None:
    found = repeats_of([(0, 0, list(range(items)), list(range(1, items + 1)))], items=items)
    assert midranks(found) == [list(range(1, items + 1))]
