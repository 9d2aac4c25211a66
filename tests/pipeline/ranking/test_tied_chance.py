from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from prefpipe.pipeline.ranking.codes import Codes
from prefpipe.pipeline.ranking.kendall_w import kendall_w
from prefpipe.pipeline.ranking.tied_chance import MOST_RANKINGS, tied_p_values


def enumerated(rankings: Codes) -> float:
    """The share of all ways to permute each ranking in which W is at least as large."""
    doubled = 2 * rankdata(rankings, axis=1) - (rankings.shape[1] + 1)
    told = [row for row in doubled if row.any()]
    length = (sum(told) ** 2).sum()
    found = [
        (np.sum(drawn, axis=0) ** 2).sum() >= length - 1e-9
        for drawn in product(told[:1], *(set(permutations(row)) for row in told[1:]))
    ]
    return float(np.mean(found))


def p_value(rankings: Codes) -> float:
    return float(kendall_w(rankings[None]).p_value[0])


@pytest.mark.parametrize(
    ("rankings", "chance"),
    [
        ([[1, 2, 2], [1, 2, 2]], 1 / 3),
        ([[1, 2, 2, 2], [1, 2, 2, 2]], 1 / 4),
        ([[1, 1, 3, 3], [1, 1, 3, 3], [1, 1, 3, 3]], 1 / 36),
        ([[1, 2, 2], [2, 1, 1]], 1.0),
        ([[1, 2, 3], [1, 1, 1], [1, 2, 3]], 1 / 6),
    ],
)
def test_rankings_with_ties_agree_by_chance_as_often_as_one_can_count(rankings: list[list[int]], chance: float) -> None:
    assert p_value(np.array(rankings)) == pytest.approx(chance)


@given(st.integers(2, 3), st.integers(3, 5), st.integers(2, 4), st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_p_values_are_those_of_all_permutations(count: int, items: int, levels: int, seed: int) -> None:
    rankings = np.random.default_rng(seed).integers(0, levels, (count, items))
    if (rankings != rankings[:, :1]).any(1).sum() < 2:
        assert p_value(rankings) == 1 or np.isnan(p_value(rankings))
    else:
        assert p_value(rankings) == pytest.approx(enumerated(rankings))


def test_few_levels_of_many_candidates_are_enumerated_too() -> None:
    random = np.random.default_rng(0)
    for items, count in ((8, 2), (6, 3)):
        rankings = random.integers(0, 2, (count, items))
        assert p_value(rankings) == pytest.approx(enumerated(rankings))


@pytest.mark.parametrize(("items", "count"), [(3, 30), (4, 6), (5, 4), (7, 2)])
def test_a_coin_flipping_judge_with_ties_has_a_p_value_below_a_tenth_at_most_a_tenth_of_the_time(
    items: int, count: int
) -> None:
    random = np.random.default_rng(1)
    rankings = random.integers(0, 3, (2000, count, items))
    found = kendall_w(rankings).p_value
    assert np.nanmean(found < 0.1) < 0.1 + 3 * (0.09 / 2000) ** 0.5
    assert np.nanmin(found) > 0


def test_what_would_be_much_work_is_left_open() -> None:
    random = np.random.default_rng(2)
    count = MOST_RANKINGS[5] + 2
    doubled = (2 * rankdata(random.integers(0, 4, (1, count, 5)), axis=2) - 6).astype(int)
    spread = (doubled.sum(1) ** 2).sum(1)
    assert np.isnan(tied_p_values(doubled.transpose(2, 1, 0), spread)).all()


def test_rankings_that_all_are_the_same_have_a_p_value_above_zero() -> None:
    assert p_value(np.tile(np.arange(12), (2, 1))) == pytest.approx(1 / 479_001_600)
