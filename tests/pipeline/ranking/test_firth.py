from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from prefpipe.pipeline.ranking.firth import firth
from prefpipe.pipeline.ranking.tally import Floats, Tally


def counts(seed: int, prompts: int = 1, n: int = 4, most: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    off = ~np.eye(n, dtype=bool)
    return Tally(
        *(random.integers(0, most, (3, prompts, n, n)) * off * random.choice([0.5, 1.0, 2.0], (prompts, 1, 1)))
    )


def wins_only(*prompts: list[list[float]]) -> Tally:
    wins = np.array(prompts, dtype=float)
    return Tally(wins, np.zeros_like(wins), np.zeros_like(wins))


def minus_penalised(theta: Floats, points: Floats) -> float:
    """Written from the definition: minus log-likelihood minus half the log-determinant of the reduced information."""
    n = len(theta)
    theta = theta - theta.mean()
    chance = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    weight = (points + points.T) * chance * (1 - chance)
    information = np.diag(weight.sum(axis=1)) - weight
    return -float((points * np.log(chance)).sum() + np.linalg.slogdet(information[: n - 1, : n - 1])[1] / 2)


def test_golden_separable_tournament_of_three() -> None:
    """R's BTm with bias reduction, on a tournament whose maximum likelihood is infinite."""
    fit = firth(wins_only([[0, 1, 1], [0, 0, 1], [0, 0, 0]]))
    assert fit.converged.all()
    assert fit.scores[0] - fit.scores[0, 0] == pytest.approx([0, -1.03475611037, -2.06951222073], abs=1e-4)


@pytest.mark.parametrize("won", [(3, 1), (5, 0), (2.5, 2.5)])
def test_for_two_items_it_is_half_a_win_more_for_each(won: tuple[float, float]) -> None:
    """So the two-state swing of simultaneous updates, which calls three to one equal, is not possible."""
    fit = firth(wins_only([[0, won[0]], [won[1], 0]]))
    assert fit.scores[0, 0] - fit.scores[0, 1] == pytest.approx(log((won[0] + 0.5) / (won[1] + 0.5)), abs=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_equals_a_general_optimiser_with_ties_and_weights(seed: int) -> None:
    tally = counts(seed)
    fit = firth(tally)
    found = minimize(minus_penalised, np.zeros(4), (tally.points[0],), tol=1e-12)
    assert fit.converged.all()
    assert fit.iterations < 40
    assert fit.scores[0] == pytest.approx(found.x - found.x.mean(), abs=2e-5)
    assert minus_penalised(fit.scores[0], tally.points[0]) <= found.fun + 1e-10


def test_standard_errors_are_those_of_the_information_at_the_estimate() -> None:
    tally = counts(2)
    fit = firth(tally)
    chance = 1 / (1 + np.exp(fit.scores[0][None, :] - fit.scores[0][:, None]))
    weight = (tally.points[0] + tally.points[0].T) * chance * (1 - chance)
    information = np.diag(weight.sum(axis=1)) - weight
    assert fit.standard_errors[0] ** 2 == pytest.approx(np.diag(np.linalg.pinv(information)), rel=1e-9)


def test_an_item_that_never_won_has_a_finite_score_and_the_widest_error() -> None:
    fit = firth(wins_only([[0, 3, 4], [2, 0, 4], [0, 0, 0]]))
    assert fit.scores[0].argmin() == 2
    assert fit.standard_errors[0].argmax() == 2
    assert 0.5 < fit.standard_errors[0, 2] < inf


def test_stops_only_when_the_estimate_stands_still() -> None:
    few = firth(wins_only([[0, 40, 39], [1, 0, 30], [1, 2, 0]]))
    found = minimize(minus_penalised, few.scores[0], (np.array([[0.0, 40, 39], [1, 0, 30], [1, 2, 0]]),), tol=1e-12)
    assert few.iterations > 2
    assert few.scores[0] == pytest.approx(found.x - found.x.mean(), abs=1e-5)


def test_parts_that_never_met_are_fitted_alone_and_admit_that_they_cannot_be_compared() -> None:
    fit = firth(wins_only([[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 3], [0, 0, 0, 0]]))
    alone = firth(wins_only([[0, 2], [1, 0]], [[0, 3], [0, 0]]))
    assert fit.scores[0] == pytest.approx(alone.scores.ravel(), abs=1e-8)
    assert (fit.standard_errors == inf).all()
    assert fit.covariance[0, :2, :2] == pytest.approx(alone.covariance[0], abs=1e-8)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 3)])
def test_nothing_to_compare_is_score_zero(shape: tuple[int, int]) -> None:
    none = np.zeros((*shape, shape[1]))
    fit = firth(Tally(none, none, none))
    assert fit.scores.shape == fit.standard_errors.shape == shape
    assert not fit.scores.any()
    assert (fit.standard_errors == (inf if shape[1] > 1 else 0)).all()
    assert fit.converged.all()


def test_all_tied_items_are_equal_with_finite_errors() -> None:
    none = np.zeros((1, 3, 3))
    fit = firth(Tally(none, none, np.triu(np.ones((1, 3, 3)), 1)))
    assert fit.scores == pytest.approx(none[:, 0], abs=1e-12)
    assert np.isfinite(fit.standard_errors).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_names_of_items_and_other_prompts_do_not_matter(seed: int, order: list[int]) -> None:
    tally = counts(seed, prompts=3)
    fit = firth(tally)
    parts = (tally.first_wins, tally.second_wins, tally.first_ties)
    moved = firth(Tally(*(part[1:2][:, order][:, :, order] for part in parts)))
    assert moved.scores == pytest.approx(fit.scores[1:2][:, order], abs=1e-7)
    assert moved.standard_errors == pytest.approx(fit.standard_errors[1:2][:, order], abs=1e-7)


def test_votes_without_end_make_it_the_maximum_likelihood() -> None:
    fit = firth(wins_only([[0, 3e6], [1e6, 0]]))
    assert fit.scores[0, 0] - fit.scores[0, 1] == pytest.approx(log(3), abs=1e-6)


def test_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(3)
    theta = random.normal(size=(500, 5)) * 0.8
    chance = 1 / (1 + np.exp(theta[:, None, :] - theta[:, :, None]))
    wins = np.triu(random.binomial(10, chance), 1).astype(float)
    wins += np.triu(10 - wins, 1).transpose(0, 2, 1)
    fit = firth(Tally(wins, np.zeros_like(wins), np.zeros_like(wins)))
    off = fit.scores - (theta - theta.mean(axis=1, keepdims=True))
    assert 0.93 <= (np.abs(off) < 1.96 * fit.standard_errors).mean() <= 0.97
