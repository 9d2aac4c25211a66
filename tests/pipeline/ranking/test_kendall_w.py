import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prefpipe.pipeline.ranking.kendall_w import kendall_w, pass_rate_of_random_judge

# R friedman.test on matrices of 5 rankings of 7 items, rich in ties; W = chi2 / (m (n - 1)).
TIES = [
    (0.167272727272727, "3221432 4131112 2233414 1222221 3332332"),
    (0.153846153846154, "3423321 3414134 2333224 3431441 3224332"),
    (0.34412955465587, "1432433 3211424 2211422 3431111 4332214"),
]
# Hollander and Wolfe (1973), the example of R's friedman.test: base running times of 22 players by three methods.
ROUNDING_TIMES = """
5.4 5.5 5.55 5.85 5.7 5.75 5.2 5.6 5.5 5.55 5.5 5.4 5.9 5.85 5.7 5.45 5.55 5.6 5.4 5.4 5.35 5.45 5.5 5.35 5.25 5.15 5.0
5.85 5.8 5.7 5.25 5.2 5.1 5.65 5.55 5.45 5.6 5.35 5.45 5.05 5.0 4.95 5.5 5.5 5.4 5.45 5.55 5.5 5.55 5.55 5.35 5.45 5.5
5.55 5.5 5.45 5.25 5.65 5.6 5.4 5.7 5.65 5.55 6.3 6.3 6.25
"""

rankings_of = st.integers(2, 5).flatmap(
    lambda items: st.lists(st.lists(st.integers(1, items), min_size=items, max_size=items), min_size=2, max_size=5)
)


@pytest.mark.parametrize(("expected", "rows"), TIES)
def test_w_with_many_ties_is_that_of_r(expected: float, rows: str) -> None:
    rankings = np.array([[int(digit) for digit in row] for row in rows.split()])
    assert kendall_w(rankings[None]).w[0] == pytest.approx(expected, abs=1e-10)


def test_w_of_rounding_times_is_that_of_r() -> None:
    times = np.array([float(time) for time in ROUNDING_TIMES.split()]).reshape(1, 22, 3)
    found = kendall_w(times)
    assert found.w[0] == pytest.approx(0.253246753247, abs=1e-9)
    shuffled = np.random.default_rng(0).permuted(np.broadcast_to(times, (40_000, 22, 3)), axis=2)
    assert found.p_value[0] == pytest.approx((kendall_w(shuffled).w >= found.w[0] - 1e-9).mean(), abs=0.001)


@given(rankings_of)
def test_w_is_that_of_the_friedman_test(rows: list[list[int]]) -> None:
    table = np.array(rows)
    rankings, items = table.shape
    w = kendall_w(table[None]).w[0]
    if all(len(set(row)) == 1 for row in rows):
        assert np.isnan(w)
    elif items > 2:
        statistic = stats.friedmanchisquare(*table.T).statistic
        assert w == pytest.approx(statistic / (rankings * (items - 1)), abs=1e-12)
    assert np.isnan(w) or -1e-12 <= w <= 1 + 1e-12


@given(st.integers(2, 6), st.integers(2, 7), st.integers(0, 99))
def test_consistency_is_the_mean_spearman_correlation_of_rankings_without_ties(
    rankings: int, items: int, seed: int
) -> None:
    table = np.random.default_rng(seed).random((rankings, items))
    pairs = [stats.spearmanr(table[i], table[j]).statistic for i in range(rankings) for j in range(i)]
    assert kendall_w(table[None]).consistency[0] == pytest.approx(np.mean(pairs), abs=1e-12)


def test_perfect_agreement_is_one_however_many_ties_there_are() -> None:
    best_first = np.tile([1, 2, 2, 2], (5, 1))
    worst_last = np.tile([1, 1, 1, 4], (5, 1))
    found = kendall_w(np.stack([best_first, worst_last]))
    np.testing.assert_allclose(found.w, 1)
    np.testing.assert_allclose(found.consistency, 1)


def test_the_convention_of_ranks_and_their_type_do_not_matter() -> None:
    competition = np.array([[[1, 2, 2, 4], [2, 1, 4, 2], [1, 1, 3, 4]]])
    midranks = np.array([[[1, 2.5, 2.5, 4], [2.5, 1, 4, 2.5], [1.5, 1.5, 3, 4]]])
    expected = kendall_w(competition).w
    np.testing.assert_allclose(kendall_w(midranks).w, expected)
    np.testing.assert_allclose(kendall_w(-midranks).w, expected)
    np.testing.assert_allclose(kendall_w(competition.astype(np.int8)).w, expected)


def test_absent_rankings_do_not_count() -> None:
    random = np.random.default_rng(2)
    rankings = random.random((20, 6, 5))
    present = random.random((20, 6)) < 0.6
    found = kendall_w(rankings, present)
    for index in range(20):
        alone = kendall_w(rankings[index, present[index]][None])
        for part in ("w", "consistency", "p_value"):
            np.testing.assert_allclose(getattr(found, part)[index], getattr(alone, part)[0])


@pytest.mark.parametrize("shape", [(3, 0, 4), (3, 1, 4), (3, 4, 1), (0, 2, 3)])
def test_too_few_rankings_or_candidates_say_nothing(shape: tuple[int, int, int]) -> None:
    found = kendall_w(np.random.default_rng(0).random(shape))
    assert np.isnan(found.w).all()
    assert np.isnan(found.consistency).all()
    assert np.isnan(found.p_value).all()


def test_ties_only_are_undefined_and_one_opinion_among_them_is_no_evidence() -> None:
    tied, opinion = [1, 1, 1], [1, 2, 3]
    found = kendall_w(np.array([[tied, tied, tied], [tied, opinion, tied]]))
    assert np.isnan(found.w[0])
    assert np.isnan(found.p_value[0])
    assert found.w[1] == pytest.approx(1 / 3)
    assert found.p_value[1] == 1


def test_rankings_of_more_candidates_than_a_byte_can_count_do_not_overflow() -> None:
    rankings = np.tile(np.arange(300), (2, 3, 1))
    np.testing.assert_allclose(kendall_w(rankings).w, 1)
    np.testing.assert_allclose(kendall_w(rankings[:, :, :127]).w, 1)
    np.testing.assert_allclose(kendall_w(rankings[:, :, :128]).w, 1)


def test_pass_rate_of_a_random_judge_falls_with_the_threshold_and_with_repeats() -> None:
    rates = [pass_rate_of_random_judge(3, 5, threshold) for threshold in np.linspace(0, 1, 21)]
    assert rates == sorted(rates, reverse=True)
    assert pass_rate_of_random_judge(5, 5, 0.7) < pass_rate_of_random_judge(3, 5, 0.7)
