from collections.abc import Callable
from math import exp, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from prefpipe.pipeline.ranking.tally import Floats
from prefpipe.pipeline.ranking.weng_lin import Skills, trueskill, weng_lin

Rule = Callable[..., Skills]
Codes = NDArray[np.int64]
ZERO = np.zeros(1, dtype=int)


def matches(seed: int, prompts: int = 2, n: int = 5, k: int = 3, count: int = 12) -> tuple[Codes, Codes, Floats]:
    """Matches of up to k items, with ties and an empty seat here and there."""
    random = np.random.default_rng(seed)
    items = np.array([random.permutation(n)[:k] for _ in range(count)])
    ranks = random.integers(1, 4, (count, k)).astype(float)
    ranks[random.random((count, k)) < 0.1] = np.nan
    return random.integers(0, prompts, count), items, ranks


def one_by_one(rule: str, prompt: Codes, items: Codes, ranks: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Match after match, pair after pair, with scipy's normal law."""
    beta, tau = 25 / 6, 0.5
    margin = norm.ppf(0.55) * sqrt(2) * beta
    mean, variance = np.full(shape, 25.0), np.full(shape, (25 / 3) ** 2)
    for p, seats, places in zip(prompt, items, ranks, strict=True):
        seated = [(i, r) for i, r in zip(seats, places, strict=True) if not np.isnan(r)]
        mu, var = mean[p].copy(), variance[p] + tau**2
        for i, rank in seated:
            move, shrink = 0.0, 0.0
            for j, other in seated:
                if i == j:
                    continue
                c = sqrt(var[i] + var[j] + 2 * beta**2)
                t, e = (mu[i] - mu[j]) / c, margin / c
                if rule == "weng-lin":
                    chance, result = 1 / (1 + exp(-t)), 1.0 if rank < other else 0.5 if rank == other else 0.0
                    move += var[i] / c * (result - chance)
                    shrink += sqrt(var[i]) / c * var[i] / c**2 * chance * (1 - chance)
                elif rank == other:
                    inside = norm.cdf(e - t) - norm.cdf(-e - t)
                    v = (norm.pdf(-e - t) - norm.pdf(e - t)) / inside
                    w = v**2 + ((e - t) * norm.pdf(e - t) + (e + t) * norm.pdf(e + t)) / inside
                    move, shrink = move + var[i] / c * v, shrink + var[i] / c**2 * w
                else:
                    sign = 1 if rank < other else -1
                    x = sign * t - e
                    v = norm.pdf(x) / norm.cdf(x)
                    move, shrink = move + sign * var[i] / c * v, shrink + var[i] / c**2 * v * (v + x)
            mean[p, i] = mu[i] + move
            variance[p, i] = var[i] * max(1 - shrink, 1e-4)
    return mean, np.sqrt(variance)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("rule", "name"), [(weng_lin, "weng-lin"), (trueskill, "trueskill")])
def test_equal_the_updates_one_by_one(rule: Rule, name: str, seed: int) -> None:
    prompt, items, ranks = matches(seed, k=2 + seed % 2)
    found = rule(prompt, items, ranks, shape=(2, 5), tau=0.5)
    mean, deviation = one_by_one(name, prompt, items, ranks, (2, 5))
    assert found.scores == pytest.approx(mean, abs=1e-9)
    assert found.standard_deviations == pytest.approx(deviation, abs=1e-9)
    assert found.conservative == pytest.approx(mean - 3 * deviation, abs=1e-8)
    assert found.matches.tolist() == np.bincount(prompt, minlength=2).tolist()


def test_golden_trueskill_of_one_against_one() -> None:
    """trueskill.org, README: rate_1vs1."""
    win = trueskill(ZERO, np.array([[0, 1]]), np.array([[1.0, 2.0]]), shape=(1, 2))
    assert win.scores[0] == pytest.approx([29.396, 20.604], abs=1e-3)
    assert win.standard_deviations[0] == pytest.approx([7.171, 7.171], abs=1e-3)
    draw = trueskill(ZERO, np.array([[0, 1]]), np.array([[1.0, 1.0]]), shape=(1, 2))
    assert draw.scores[0] == pytest.approx([25, 25], abs=1e-3)
    assert draw.standard_deviations[0] == pytest.approx([6.458, 6.458], abs=1e-3)


@pytest.mark.parametrize("ranks", [[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]])
def test_outcomes_far_from_belief_stay_finite(ranks: list[float]) -> None:
    """Normal tails underflow where a favourite loses by forty deviations; the updates must not."""
    many = 400
    items, sure = np.tile([[0, 1]], (many, 1)), np.tile([[1.0, 2.0]], (many, 1))
    prompt = np.zeros(many + 1, dtype=int)
    found = trueskill(
        prompt, np.vstack([items, [[0, 1]]]), np.vstack([sure, [ranks]]), shape=(1, 2), beta=0.01, sigma=200.0, tau=0.0
    )
    assert np.isfinite(found.scores).all()
    assert (found.standard_deviations > 0).all()


