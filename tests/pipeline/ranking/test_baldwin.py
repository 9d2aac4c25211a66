import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.baldwin import baldwin
from prefpipe.pipeline.ranking.condorcet import copeland
from prefpipe.pipeline.ranking.tally import Floats, Tally


def counts(seed: int, prompts: int = 1, n: int = 5, most: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    return Tally(*(random.integers(0, most, (3, prompts, n, n)) * ~np.eye(n, dtype=bool) * 1.0))


def of_points(points: Floats) -> Tally:
    return Tally(points, np.zeros_like(points), np.zeros_like(points))


def outlasted(points: Floats) -> list[float]:
    """Written from the definition, with sets."""
    left, gone, scores = set(range(len(points))), 0, [0.0] * len(points)
    while left:
        count = {i: sum(points[i, j] - points[j, i] for j in left) for i in left}
        leaving = {i for i in left if count[i] == min(count.values())}
        for i in leaving:
            scores[i] = gone + (len(leaving) - 1) / 2
        gone += len(leaving)
        left -= leaving
    return scores


def test_tennessee_drops_knoxville_then_memphis_and_elects_nashville() -> None:
    """Wikipedia's example; the Borda counts 126, 194, 173, 107 drop Knoxville first."""
    points = np.zeros((1, 4, 4))
    for votes, order in ((42, [0, 1, 2, 3]), (26, [1, 2, 3, 0]), (15, [2, 3, 1, 0]), (17, [3, 2, 1, 0])):
        for place, winner in enumerate(order):
            points[0, winner, order[place + 1 :]] += votes
    assert points.sum(axis=2).tolist() == [[126, 194, 173, 107]]
    found = baldwin(of_points(points))
    assert found.scores.tolist() == [[1, 3, 2, 0]]
    assert found.rounds.tolist() == [[2, 4, 3, 1]]


@pytest.mark.parametrize("seed", range(30))
def test_equals_the_definition(seed: int) -> None:
    tally = counts(seed)
    assert baldwin(tally).scores[0].tolist() == outlasted(tally.points[0])


def test_a_cycle_and_all_ties_leave_together() -> None:
    cycle = np.array([[[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]])
    assert baldwin(of_points(cycle)).scores.tolist() == [[1, 1, 1]]
    assert baldwin(Tally(cycle * 0, cycle * 0, cycle)).scores.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(("shape", "score"), [((0, 3), 0), ((2, 0), 0), ((2, 1), 0), ((2, 3), 1)])
def test_nothing_to_compare_is_the_same_score_for_all(shape: tuple[int, int], score: float) -> None:
    found = baldwin(of_points(np.zeros((*shape, shape[1]))))
    assert found.scores.shape == shape
    assert (found.scores == score).all()


def test_sums_of_fractional_weights_tie_although_they_are_not_exact() -> None:
    assert baldwin(of_points(np.array([[[0.0, 0.1 + 0.2], [0.3, 0]]]))).scores.tolist() == [[0.5, 0.5]]


def test_an_item_that_met_few_is_not_punished_for_it() -> None:
    """0 beat the strong 1 once; 2 won one of six against it: raw counts would let 0 go before 2."""
    points = np.array([[[0.0, 1, 0], [0, 0, 10], [0, 2, 0]]])
    assert baldwin(of_points(points)).scores[0].argmax() == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_an_item_that_beats_every_other_always_wins(seed: int) -> None:
    tally = counts(seed, prompts=10)
    champion = copeland(tally).condorcet_winner
    known = champion >= 0
    assert (baldwin(tally).scores[known, champion[known]] == 4).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_names_do_not_matter_and_votes_twice_change_nothing(seed: int, order: list[int]) -> None:
    points = counts(seed, prompts=3).points
    moved = baldwin(of_points(2 * points[1:2][:, order][:, :, order]))
    assert moved.scores.tolist() == baldwin(of_points(points)).scores[1:2][:, order].tolist()
