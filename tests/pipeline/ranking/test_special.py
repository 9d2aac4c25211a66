import math

import numpy as np
import pytest
from scipy import special, stats

from prefpipe.pipeline.ranking.special import beta_cdf, fair_coin_p, log_gamma, wilson_interval


def test_log_gamma_agrees_with_scipy_over_fourteen_orders_of_magnitude() -> None:
    x = 10 ** np.linspace(-6, 8, 2001)
    np.testing.assert_allclose(log_gamma(x), special.gammaln(x), rtol=1e-13, atol=1e-13)


def test_incomplete_beta_agrees_with_scipy() -> None:
    random = np.random.default_rng(1)
    a, b = 10 ** random.uniform(-2, 4, (2, 5000))
    x = np.concatenate([random.random(2500), random.beta(a, b)[2500:]])
    np.testing.assert_allclose(beta_cdf(x, a, b), special.betainc(a, b, x), rtol=0, atol=1e-10)


def test_incomplete_beta_is_zero_below_and_one_above_its_range() -> None:
    assert beta_cdf(np.array([-0.1, 0.0, 1.0, 1.1]), np.array(2.0), np.array(3.0)).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("heads", "flips"), [(0, 3), (3, 3), (5, 10), (9, 10), (530, 1000), (2_501_000, 5_000_000)])
def test_fair_coin_p_is_the_exact_binomial_test(heads: int, flips: int) -> None:
    assert math.isclose(fair_coin_p(heads, flips), stats.binomtest(heads, flips).pvalue, rel_tol=1e-7)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (1, 2), (60, 100)])
def test_wilson_interval_agrees_with_scipy(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson_interval(successes, trials), (expected.low, expected.high), atol=1e-12)
