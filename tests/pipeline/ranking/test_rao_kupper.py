from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from prefpipe.pipeline.ranking.rao_kupper import rao_kupper
from prefpipe.pipeline.ranking.tally import Floats, Tally


def counts(seed: int, prompts: int = 1, n: int = 4, most: int = 4) -> Tally:
    random = np.random.default_rng(seed)
    off = ~np.eye(n, dtype=bool)
    return Tally(
        *(random.integers(0, most, (3, prompts, n, n)) * off * random.choice([0.5, 1.0, 2.0], (prompts, 1, 1)))
    )


def chances(margin: Floats, alpha: float) -> Floats:
    """TOBT: win, loss and tie of rewards that differ by `margin`, as in the TODO paper."""
    win, loss = 1 / (1 + np.exp(alpha - margin)), 1 / (1 + np.exp(alpha + margin))
    tie = (exp(2 * alpha) - 1) / ((1 + np.exp(alpha - margin)) * (1 + np.exp(alpha + margin)))
    return np.stack([win, loss, tie], axis=-1)


def minus_log_posterior(x: Floats, tally: Tally, prior_sd: float) -> float:
    """By TOBT's formulas; the last two parameters are ln alpha and beta."""
    prompts, n, _ = tally.wins.shape
    theta, alpha, beta = x[:-2].reshape(prompts, n), exp(x[-2]), x[-1]
    logs = np.log(chances(theta[:, :, None] - theta[:, None, :] + beta, alpha))
    won, lost, tied = tally.first_wins, tally.second_wins.transpose(0, 2, 1), tally.first_ties
    likelihood = (won * logs[..., 0] + lost * logs[..., 1] + tied * logs[..., 2]).sum()
    return float((theta**2).sum() / 2 / prior_sd**2 + beta**2 / 2 / 25 - likelihood)


def simulate(random: np.random.Generator, theta: Floats, alpha: float, beta: float, votes: int) -> Tally:
    odds = chances(theta[:, :, None] - theta[:, None, :] + beta, alpha)
    outcome = (
        random.multinomial(votes, odds / odds.sum(axis=-1, keepdims=True))
        * ~np.eye(theta.shape[1], dtype=bool)[..., None]
    )
    first, second, tied = outcome.astype(np.float64).transpose(3, 0, 1, 2)
    return Tally(first, second.transpose(0, 2, 1), tied)


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_general_optimiser_on_the_tie_ranking_model_with_nu_as_e_to_the_alpha(seed: int) -> None:
    tally = counts(seed, prompts=2)
    fit = rao_kupper(tally, prior_sd=1.3, position=True)
    assert fit.converged
    assert fit.iterations < 10
    found = minimize(minus_log_posterior, np.zeros(10), (tally, 1.3), tol=1e-10)
    assert fit.scores.ravel() == pytest.approx(found.x[:-2], abs=2e-5)
    assert fit.tie == pytest.approx(exp(exp(found.x[-2])), abs=2e-4)
    assert fit.position == pytest.approx(found.x[-1], abs=2e-5)


def test_its_probabilities_are_those_of_rao_and_kupper() -> None:
    nu, first, second = 1.7, exp(0.4), exp(-0.3)
    win, loss, tie = chances(np.array(0.7), log(nu))
    assert win == pytest.approx(first / (first + nu * second), abs=1e-15)
    assert loss == pytest.approx(second / (second + nu * first), abs=1e-15)
    assert tie == pytest.approx(
        (nu**2 - 1) * first * second / ((first + nu * second) * (nu * first + second)), abs=1e-15
    )


def test_standard_errors_come_from_the_curvature_of_the_whole_posterior() -> None:
    tally = counts(3)
    fit = rao_kupper(tally, prior_sd=1.3, position=True)
    assert fit.position is not None
    at = np.array([*fit.scores[0], log(log(fit.tie)), fit.position])
    step = 1e-4 * np.eye(6)
    curve = np.array(
        [
            [
                sum(a * b * minus_log_posterior(at + a * u + b * v, tally, 1.3) for a in (1, -1) for b in (1, -1))
                / 4e-8
                for u in step
            ]
            for v in step
        ]
    )
    spread = np.linalg.inv(curve)
    centre = np.eye(4) - 1 / 4
    assert fit.covariance[0] == pytest.approx(centre @ spread[:4, :4] @ centre, abs=1e-5)
    assert fit.tie_error == pytest.approx(np.sqrt(spread[4, 4]) * log(fit.tie), abs=1e-5)
    assert fit.position_error == pytest.approx(np.sqrt(spread[5, 5]), abs=1e-5)


