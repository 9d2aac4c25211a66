import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.eigenvector import eigenvector
from prefpipe.pipeline.ranking.tally import Floats, Tally


def of_points(points: Floats) -> Tally:
    return Tally(points, np.zeros_like(points), np.zeros_like(points))


def counts(seed: int, prompts: int = 1, n: int = 5, most: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    off = ~np.eye(n, dtype=bool)
    return Tally(*(random.integers(0, most, (3, prompts, n, n)) * off * random.choice([0.5, 1.0, 2.0])))


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_eigenvector_of_numpy_with_ties_weights_and_missing_pairs(seed: int) -> None:
    tally = counts(seed, most=2)
    points = tally.points[0]
    won = np.where(points + points.T > 0, points + 0.5, 0)
    values, vectors = np.linalg.eig(won + 1e-6 * won.sum() / 25)
    leading = np.abs(vectors[:, values.real.argmax()].real)
    assert eigenvector(tally).scores[0] == pytest.approx(leading / leading.sum(), abs=1e-9)


def test_strengths_are_in_proportion_to_those_of_whom_one_beat() -> None:
    points = np.array([[0.0, 2, 1], [1, 0, 2], [1, 1, 0]])
    found = eigenvector(of_points(points[None]), pseudo_wins=0, link=1e-12).scores[0]
    ratio = (points @ found) / found
    assert ratio == pytest.approx(np.full(3, ratio[0]), abs=1e-9)


def test_two_items_that_beat_only_each_other_do_not_swing() -> None:
    found = eigenvector(of_points(np.array([[[0.0, 4], [1, 0]]])), pseudo_wins=0).scores[0]
    assert found == pytest.approx([2 / 3, 1 / 3], abs=1e-5)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 4)])
def test_nothing_to_compare_is_the_same_score_for_all(shape: tuple[int, int]) -> None:
    found = eigenvector(of_points(np.zeros((*shape, shape[1]))))
    assert found.scores == pytest.approx(np.full(shape, 1 / max(shape[1], 1)))


def test_all_tied_items_are_equal_and_an_undisputed_order_is_found() -> None:
    none = np.zeros((1, 4, 4))
    tied = Tally(none, none, np.triu(np.full((1, 4, 4), 3.0), 1))
    assert eigenvector(tied).scores == pytest.approx(np.full((1, 4), 0.25))
    order = eigenvector(of_points(np.triu(np.ones((1, 6, 6)), 1))).scores[0]
    assert (np.diff(order) < 0).all()


def test_parts_that_never_met_have_positive_scores_and_equal_ones_share() -> None:
    points = np.zeros((1, 5, 5))
    points[0, 0, 1] = points[0, 2, 3] = 3
    found = eigenvector(of_points(points)).scores[0]
    assert (found > 0).all()
    assert found[:2] == pytest.approx(found[2:4])
    assert found[4] < found[1]


def test_impossible_regularisations_are_refused() -> None:
    with pytest.raises(ValueError, match="link must be positive"):
        eigenvector(counts(0), link=0)
    with pytest.raises(ValueError, match="pseudo_wins must not be negative"):
        eigenvector(counts(0), pseudo_wins=-1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_names_of_items_and_other_prompts_do_not_matter(seed: int, order: list[int]) -> None:
    points = counts(seed, prompts=3).points
    moved = of_points(points[1:2][:, order][:, :, order])
    assert eigenvector(moved).scores == pytest.approx(eigenvector(of_points(points)).scores[1:2][:, order], abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_every_vote_twice_changes_nothing_without_pseudo_wins(seed: int) -> None:
    tally = counts(seed)
    twice = eigenvector(of_points(2 * tally.points), pseudo_wins=0)
    assert twice.scores == pytest.approx(eigenvector(tally, pseudo_wins=0).scores, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_an_extra_win_raises_the_winner_the_most(seed: int, pair: list[int]) -> None:
    points = counts(seed, most=4).points
    met = points + points.transpose(0, 2, 1) > 0
    more = points.copy()
    more[0, pair[0], pair[1]] += 1
    if not met[0, pair[0], pair[1]]:
        return
    growth = eigenvector(of_points(more)).scores[0] / eigenvector(of_points(points)).scores[0]
    assert growth[pair[0]] >= growth.max() - 1e-6
