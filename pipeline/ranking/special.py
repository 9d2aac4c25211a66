"""The incomplete beta function and what follows from it: exact binomial tests and intervals, without scipy."""

import math

import numpy as np

from .tally import Floats

NORMAL_95 = 1.959963984540054
"""The half-width of a 95 % interval in standard errors."""

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_TINY = 1e-300

_erfc = np.frompyfunc(math.erfc, 1, 1)


def log_gamma(x: Floats) -> Floats:
    """Return the logarithm of the gamma function of positive numbers, by Stirling's series from 10 upwards."""
    x = np.asarray(x, np.float64)
    up = np.maximum(np.ceil(10 - x), 0)
    product = np.ones_like(x)
    for step in range(int(up.max(initial=0))):
        product *= np.where(step < up, np.maximum(x + step, _TINY), 1)
    y = x + up
    series = sum(term / y ** (2 * power + 1) for power, term in enumerate(_STIRLING))
    result: Floats = (y - 0.5) * np.log(y) - y + math.log(2 * math.pi) / 2 + series - np.log(product)
    return result


def beta_cdf(x: Floats, a: Floats, b: Floats) -> Floats:
    """Return the regularised incomplete beta function I_x(a, b), by Lentz's continued fraction.

    Source: Press et al., Numerical Recipes, section 6.4; DLMF 8.17.22.
    """
    x, a, b = (np.array(part) for part in np.broadcast_arrays(*(np.asarray(p, np.float64) for p in (x, a, b))))
    inside = (x > 0) & (x < 1)
    swap = inside & (x > (a + 1) / (a + b + 2))
    p, q = np.where(swap, b, a), np.where(swap, a, b)
    z = np.where(inside, np.where(swap, 1 - x, x), 0.5)
    front = np.exp(log_gamma(p + q) - log_gamma(p) - log_gamma(q) + p * np.log(z) + q * np.log1p(-z)) / p
    part = front * _fraction(z, p, q)
    result: Floats = np.where(inside, np.where(swap, 1 - part, part), (x >= 1).astype(np.float64))
    return result


def _fraction(x: Floats, a: Floats, b: Floats) -> Floats:
    """Return the continued fraction; each number stops when it has settled, so that none depends on its neighbours."""
    c = np.ones_like(x)
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    value = d.copy()
    settled = np.zeros(x.shape, bool)
    for m in range(1, 200 + int(10 * math.sqrt(np.maximum(a, b).max(initial=1)))):
        factor = np.ones_like(x)
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            factor *= c * d
        value *= np.where(settled, 1, factor)
        settled |= np.abs(factor - 1) <= 1e-15
        if settled.all():
            break
    return value


def _away_from_zero(x: Floats) -> Floats:
    return np.where(np.abs(x) < _TINY, _TINY, x)


def fair_coin_p(successes: int, trials: int) -> float:
    """Return the two-sided exact p-value of a number of heads, for a coin that shows heads half of the time."""
    extreme = max(successes, trials - successes)
    if 2 * extreme == trials:
        return 1.0
    half = np.array([0.5])
    tail = beta_cdf(half, np.array([float(extreme)]), np.array([trials - extreme + 1.0]))
    return min(1.0, 2 * float(tail[0]))


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, which is sensible even where all or none succeeded."""
    z = NORMAL_95**2 / trials
    share = successes / trials
    middle = (share + z / 2) / (1 + z)
    reach = math.sqrt(z * (share * (1 - share) + z / 4)) / (1 + z)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def normal_cdf(x: Floats) -> Floats:
    """Return the probability that a standard normal variable is below each of the values."""
    return 0.5 * np.asarray(_erfc(-x / math.sqrt(2)), dtype=np.float64)
