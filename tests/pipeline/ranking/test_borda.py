from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.borda import borda
from prefpipe.pipeline.ranking.comparisons import Ballots


def ballots_of(votes: list[tuple[list[int], list[int]]]) -> Ballots:
    """Votes on one prompt: items in slot order, and their ranks."""
    return Ballots(
        prompt=np.zeros(len(votes), np.int64),
        source=np.arange(len(votes)),
        placed=np.ones(len(votes), bool),
        offsets=np.cumsum([0, *(len(items) for items, _ in votes)]),
        items=np.array([item for items, _ in votes for item in items], np.int64),
        ranks=np.array([rank for _, ranks in votes for rank in ranks], np.int64),
    )


def test_points_of_the_capital_of_tennessee_are_those_on_wikipedia() -> None:
    # Memphis, Nashville, Chattanooga, Knoxville; "Borda count", Wikipedia: 126, 194, 173 and 107 points of 100 ballots.
    votes = [([0, 1, 2, 3], [1, 2, 3, 4])] * 42 + [([1, 2, 3, 0], [1, 2, 3, 4])] * 26
    votes += [([2, 3, 1, 0], [1, 2, 3, 4])] * 15 + [([3, 2, 1, 0], [1, 2, 3, 4])] * 17
    found = borda(ballots_of(votes), prompts=1, items=4)
    np.testing.assert_allclose(found.scores, [[1.26, 1.94, 1.73, 1.07]])
    points = np.repeat([3, 0], [42, 58])
    assert found.standard_errors[0, 0] == pytest.approx(points.std(ddof=1) / 10)


def test_tied_candidates_share_the_mean_of_their_points() -> None:
    found = borda(ballots_of([([0, 1, 2, 3], [1, 2, 2, 4]), ([3, 2, 1, 0], [1, 1, 1, 1])]), 1, 4)
    np.testing.assert_allclose(found.scores, [[(3 + 1.5) / 2, 1.5, 1.5, (0 + 1.5) / 2]])


def test_pairwise_points_are_the_win_rate_on_the_scale_of_a_full_ballot() -> None:
    found = borda(ballots_of([([0, 1], [1, 2]), ([1, 0], [1, 2]), ([0, 2], [1, 2]), ([2, 1], [1, 1])]), 1, 3)
    np.testing.assert_allclose(found.scores, [[2 * 2 / 3, 2 * 1.5 / 3, 2 * 0.5 / 2]])


@given(st.permutations(range(5)), st.integers(2, 5))
def test_candidates_that_were_not_ranked_get_and_give_no_points(order: list[int], ranked: int) -> None:
    ranks = [rank if rank <= ranked else 0 for rank in range(1, 6)]
    found = borda(ballots_of([(order, ranks)]), 1, 5).scores[0]
    for place, item in enumerate(order):
        expected = 4 * (ranked - 1 - place) / (ranked - 1) if place < ranked else np.nan
        np.testing.assert_allclose(found[item], expected)


def test_errors_are_unknown_without_two_ballots_that_differ() -> None:
    found = borda(ballots_of([([0, 1], [1, 2]), ([0, 1], [1, 2]), ([1, 2], [1, 2]), ([1, 2], [2, 1])]), 1, 4)
    assert np.isnan(found.standard_errors[0]).tolist() == [True, False, False, True]
    assert np.isnan(found.scores[0]).tolist() == [False, False, False, True]
    assert found.scores[0, 0] == 3


def test_standard_errors_are_those_of_simulated_ballots() -> None:
    random = np.random.default_rng(1)
    utility = np.array([1.0, 0.5, 0.0, -0.5]) + random.gumbel(size=(4000, 25, 4))
    ranks = (-utility).argsort(2).argsort(2) + 1
    votes = 4000 * 25
    ballots = Ballots(
        prompt=np.repeat(np.arange(4000), 25),
        source=np.tile(np.arange(25), 4000),
        placed=np.ones(votes, bool),
        offsets=np.arange(votes + 1) * 4,
        items=np.tile(np.arange(4), votes),
        ranks=ranks.ravel(),
    )
    found = borda(ballots, 4000, 4)
    expected = found.scores.std(axis=0)
    np.testing.assert_allclose(np.sqrt((found.standard_errors**2).mean(axis=0)), expected, rtol=0.05)


def test_a_weighted_ballot_counts_like_several_in_the_mean() -> None:
    votes = [([0, 1, 2], [1, 2, 3]), ([2, 0, 1], [1, 2, 3]), ([1, 2], [1, 2])]
    weighted = replace(ballots_of(votes), weight=np.array([3.0, 1.0, 2.0]))
    copied = ballots_of([votes[0]] * 3 + [votes[1]] + [votes[2]] * 2)
    assert borda(weighted, 1, 3).scores == pytest.approx(borda(copied, 1, 3).scores)


def test_standard_errors_take_a_weight_as_so_many_ballots() -> None:
    votes = [([0, 1, 2], [1, 2, 3]), ([2, 0, 1], [1, 2, 3]), ([1, 2, 0], [1, 1, 3])]
    heavy = borda(replace(ballots_of(votes), weight=np.array([4.0, 2.0, 1.0])), 1, 3)
    copied = borda(ballots_of([votes[0]] * 4 + [votes[1]] * 2 + [votes[2]]), 1, 3)
    assert heavy.standard_errors == pytest.approx(copied.standard_errors)
    assert np.isnan(borda(replace(ballots_of([([0, 1], [1, 2])]), weight=np.array([5.0])), 1, 2).standard_errors).all()


@pytest.mark.parametrize("seed", range(6))
def test_equals_a_count_ballot_by_ballot_with_ties_weights_and_candidates_that_were_not_ranked(seed: int) -> None:
    random = np.random.default_rng(seed)
    shown = [random.permutation(5)[: random.integers(1, 6)] for _ in range(12)]
    ranks = [random.integers(0, 4, len(items)) for items in shown]
    weights = random.choice([0.5, 1, 2], 12)
    points, total = np.zeros(5), np.zeros(5)
    for items, placing, weight in zip(shown, ranks, weights, strict=True):
        placed = {item: rank for item, rank in zip(items.tolist(), placing.tolist(), strict=True) if rank}
        for item, rank in placed.items() if len(placed) > 1 else ():
            others = [other for name, other in placed.items() if name != item]
            beaten = sum((rank < other) + (rank == other) / 2 for other in others)
            points[item] += weight * beaten * 4 / len(others)
            total[item] += weight
    nothing = np.zeros(12, np.int64)
    offsets = np.cumsum([0, *map(len, shown)])
    ballots = Ballots(nothing, nothing, nothing == 0, offsets, np.concatenate(shown), np.concatenate(ranks), weights)
    expected = np.where(total > 0, points / np.where(total > 0, total, 1), np.nan)
    assert borda(ballots, 1, 5).scores[0] == pytest.approx(expected, nan_ok=True)