def test_a_draw_probability_of_zero_is_an_option_like_others() -> None:
    sometimes = trueskill(ZERO, np.array([[0, 1]]), np.array([[1.0, 2.0]]), shape=(1, 2))
    never = trueskill(ZERO, np.array([[0, 1]]), np.array([[1.0, 2.0]]), shape=(1, 2), draw_probability=0)
    assert never.scores[0, 0] < sometimes.scores[0, 0]
    tied = trueskill(ZERO, np.array([[0, 1]]), np.array([[1.0, 1.0]]), shape=(1, 2), draw_probability=0)
    assert np.isfinite(tied.scores).all()
    with pytest.raises(ValueError, match="draw_probability must be"):
        trueskill(ZERO, np.array([[0, 1]]), np.array([[1.0, 1.0]]), shape=(1, 2), draw_probability=1)


@pytest.mark.parametrize("rule", [weng_lin, trueskill])
@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 3)])
def test_items_without_matches_keep_what_was_believed(rule: Rule, shape: tuple[int, int]) -> None:
    none = np.zeros((0, 2))
    found = rule(np.zeros(0, dtype=int), none.astype(int), none, shape=shape, mu=0, sigma=2)
    assert found.scores.shape == shape
    assert (found.scores == 0).all()
    assert (found.standard_deviations == 2).all()


@pytest.mark.parametrize("rule", [weng_lin, trueskill])
def test_an_item_that_always_lost_is_last_and_still_uncertain(rule: Rule) -> None:
    items, ranks = np.array([[0, 2], [1, 2], [0, 1]] * 10), np.tile([1.0, 2.0], (30, 1))
    found = rule(np.zeros(30, dtype=int), items, ranks, shape=(1, 3))
    assert found.scores[0].argmin() == 2
    assert (found.standard_deviations > 0.5).all()
    assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("rule", [weng_lin, trueskill])
def test_all_tied_items_are_equal(rule: Rule) -> None:
    found = rule(ZERO, np.array([[0, 1, 2, 3]]), np.ones((1, 4)), shape=(1, 4))
    assert np.ptp(found.scores) == pytest.approx(0)


@pytest.mark.parametrize("rule", [weng_lin, trueskill])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)))
def test_names_of_items_and_other_prompts_do_not_matter(rule: Rule, seed: int, order: list[int]) -> None:
    prompt, items, ranks = matches(seed)
    found = rule(prompt, items, ranks, shape=(2, 5))
    mine = prompt == 1
    moved = rule(prompt[mine] * 0, np.argsort(order)[items[mine]], ranks[mine], shape=(1, 5))
    assert moved.scores == pytest.approx(found.scores[1:][:, order])
    assert moved.standard_deviations == pytest.approx(found.standard_deviations[1:][:, order])


@pytest.mark.parametrize("rule", [weng_lin, trueskill])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_one_more_win_raises_the_winner_and_lowers_the_loser(rule: Rule, seed: int) -> None:
    prompt, items, ranks = matches(seed, prompts=1, k=2)
    before = rule(prompt, items, ranks, shape=(1, 5)).scores[0]
    more = rule(np.append(prompt, 0), np.vstack([items, [3, 1]]), np.vstack([ranks, [1, 2]]), shape=(1, 5)).scores[0]
    assert more[3] > before[3]
    assert more[1] < before[1]


def test_beliefs_of_trueskill_cover_leads_of_one_item_over_another() -> None:
    random = np.random.default_rng(4)
    theta = random.normal(25, 25 / 3, (500, 4))
    pairs = np.array([(i, j) for i in range(4) for j in range(i)] * 8)
    prompt = np.repeat(np.arange(500), len(pairs))
    items = np.tile(pairs, (500, 1))
    shown = theta[prompt[:, None], items] + random.normal(0, 25 / 6, items.shape)
    margin = norm.ppf(0.55) * sqrt(2) * 25 / 6
    ahead = shown[:, 0] - shown[:, 1]
    ranks = np.stack([np.where(ahead < -margin, 2.0, 1.0), np.where(ahead > margin, 2.0, 1.0)], axis=1)
    found = trueskill(prompt, items, ranks, shape=(500, 4), tau=0.0)
    i, j = np.triu_indices(4, 1)
    off = (found.scores - theta)[:, i] - (found.scores - theta)[:, j]
    reach = 1.96 * np.hypot(found.standard_deviations[:, i], found.standard_deviations[:, j])
    assert 0.93 <= (np.abs(off) < reach).mean() <= 0.97
