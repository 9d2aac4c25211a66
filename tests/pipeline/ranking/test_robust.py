from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry
from prefpipe.pipeline.ranking.robust import PRIOR_SD, robust_bradley_terry
from prefpipe.pipeline.ranking.tally import Floats, Tally


def of_points(points: Floats) -> Tally:
    return Tally(points, np.zeros_like(points), np.zeros_like(points))


def simulate(seed: int, runs: int, n: int, votes: int, corrupted: int = 0) -> tuple[Floats, Tally, Floats]:
    """True scores (R, n), votes, and where they are corrupted (R, n, n): six in ten votes there all say i."""
    random = np.random.default_rng(seed)
    theta = random.normal(size=(runs, n))
    i, j = np.triu_indices(n, 1)
    chance = 1 / (1 + np.exp(theta[:, j] - theta[:, i]))
    bad = np.zeros((runs, n, n))
    for run in range(runs):
        for pair in random.choice(len(i), corrupted, replace=False):
            bought = random.random() < 0.5
            winner, loser = (i[pair], j[pair]) if bought else (j[pair], i[pair])
            bad[run, winner, loser] = 1
            chance[run, pair] = 0.4 * chance[run, pair] + 0.6 * bought
    won = random.binomial(votes, chance).astype(float)
    points = np.zeros((runs, n, n))
    points[:, i, j], points[:, j, i] = won, votes - won
    return theta - theta.mean(axis=1, keepdims=True), of_points(points), bad


@pytest.mark.parametrize("rate", [0.01, 0.05])
@pytest.mark.parametrize(("n", "votes"), [(10, 40), (10, 400), (7, 20)])
def test_honest_pairs_are_flagged_no_more_often_than_stated(n: int, votes: int, rate: float) -> None:
    _, tally, _ = simulate(1, 150, n, votes)
    found = robust_bradley_terry(tally, false_flag_rate=rate)
    flags = found.flagged.sum() / (150 * n * (n - 1) / 2)
    assert flags <= rate
    assert found.converged


def test_corrupted_pairs_are_found_with_their_direction_and_size_and_the_scores_are_better_without_them() -> None:
    truth, tally, bad = simulate(2, 60, 10, 400, corrupted=5)
    found = robust_bradley_terry(tally)
    assert found.flagged[bad > 0].mean() > 0.9
    assert found.flagged[(bad + bad.transpose(0, 2, 1)) == 0].mean() < 0.01
    robust, plain = (
        ((fit - truth) ** 2).mean() for fit in (found.scores, bradley_terry(tally, prior_sd=PRIOR_SD).scores)
    )
    assert robust < plain / 4
    assert found.suspicion[found.flagged].min() > 0
    assert found.suspicion.max() <= 1
    assert not found.suspicion[~found.flagged].any()


def test_intervals_cover_the_truth() -> None:
    truth, tally, _ = simulate(3, 500, 8, 40)
    found = robust_bradley_terry(tally)
    assert 0.93 <= (np.abs(found.scores - truth) < 1.96 * found.standard_errors).mean() <= 0.97


def test_without_flags_it_is_the_plain_fit() -> None:
    _, tally, _ = simulate(4, 1, 6, 30)
    found = robust_bradley_terry(tally, false_flag_rate=1e-9)
    plain = bradley_terry(tally, prior_sd=PRIOR_SD)
    assert not found.flagged.any()
    assert found.scores == pytest.approx(plain.scores, abs=1e-6)
    assert found.standard_errors == pytest.approx(plain.standard_errors, rel=1e-4)


def test_p_values_of_a_flagged_pair_are_near_exact_binomial_ones() -> None:
    """With endless votes elsewhere the expected share is known, and the newcomer's test is the binomial test."""
    theta = np.array([0.6, 0.2, 0.0, -0.3, -0.5])
    points = 1e7 / (1 + np.exp(theta[None, :] - theta[:, None])) * ~np.eye(5, dtype=bool)
    points[0, 1], points[1, 0] = 5, 25
    found = robust_bradley_terry(of_points(points[None]))
    share = 1 / (1 + np.exp(-0.4))
    assert found.flagged[0, 1, 0]
    assert not found.flagged[0, 0, 1]
    assert found.p_values[0, 0, 1] == pytest.approx(2 * binom.cdf(5, 30, share), rel=1e-3)
    assert found.suspicion[0, 1, 0] == pytest.approx(1 - (1 - share) / share * 5 / 25, abs=1e-3)


def test_extra_variance_of_all_pairs_is_not_taken_for_corruption() -> None:
    random = np.random.default_rng(5)
    theta = random.normal(size=(100, 10))
    i, j = np.triu_indices(10, 1)
    chance = 1 / (1 + np.exp(theta[:, j] - theta[:, i]))
    won = 10.0 * random.binomial(40, chance)  # every vote ten times: 400 votes that are worth 40
    points = np.zeros((100, 10, 10))
    points[:, i, j], points[:, j, i] = won, 400 - won
    found = robust_bradley_terry(of_points(points))
    assert found.flagged.sum() / (100 * 45) < 0.03
    assert np.median(found.dispersion) == pytest.approx(10, rel=0.3)


def test_two_items_and_trees_have_nothing_to_contradict() -> None:
    two = robust_bradley_terry(of_points(np.array([[[0.0, 3], [1, 0]]])))
    assert two.scores[0, 0] - two.scores[0, 1] == pytest.approx(log(3), abs=0.02)
    assert not two.flagged.any()
    chain = np.zeros((1, 4, 4))
    chain[0, [0, 1, 2], [1, 2, 3]], chain[0, [1, 2, 3], [0, 1, 2]] = 30, 2
    assert not robust_bradley_terry(of_points(chain)).flagged.any()


def test_an_item_that_never_won_has_a_finite_score_and_the_widest_error() -> None:
    found = robust_bradley_terry(of_points(np.array([[[0.0, 6, 9], [4, 0, 9], [0, 0, 0]]])))
    assert np.isfinite(found.scores).all()
    assert found.standard_errors[0].argmax() == 2
    assert found.standard_errors[0, 2] > 1


@pytest.mark.parametrize("shape", [(0, 3), (2, 1), (2, 3)])
def test_nothing_to_compare_is_score_zero_and_no_flag(shape: tuple[int, int]) -> None:
    found = robust_bradley_terry(of_points(np.zeros((*shape, shape[1]))))
    assert found.scores.shape == shape
    assert not found.scores.any()
    assert not found.flagged.any()
    assert (found.p_values == 1).all()


def test_all_tied_items_are_equal_and_honest() -> None:
    none = np.zeros((1, 5, 5))
    found = robust_bradley_terry(Tally(none, none, np.triu(np.full((1, 5, 5), 50.0), 1)))
    assert found.scores == pytest.approx(np.zeros((1, 5)), abs=1e-9)
    assert not found.flagged.any()


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="false_flag_rate must be between 0 and 1"):
        robust_bradley_terry(of_points(np.zeros((1, 2, 2))), false_flag_rate=rate)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(6)))
def test_names_of_models_do_not_matter(seed: int, order: list[int]) -> None:
    _, tally, _ = simulate(seed, 2, 6, 50, corrupted=1)
    found = robust_bradley_terry(tally)
    moved = robust_bradley_terry(of_points(tally.points[:, order][:, :, order]))
    assert moved.scores == pytest.approx(found.scores[:, order], abs=1e-5)
    assert moved.flagged.tolist() == found.flagged[:, order][:, :, order].tolist()
