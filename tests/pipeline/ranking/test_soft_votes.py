import numpy as np
import pytest

from prefpipe.pipeline.ranking.comparisons import Ballots
from prefpipe.pipeline.ranking.duels import tally_of
from prefpipe.pipeline.ranking.soft_votes import CLEARLY, by_probability, by_strength


def ballots(votes: list[tuple[list[int], list[int]]], weight: list[float] | None = None) -> Ballots:
    """Votes as items in slot order and their ranks, all on one prompt."""
    return Ballots(
        prompt=np.zeros(len(votes), np.int64),
        source=np.arange(len(votes)),
        placed=np.ones(len(votes), bool),
        offsets=np.cumsum([0, *(len(items) for items, _ in votes)]),
        items=np.array([item for items, _ in votes for item in items]),
        ranks=np.array([rank for _, ranks in votes for rank in ranks]),
        weight=None if weight is None else np.array(weight),
    )


def test_a_clear_verdict_counts_three_times_a_slight_one_and_a_tie_or_a_list_once() -> None:
    votes = ballots([([0, 1], [1, 2]), ([0, 1], [2, 1]), ([1, 0], [1, 1]), ([0, 1, 2], [1, 2, 3]), ([0, 2], [1, 2])])
    found = by_strength(votes, np.array([1.0, 2.0, 2.0, 2.0, np.nan]))
    assert found.weight is not None
    assert found.weight.tolist() == [1, CLEARLY, 1, 1, 1]
    heavy = by_strength(ballots([([0, 1], [1, 2])], [0.5]), np.array([2.0]))
    assert heavy.weight is not None
    assert heavy.weight.tolist() == [1.5]


def test_a_soft_vote_gives_each_candidate_its_probability_and_half_of_a_ties() -> None:
    votes = ballots([([1, 0], [1, 2]), ([0, 1, 2], [1, 2, 3])], [2.0, 1.0])
    soft = by_probability(votes, np.array([0.6, np.nan]), np.array([0.3, np.nan]))
    counted = tally_of(soft, 1, 3)
    list_only = tally_of(by_probability(votes, *np.full((2, 2), np.nan)), 1, 3)
    assert soft.weight is not None
    assert soft.weight.sum() == pytest.approx(3)
    points = counted.points[0] - tally_of(ballots([([0, 1, 2], [1, 2, 3])]), 1, 3).points[0]
    assert points[1, 0] == pytest.approx(2 * (0.6 + 0.05))
    assert points[0, 1] == pytest.approx(2 * (0.3 + 0.05))
    assert counted.first_ties[0, 1, 0] == pytest.approx(0.2)
    assert list_only.points[0, 1, 0] == 2


def test_certain_probabilities_are_the_votes_themselves() -> None:
    votes = ballots([([0, 1], [1, 2]), ([1, 2], [2, 1]), ([2, 0], [1, 1])])
    soft = by_probability(votes, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(tally_of(soft, 1, 3).points, tally_of(votes, 1, 3).points)
    np.testing.assert_array_equal(soft.ranks, votes.ranks)


def test_a_vote_that_ranks_one_of_two_stays_whole() -> None:
    votes = ballots([([0, 1], [1, 0])])
    assert by_probability(votes, np.array([0.5]), np.array([0.5])).ranks.tolist() == [1, 0]
