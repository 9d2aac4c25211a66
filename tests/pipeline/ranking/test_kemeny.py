from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.ranking import kemeny as module
from prefpipe.pipeline.ranking.kemeny import kemeny
from prefpipe.pipeline.ranking.tally import Floats, Tally


def counts(seed: int, prompts: int = 1, n: int = 5, most: int = 2) -> Tally:
    random = np.random.default_rng(seed)
    return Tally(*(random.integers(0, most, (3, prompts, n, n)) * ~np.eye(n, dtype=bool) * 1.0))


def of_points(points: Floats) -> Tally:
    return Tally(points, np.zeros_like(points), np.zeros_like(points))


def of_ballots(ballots: list[tuple[int, list[int]]]) -> Tally:
    n = len(ballots[0][1])
    points = np.zeros((1, n, n))
    for votes, order in ballots:
        for place, winner in enumerate(order):
            points[0, winner, order[place + 1 :]] += votes
    return of_points(points)


def test_golden_tennessee() -> None:
    """Wikipedia: Memphis, Nashville, Chattanooga, Knoxville."""
    found = kemeny(of_ballots([(42, [0, 1, 2, 3]), (26, [1, 2, 3, 0]), (15, [2, 3, 1, 0]), (17, [3, 2, 1, 0])]))
    assert found.orders.tolist() == [[1, 2, 3, 0]]
    assert found.scores.tolist() == [[0, 3, 2, 1]]
    assert (found.support[0], found.disagreements[0], found.optima[0]) == (393, 207, 1)


def test_golden_cycle_has_three_optima() -> None:
    """pref_voting, test_other_methods: the three rotations, each at distance 4."""
    found = kemeny(of_ballots([(1, [0, 1, 2]), (1, [1, 2, 0]), (1, [2, 0, 1])]))
    assert (found.disagreements[0], found.optima[0]) == (4, 3)
    assert tuple(found.orders[0]) in {(0, 1, 2), (1, 2, 0), (2, 0, 1)}
    assert found.scores.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_equals_trying_all_orders(n: int) -> None:
    tally = counts(n, prompts=12, n=n)
    found = kemeny(tally)
    for prompt, points in enumerate(tally.points):
        cost = {
            order: sum(points[order[b], order[a]] for a in range(n) for b in range(a + 1, n))
            for order in permutations(range(n))
        }
        best = [order for order, paid in cost.items() if paid == min(cost.values())]
        assert found.disagreements[prompt] == min(cost.values())
        assert found.support[prompt] == points.sum() - min(cost.values())
        assert found.optima[prompt] == len(best)
        assert tuple(found.orders[prompt]) in best
        assert found.scores[prompt] == pytest.approx(
            np.mean([[n - 1 - o.index(i) for i in range(n)] for o in best], axis=0)
        )


def test_the_limit_of_ten_items_works_and_recovers_a_known_order() -> None:
    random = np.random.default_rng(0)
    truth = random.permutation(10)
    points = (truth[:, None] < truth).astype(float)[None]
    found = kemeny(of_points(points))
    assert found.orders[0].tolist() == np.argsort(truth).tolist()
    assert (found.disagreements[0], found.optima[0]) == (0, 1)


def test_eleven_items_are_refused_with_the_limit_and_an_alternative() -> None:
    with pytest.raises(UsageError, match="at most 10 items, and here there are 11") as caught:
        kemeny(of_points(np.zeros((1, 11, 11))))
    assert caught.value.hint is not None
    assert "schulze" in caught.value.hint


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 4)])
def test_nothing_to_compare_makes_every_order_optimal(shape: tuple[int, int]) -> None:
    found = kemeny(of_points(np.zeros((*shape, shape[1]))))
    assert found.scores.shape == found.orders.shape == shape
    assert (found.scores == max(shape[1] - 1, 0) / 2).all()
    assert (found.optima == factorial(shape[1])).all()
    assert (found.orders == np.arange(shape[1])).all()


def test_parts_that_never_met_are_interleaved_evenly() -> None:
    points = np.zeros((1, 4, 4))
    points[0, 0, 1] = points[0, 2, 3] = 5
    found = kemeny(of_points(points))
    assert found.optima[0] == 6
    assert found.scores[0, 0] == found.scores[0, 2] == pytest.approx(3 - found.scores[0, 1])


def test_sums_of_fractional_weights_tie_although_they_are_not_exact() -> None:
    found = kemeny(of_points(np.array([[[0.0, 0.1 + 0.2], [0.3, 0]]])))
    assert found.optima[0] == 2
    assert found.scores.tolist() == [[0.5, 0.5]]


def test_prompts_beyond_one_block_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = counts(3, prompts=9)
    whole = kemeny(tally)
    monkeypatch.setattr(module, "BLOCK", 400)
    parts = kemeny(tally)
    assert parts.scores.tolist() == whole.scores.tolist()
    assert parts.orders.tolist() == whole.orders.tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_names_do_not_matter_and_votes_twice_change_nothing(seed: int, order: list[int]) -> None:
    points = counts(seed, prompts=3).points
    moved, found = kemeny(of_points(2 * points[1:2][:, order][:, :, order])), kemeny(of_points(points))
    assert moved.scores == pytest.approx(found.scores[1:2][:, order])
    assert moved.optima.tolist() == found.optima[1:2].tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_an_extra_win_never_lowers_the_winner_of_a_unique_ranking(seed: int, pair: list[int]) -> None:
    points = counts(seed, most=4).points
    more = points.copy()
    more[0, pair[0], pair[1]] += 1
    before, after = kemeny(of_points(points)), kemeny(of_points(more))
    first = before.orders[0, 0] == pair[0]
    if before.optima[0] == 1 and first:
        assert after.orders[0, 0] == pair[0]
    assert after.disagreements[0] <= before.disagreements[0] + 1
