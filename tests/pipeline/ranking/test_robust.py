from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry
from prefpipe.pipeline.ranking.robust import PRIOR_SD, Cells, robust_bradley_terry
from prefpipe.pipeline.ranking.tally import Floats, Tally


def of_matrix(points: list[list[float]] | Floats) -> Cells:
    """Cells of one judge: points of i against j."""
    given = np.array(points, float)
    i, j = np.nonzero(np.triu(given + given.T, 1))
    return Cells(len(given), i, j, given[i, j], (given + given.T)[i, j])


def plain(cells: Cells) -> Floats:
    """The scores of all cells, none of them flagged."""
    points = np.zeros((1, cells.models, cells.models))
    np.add.at(points[0], (cells.first, cells.second), cells.points)
    np.add.at(points[0], (cells.second, cells.first), cells.votes - cells.points)
    none = np.zeros_like(points)
    scores: Floats = bradley_terry(Tally(points, none, none), prior_sd=PRIOR_SD).scores[0]
    return scores


def simulate(seed: int, n: int, votes: int, judges: int = 1, corrupted: int = 0) -> tuple[Floats, Cells, Floats]:
    """True scores (n,), votes of each judge on each pair, and where six in ten are bought: 1 for the first, or -1."""
    random = np.random.default_rng(seed)
    theta = random.normal(size=n)
    first, second = (np.tile(side, judges) for side in np.triu_indices(n, 1))
    chance = 1 / (1 + np.exp(theta[second] - theta[first]))
    bought = np.zeros(len(first))
    bought[random.choice(len(first), corrupted, replace=False)] = 1
    bought *= random.choice([-1, 1], len(first))
    chance = np.where(bought == 0, chance, 0.4 * chance + 0.6 * (bought > 0))
    points = random.binomial(votes, chance).astype(float)
    return theta - theta.mean(), Cells(n, first, second, points, np.full(len(first), float(votes))), bought


@pytest.mark.parametrize("rate", [0.01, 0.05])
@pytest.mark.parametrize(("n", "votes", "judges"), [(10, 40, 1), (10, 40, 4), (7, 20, 1)])
def test_honest_cells_are_flagged_no_more_often_than_stated(n: int, votes: int, judges: int, rate: float) -> None:
    found = [robust_bradley_terry(simulate(run, n, votes, judges)[1], false_flag_rate=rate) for run in range(40)]
    assert np.mean([fit.flagged.mean() for fit in found]) <= rate
    assert all(fit.converged for fit in found)


def test_corrupted_cells_are_found_with_their_size_and_the_scores_are_better_without_them() -> None:
    hits, alarms, robust, blind = [], [], 0.0, 0.0
    for run in range(25):
        truth, cells, bought = simulate(run, 10, 400, corrupted=5)
        found = robust_bradley_terry(cells, false_flag_rate=0.01)
        hits.append(found.flagged[bought != 0].mean())
        alarms.append(found.flagged[bought == 0].mean())
        robust += ((found.scores - truth) ** 2).mean()
        blind += ((plain(cells) - truth) ** 2).mean()
        ahead = cells.points > cells.votes * found.expected
        caught = found.flagged & (bought != 0)
        assert (ahead == (bought > 0))[caught].all()
        assert (found.suspicion[found.flagged] > 0).all()
        assert not found.suspicion[~found.flagged].any()
    assert np.mean(hits) > 0.9
    assert np.mean(alarms) < 0.015
    assert robust < blind / 4


def test_one_judge_of_several_who_is_corrupt_on_a_pair_is_told_from_the_others() -> None:
    runs = [simulate(seed, 6, 200, judges=4, corrupted=3) for seed in range(10)]
    flags = [robust_bradley_terry(cells, false_flag_rate=0.001).flagged for _, cells, _ in runs]
    bought = np.array([bought != 0 for _, _, bought in runs])
    assert np.array(flags)[bought].mean() > 0.8
    assert np.array(flags)[~bought].mean() < 0.002


