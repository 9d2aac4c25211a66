import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata, spearmanr

from prefpipe.pipeline.ranking.rank_correlation import footrule, kendall_distance, kendall_tau, spearman
from prefpipe.pipeline.ranking.tally import Floats

ALL = (kendall_tau, kendall_distance, spearman, footrule)


def two(seed: int, prompts: int = 20, n: int = 6, *, holes: float = 0.1) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    x, y = random.integers(1, 5, (2, prompts, n)).astype(float)
    x[random.random(x.shape) < holes] = np.nan
    y[random.random(y.shape) < holes] = np.nan
    return x, y


def rows(text: str) -> Floats:
    return np.array([[float(digit) for digit in row] for row in text.split()])


@pytest.mark.parametrize(
    ("x", "y", "tau", "rho"),
    [
        ("12235558", "21334766", 0.720576692123, 0.851079440993),
        ("3221432", "4131112", 0.0626224291085149, 0.030969005213075),
        ("3423321", "3414134", 0.121267812518166, 0.138620656016734),
        ("1432433", "3211424", 0.228664780190012, 0.269280566839487),
    ],
)
def test_golden_values_of_r(x: str, y: str, tau: float, rho: float) -> None:
    """R's cor on rows with many ties."""
    assert kendall_tau(rows(x), rows(y))[0] == pytest.approx(tau, abs=1e-10)
    assert spearman(rows(x), rows(y))[0] == pytest.approx(rho, abs=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_equal_scipy_and_counts_of_pairs_with_ties_and_holes(seed: int) -> None:
    x, y = two(seed)
    for p in range(len(x)):
        keep = ~np.isnan(x[p]) & ~np.isnan(y[p])
        a, b = x[p, keep], y[p, keep]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy says so where a ranking is constant
            tau, rho = kendalltau(a, b).statistic, spearmanr(a, b).statistic
        assert kendall_tau(x, y)[p] == pytest.approx(tau, nan_ok=True)
        assert spearman(x, y)[p] == pytest.approx(rho, nan_ok=True)
        assert footrule(x, y)[p] == pytest.approx(np.abs(rankdata(a) - rankdata(b)).sum())
        pairs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i in range(len(a)) for j in range(i)]
        assert kendall_distance(x, y)[p] == sum(
            1.0 if s * t < 0 else 0.5 if (s == 0) != (t == 0) else 0 for s, t in pairs
        )


def test_the_extremes_are_one_and_minus_one_and_half_the_square() -> None:
    x = np.array([[1.0, 2, 3, 4, 5]])
    assert [f(x, x)[0] for f in ALL] == [1, 0, 1, 0]
    assert [f(x, -x)[0] for f in ALL] == [-1, 10, -1, 12]


def test_what_is_undefined_is_nan_and_only_that() -> None:
    tied, strict = np.ones((1, 3)), np.array([[1.0, 2, 3]])
    assert np.isnan(kendall_tau(tied, strict)).all()
    assert np.isnan(spearman(strict, tied)).all()
    assert kendall_distance(tied, strict).tolist() == [1.5]
    assert footrule(tied, strict).tolist() == [2]
    alone = np.array([[1.0, np.nan, np.nan]])
    assert all(np.isnan(f(alone, strict)).all() for f in ALL)
    assert all(f(np.ones((0, 3)), np.ones((0, 3))).shape == (0,) for f in ALL)
    assert all(np.isnan(f(np.ones((2, 0)), np.ones((2, 0)))).all() for f in ALL)


def test_infinite_scores_are_scores() -> None:
    assert kendall_tau(np.array([[-np.inf, 0, np.inf]]), np.array([[1.0, 2, 3]])).tolist() == [1]
    assert footrule(np.array([[np.inf, np.inf, 0]]), np.array([[2.0, 2, 1]])).tolist() == [0]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(6)))
def test_symmetric_and_blind_to_names_and_scales(seed: int, order: list[int]) -> None:
    x, y = two(seed)
    for f in ALL:
        assert f(x, y) == pytest.approx(f(y, x), nan_ok=True)
        assert f(x, y) == pytest.approx(f(5 * x[:, order] - 2, y[:, order] ** 3), nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_the_footrule_lies_between_once_and_twice_the_distance(seed: int) -> None:
    x, y = two(seed, holes=0)
    near, far = kendall_distance(x, y), footrule(x, y)
    assert (near <= far).all()
    assert (far <= 2 * near).all()
    assert (far <= 18).all()
