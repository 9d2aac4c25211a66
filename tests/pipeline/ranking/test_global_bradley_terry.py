import math

import numpy as np
import pytest
from scipy.optimize import minimize

from prefpipe.pipeline.ranking.global_bradley_terry import fit_leaderboards, refit
from prefpipe.pipeline.ranking.pseudo_votes import with_pseudo_votes
from prefpipe.pipeline.ranking.tally import Floats, Tally


def counted(wins: Floats) -> Tally:
    return Tally(wins, np.zeros_like(wins), np.zeros_like(wins))


def some(seed: int, draws: int = 1, n: int = 5) -> Tally:
    random = np.random.default_rng(seed)
    return Tally(*(random.poisson(4, (3, draws, n, n)) * ~np.eye(n, dtype=bool) * 1.0))


def test_the_worked_example_of_wikipedia() -> None:
    wins = np.array([[[0, 2, 0, 1], [3, 0, 5, 0], [0, 3, 0, 1], [4, 0, 3, 0]]], float)
    fit = fit_leaderboards(counted(wins), position=0.0)
    assert np.exp(fit.scores[0]) == pytest.approx([0.640, 1.043, 0.660, 2.270], abs=1e-3)


def test_the_citations_between_journals_as_fitted_by_r() -> None:
    """R's BradleyTerry2 on Stigler's data, relative to Biometrika, with its standard errors."""
    wins = np.array([[[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]], float)
    fit = fit_leaderboards(counted(wins), position=0.0)
    assert fit.scores[0] - fit.scores[0, 0] == pytest.approx(
        [0, -2.949072496844, -0.479569769752, 0.268954055819], abs=1e-8
    )
    contrast = np.eye(5)[1:4] - np.eye(5)[0]
    covariance = contrast @ fit.covariance[0] @ contrast.T
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.1025453353699, 0.0605887292396, 0.0708299651057], abs=1e-8)
    assert covariance[0, 1] == pytest.approx(0.00227454711886, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_scores_and_position_effect_are_those_of_a_general_optimiser(seed: int) -> None:
    tally = some(seed)
    fit = fit_leaderboards(tally)

    def loss(x: Floats) -> float:
        lead = x[:-1, None] - x[:-1] + x[-1]
        first = tally.first_wins[0] + tally.first_ties[0] / 2
        second = tally.second_wins[0].T + tally.first_ties[0] / 2
        return float((first * np.logaddexp(0, -lead) + second * np.logaddexp(0, lead)).sum() + x[:-1].sum() ** 2)

    found = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-9})
    assert np.append(fit.scores[0], fit.position[0]) == pytest.approx(found.x, abs=1e-5)
    assert fit.scores.sum() == pytest.approx(0, abs=1e-12)


def test_a_given_position_effect_is_kept_and_has_no_error() -> None:
    fit = fit_leaderboards(some(0), position=0.3)
    assert fit.position.tolist() == [0.3]
    assert fit.covariance[0, -1].tolist() == [0, 0, 0, 0, 0, 1]
    free = fit_leaderboards(some(0))
    assert fit_leaderboards(some(0), position=float(free.position[0])).scores == pytest.approx(free.scores, abs=1e-8)


def test_leaderboards_fitted_together_are_as_if_fitted_alone() -> None:
    many = some(4, draws=20)
    fit = fit_leaderboards(many)
    for draw in range(20):
        one = Tally(*(part[draw : draw + 1] for part in (many.first_wins, many.second_wins, many.first_ties)))
        alone = fit_leaderboards(one)
        assert fit.scores[draw] == pytest.approx(alone.scores[0], abs=1e-7)
        assert fit.position[draw] == pytest.approx(alone.position[0], abs=1e-7)


@pytest.mark.parametrize("position", [None, 0.2])
def test_fits_near_another_are_those_of_newtons_method_even_where_they_are_not_near(position: float | None) -> None:
    many = some(5, draws=30)
    many.first_wins[:5] *= 40  # whose curvature is quite another
    near = fit_leaderboards(some(6), position=position)
    whole = fit_leaderboards(many, position=position)
    found = refit(many, near, position=position)
    assert found[:, :-1] == pytest.approx(whole.scores, abs=1e-6)
    assert found[:, -1] == pytest.approx(whole.position, abs=1e-6)


def test_a_model_that_never_lost_has_no_estimate_without_pseudo_votes_and_a_finite_one_with_them() -> None:
    wins = np.array([[[0, 10.0], [0, 0]]])
    with pytest.raises((ArithmeticError, np.linalg.LinAlgError)):
        fit_leaderboards(counted(wins), position=0.0)
    fit = fit_leaderboards(with_pseudo_votes(counted(wins)), position=0.0)
    # Each model brings half a win and half a loss: 11 wins, 1 loss.
    assert fit.scores[0, 0] - fit.scores[0, 1] == pytest.approx(math.log(11))
