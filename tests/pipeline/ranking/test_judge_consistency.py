from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from prefpipe.pipeline.ranking.judge_consistency import consistency_within_and_between_judges
from prefpipe.pipeline.ranking.kendall_w import kendall_w
from prefpipe.pipeline.ranking.tally import Floats


def drawn(seed: int, *, prompts: int = 6, most: int = 5, items: int = 4, ties: bool = True) -> Floats:
    random = np.random.default_rng(seed)
    points = random.integers(0, 3, (prompts, most, items)) if ties else random.random((prompts, most, items))
    doubled: Floats = 2 * rankdata(points, axis=2)
    return doubled


def test_without_ties_it_is_the_mean_of_spearmans_correlations() -> None:
    rankings = drawn(1, ties=False)
    random = np.random.default_rng(2)
    present, judge = random.random((6, 5)) < 0.8, random.integers(0, 3, (6, 5))
    within, between = consistency_within_and_between_judges(rankings.astype(int), present, judge)
    for prompt in range(6):
        same: list[float] = []
        other: list[float] = []
        for one, two in combinations(np.flatnonzero(present[prompt]), 2):
            found = spearmanr(rankings[prompt, one], rankings[prompt, two]).statistic
            (same if judge[prompt, one] == judge[prompt, two] else other).append(found)
        assert within[prompt] == pytest.approx(np.mean(same) if same else np.nan, nan_ok=True)
        assert between[prompt] == pytest.approx(np.mean(other) if other else np.nan, nan_ok=True)


@given(st.integers(0, 99))
def test_of_one_judge_all_is_within_and_of_judges_with_one_ranking_all_is_between(seed: int) -> None:
    rankings = drawn(seed).astype(int)
    present = np.random.default_rng(seed).random((6, 5)) < 0.7
    whole = kendall_w(rankings, present).consistency
    alone = consistency_within_and_between_judges(rankings, present, np.zeros((6, 5), int))
    apart = consistency_within_and_between_judges(rankings, present, np.tile(np.arange(5), (6, 1)))
    np.testing.assert_allclose(alone[0], whole, atol=1e-12)
    np.testing.assert_allclose(apart[1], whole, atol=1e-12)
    assert np.isnan(alone[1]).all()
    assert np.isnan(apart[0]).all()


def test_judges_who_never_waver_and_contradict_each_other() -> None:
    up, down = [2, 4, 6], [6, 4, 2]
    rankings = np.array([[up, up, down, down]])
    within, between = consistency_within_and_between_judges(rankings, np.ones((1, 4), bool), np.array([[0, 0, 1, 1]]))
    assert (within.tolist(), between.tolist()) == ([1.0], [-1.0])


@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 0, 3), (2, 1, 3), (2, 3, 1)])
def test_where_there_is_nothing_to_compare_it_is_unknown(shape: tuple[int, int, int]) -> None:
    rankings = np.full(shape, shape[2] + 1)
    found = consistency_within_and_between_judges(rankings, np.ones(shape[:2], bool), np.zeros(shape[:2], int))
    assert all(np.isnan(part).all() and len(part) == shape[0] for part in found)