def test_without_flags_it_is_the_plain_fit() -> None:
    _, cells, _ = simulate(4, 6, 30)
    found = robust_bradley_terry(cells, false_flag_rate=1e-9)
    assert not found.flagged.any()
    assert found.scores == pytest.approx(plain(cells), abs=1e-6)


def test_p_values_of_a_flagged_cell_are_near_exact_binomial_ones() -> None:
    """With endless votes elsewhere the expected share is known, and the newcomer's test is the binomial test."""
    theta = np.array([0.6, 0.2, 0.0, -0.3, -0.5])
    points = 1e7 / (1 + np.exp(theta[None, :] - theta[:, None])) * ~np.eye(5, dtype=bool)
    points[0, 1], points[1, 0] = 5, 25
    found = robust_bradley_terry(of_matrix(points), false_flag_rate=0.01)
    share = 1 / (1 + np.exp(-0.4))
    assert found.flagged.tolist() == [True] + [False] * 9
    assert found.p_values[0] == pytest.approx(2 * binom.cdf(5, 30, share), rel=1e-3)
    assert found.suspicion[0] == pytest.approx(1 - (1 - share) / share * 5 / 25, abs=1e-3)


def test_extra_variance_of_all_cells_is_not_taken_for_corruption() -> None:
    found = []
    for run in range(30):
        _, cells, _ = simulate(run, 10, 40)
        tenfold = replace(cells, points=10 * cells.points, votes=10 * cells.votes)  # 400 votes that are worth 40
        found.append(robust_bradley_terry(tenfold, false_flag_rate=0.01))
    assert np.mean([fit.flagged.mean() for fit in found]) < 0.03
    assert np.median([fit.dispersion for fit in found]) == pytest.approx(10, rel=0.3)


def test_two_models_and_trees_have_nothing_to_contradict() -> None:
    two = robust_bradley_terry(of_matrix([[0, 3], [1, 0]]), false_flag_rate=0.01)
    assert two.scores[0] - two.scores[1] == pytest.approx(log(3), abs=0.02)
    assert not two.flagged.any()
    chain = np.zeros((4, 4))
    chain[[0, 1, 2], [1, 2, 3]], chain[[1, 2, 3], [0, 1, 2]] = 30, 2
    assert not robust_bradley_terry(of_matrix(chain), false_flag_rate=0.01).flagged.any()


def test_two_judges_who_contradict_each_other_on_the_only_pair_cannot_be_told_apart() -> None:
    cells = Cells(2, np.array([0, 0]), np.array([1, 1]), np.array([50.0, 0.0]), np.array([50.0, 50.0]))
    assert not robust_bradley_terry(cells, false_flag_rate=0.01).flagged.any()


def test_a_model_that_never_won_has_a_finite_score() -> None:
    found = robust_bradley_terry(of_matrix([[0, 6, 9], [4, 0, 9], [0, 0, 0]]), false_flag_rate=0.01)
    assert np.isfinite(found.scores).all()
    assert found.scores.argmin() == 2


def test_all_tied_models_are_equal_and_honest() -> None:
    found = robust_bradley_terry(of_matrix(25.0 * ~np.eye(5, dtype=bool)), false_flag_rate=0.01)
    assert found.scores == pytest.approx(np.zeros(5), abs=1e-9)
    assert not found.flagged.any()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(6)))
def test_names_of_models_do_not_matter(seed: int, order: list[int]) -> None:
    _, cells, _ = simulate(seed, 6, 50, corrupted=1)
    found = robust_bradley_terry(cells, false_flag_rate=0.01)
    names = np.array(order)
    moved = robust_bradley_terry(
        replace(cells, first=names[cells.first], second=names[cells.second]), false_flag_rate=0.01
    )
    assert moved.scores[names] == pytest.approx(found.scores, abs=1e-5)
    assert moved.flagged.tolist() == found.flagged.tolist()