def test_two_equal_items_tie_as_often_as_nu_says() -> None:
    none, wins = np.zeros((1, 2, 2)), np.array([[[0.0, 30], [30, 0]]])
    fit = rao_kupper(Tally(wins, none, np.array([[[0.0, 40], [0, 0]]])))
    assert (fit.tie - 1) / (fit.tie + 1) == pytest.approx(0.4, abs=1e-9)


def test_two_items_at_three_to_one_are_a_log_of_three_apart() -> None:
    none = np.zeros((1, 2, 2))
    fit = rao_kupper(Tally(np.array([[[0.0, 3], [1, 0]]]), none, none), prior_sd=1e4)
    assert fit.tie == 1
    assert fit.scores[0, 0] - fit.scores[0, 1] == pytest.approx(log(3), abs=1e-6)


def test_an_item_that_never_won_has_a_finite_score_and_the_widest_error() -> None:
    wins = np.array([[[0.0, 3, 4], [2, 0, 4], [0, 0, 0]]])
    fit = rao_kupper(Tally(wins, np.zeros_like(wins), wins / 4))
    assert fit.scores[0].argmin() == 2
    assert fit.standard_errors[0].argmax() == 2


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 3)])
def test_nothing_to_compare_is_score_zero(shape: tuple[int, int]) -> None:
    none = np.zeros((*shape, shape[1]))
    fit = rao_kupper(Tally(none, none, none), position=True)
    assert fit.scores.shape == shape
    assert not fit.scores.any()
    assert (fit.tie, fit.tie_error) == (1, inf)


def test_nothing_but_ties_makes_nu_infinite_and_the_scores_zero() -> None:
    none, ties = np.zeros((1, 2, 2)), np.array([[[0.0, 5], [3, 0]]])
    fit = rao_kupper(Tally(none, none, ties))
    assert (fit.tie, fit.scores.tolist()) == (inf, [[0, 0]])


def test_an_all_tied_prompt_among_others_is_all_equal() -> None:
    tally = counts(1, prompts=2)
    wins, ties = tally.wins, tally.first_ties.copy()
    wins[0], ties[0] = 0, 2
    fit = rao_kupper(Tally(wins, np.zeros_like(wins), ties))
    assert fit.scores[0] == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_zero_prior_is_refused_rather_than_taken_for_none() -> None:
    with pytest.raises(ValueError, match="prior_sd must be positive"):
        rao_kupper(counts(0), prior_sd=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_names_of_items_and_order_of_prompts_do_not_matter(seed: int, order: list[int]) -> None:
    tally = counts(seed, prompts=3)
    fit = rao_kupper(tally, position=True)
    parts = (tally.first_wins, tally.second_wins, tally.first_ties)
    moved = rao_kupper(Tally(*(part[::-1][:, order][:, :, order] for part in parts)), position=True)
    assert moved.scores == pytest.approx(fit.scores[::-1][:, order], abs=1e-7)
    assert (moved.tie, moved.position) == pytest.approx((fit.tie, fit.position), abs=1e-7)


def test_every_vote_twice_leaves_the_likelihood_estimate() -> None:
    tally = simulate(np.random.default_rng(0), np.array([[0.5, 0.2, -0.1, -0.6]]), 0.4, 0.3, 30)
    twice = Tally(2 * tally.first_wins, 2 * tally.second_wins, 2 * tally.first_ties)
    once, both = rao_kupper(tally, prior_sd=1e5), rao_kupper(twice, prior_sd=1e5)
    assert both.scores == pytest.approx(once.scores, abs=1e-7)
    assert both.standard_errors * np.sqrt(2) == pytest.approx(once.standard_errors, abs=1e-7)


def test_intervals_of_scores_cover_the_truth() -> None:
    random = np.random.default_rng(11)
    theta = random.normal(size=(500, 5))
    fit = rao_kupper(simulate(random, theta, 0.4, 0.3, 12), prior_sd=1.0, position=True)
    off = fit.scores - (theta - theta.mean(axis=1, keepdims=True))
    assert 0.93 <= (np.abs(off) < 1.96 * fit.standard_errors).mean() <= 0.97


def test_intervals_of_the_tie_parameter_and_the_position_effect_cover_the_truth() -> None:
    random = np.random.default_rng(5)
    theta = random.normal(size=(500, 1, 4)) * 0.7
    hits = []
    for seed in range(500):
        fit = rao_kupper(simulate(random, theta[seed], 0.4, 0.3, 30), prior_sd=0.7, position=True)
        assert fit.position is not None
        assert fit.position_error is not None
        hits.append(
            (abs(log(fit.tie) - 0.4) < 1.96 * fit.tie_error, abs(fit.position - 0.3) < 1.96 * fit.position_error)
        )
    covered = np.mean(hits, axis=0)
    assert (covered >= 0.93).all()
    assert (covered <= 0.97).all()
