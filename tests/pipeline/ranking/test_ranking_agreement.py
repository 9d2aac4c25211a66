import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from prefpipe.pipeline.ranking.ranking_agreement import distinct_winners, ranking_agreement


def best(ranking: list[float]) -> set[int]:
    return {item for item, rank in enumerate(ranking) if rank == min(ranking)}


def worst(ranking: list[float]) -> set[int]:
    return {item for item, rank in enumerate(ranking) if rank == max(ranking)}


@given(st.integers(1, 4), st.integers(0, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_means_are_those_of_all_pairs_of_rankings_one_by_one(prompts: int, most: int, items: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    rankings = chance.integers(1, 4, (prompts, most, items))
    present = chance.random((prompts, most)) < 0.8
    found = ranking_agreement(rankings, present)
    for prompt in range(prompts):
        pairs = list(combinations(rankings[prompt][present[prompt]].astype(float), 2)) if items > 1 else []
        taus = [kendalltau(x, y).statistic for x, y in pairs if np.ptp(x) and np.ptp(y)]
        lists = [(x.tolist(), y.tolist()) for x, y in pairs]
        tops = [best(x) == best(y) for x, y in lists]
        ends = [best(x) == best(y) and worst(x) == worst(y) for x, y in lists]
        for mean, single in ((found.mean_tau, taus), (found.top, tops), (found.top_bottom, ends)):
            expected = sum(single) / len(single) if single else math.nan
            assert mean[prompt] == pytest.approx(expected, nan_ok=True)


@given(st.integers(0, 4), st.integers(0, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_distinct_winners_are_all_that_some_ranking_has_best(prompts: int, most: int, items: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    rankings = chance.integers(1, 4, (prompts, most, items))
    present = chance.random((prompts, most)) < 0.8
    found = distinct_winners(rankings, present)
    for prompt in range(prompts):
        winners = {item for row in rankings[prompt][present[prompt]] for item in np.flatnonzero(row == row.min())}
        assert found[prompt] == pytest.approx(len(winners) or math.nan, nan_ok=True)
    order = chance.permutation(items)
    np.testing.assert_array_equal(distinct_winners(rankings[:, :, order], present), found)


def test_a_ranking_that_ties_everything_has_no_tau_but_a_top_choice_of_its_own() -> None:
    found = ranking_agreement(np.array([[[1, 2, 3], [1, 2, 3], [2, 2, 2]]]), np.ones((1, 3), bool))
    assert found.mean_tau == pytest.approx([1])
    assert found.top == pytest.approx([1 / 3])


# Source: R, cor(x, y, method = "kendall").
def test_tau_is_that_of_r() -> None:
    x, y = [1, 2, 2, 3, 5, 5, 5, 8], [2, 1, 3, 3, 4, 7, 6, 6]
    found = ranking_agreement(np.array([[x, y]]), np.ones((1, 2), bool))
    assert found.mean_tau == pytest.approx([0.720576692123], abs=1e-10)
