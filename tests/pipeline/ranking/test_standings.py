import numpy as np
import pytest
from scipy.stats import norm, t

from prefpipe.pipeline.ranking.standings import holm, interval, standings, t_quantile, t_tail


@pytest.mark.parametrize("freedom", [1.0, 2.5, 10.0, 60.0, 5000.0])
def test_students_distribution_is_scipys(freedom: float) -> None:
    assert t_quantile(0.95, freedom) == pytest.approx(t.ppf(0.975, freedom), rel=1e-9)
    ratios = np.array([0.0, 0.3, 2.0, 9.0, np.inf])
    assert t_tail(ratios, freedom) == pytest.approx(2 * t.sf(ratios, freedom), rel=1e-9, abs=1e-12)


def test_holms_worked_example() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).tolist() == [1, 1]
    assert holm(np.zeros(0)).tolist() == []


def test_an_interval_reaches_as_far_to_either_side_as_the_draws_do() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=(20_000, 1))
    low, high = interval(np.array([5.0]), 5 + np.where(noise < 0, noise, 3 * noise), groups=10_000)
    assert (5 - low[0], high[0] - 5) == pytest.approx((1.96, 3 * 1.96), rel=0.03)


def test_few_groups_and_few_draws_widen_the_interval_as_student_says() -> None:
    drawn = np.tile([[-1.0], [1.0]], (50, 1))
    for groups, freedom in ((5, 1 / (1 / 4 + 2 / 100)), (10**9, 50)):
        low, high = interval(np.zeros(1), drawn, groups=groups)
        assert -low[0] == high[0] == pytest.approx(t.ppf(0.975, freedom), rel=1e-6)


def test_models_are_compared_by_their_difference_in_each_draw() -> None:
    """Two models that move together differ for sure, though each alone is uncertain; the third moves by itself."""
    random = np.random.default_rng(1)
    common = random.normal(size=2000)
    drawn = np.column_stack([common + 1, common + 1.3 + 0.1 * random.normal(size=2000), 1 + random.normal(size=2000)])
    found = standings(np.array([1.0, 1.3, 1.0]), drawn, groups=10**6)
    assert found.standard_errors == pytest.approx([1, 1, 1], abs=0.05)
    assert (found.best.tolist(), found.worst.tolist()) == ([2, 1, 1], [3, 2, 3])
    # In order of score: 1.3, 1.0, 1.0; the two equal ones do not differ at all.
    assert found.over_next[1] == pytest.approx(2 * 2 * norm.sf(3), rel=0.5)
    assert found.over_next[0] == pytest.approx(1)
    assert np.isnan(found.over_next[2])


def test_rank_intervals_hold_all_at_once() -> None:
    """Ten equal models: in about one of twenty leaderboards at most, any of them is told from any other."""
    random = np.random.default_rng(2)
    false = 0
    for _ in range(200):
        scores = random.normal(size=10)
        found = standings(scores, scores + random.normal(size=(100, 10)), groups=10**6)
        false += bool((found.best > 1).any() or (found.worst < 10).any())
    assert false <= 200 * 0.05 + 2 * (200 * 0.05 * 0.95) ** 0.5


def test_clearly_different_models_have_ranks_of_their_own() -> None:
    scores = np.array([3.0, 9.0, 6.0])
    found = standings(scores, scores + np.random.default_rng(3).normal(size=(100, 3)) / 10, groups=500)
    assert found.best.tolist() == found.worst.tolist() == [3, 1, 2]


def test_scores_that_move_in_steps_are_never_certain() -> None:
    scores = np.array([2.0, 1.0, 0.0])
    found = standings(scores, np.tile(scores, (100, 1)), groups=500, resolution=0.5)
    assert (found.standard_errors == 0.25).all()
    assert (found.high - found.low > 0.9).all()
    sure = standings(scores, np.tile(scores, (100, 1)), groups=500)
    assert (sure.best.tolist(), sure.low.tolist()) == ([1, 2, 3], scores.tolist())


def test_without_draws_or_with_one_group_nothing_is_known() -> None:
    for drawn, groups in ((np.zeros((0, 2)), 50), (np.zeros((100, 2)), 1)):
        found = standings(np.array([1.0, 0.0]), drawn, groups=groups)
        assert np.isnan([found.standard_errors, found.low, found.high, found.over_next]).all()
        assert (found.best.tolist(), found.worst.tolist()) == ([1, 1], [2, 2])
