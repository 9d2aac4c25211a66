from itertools import pairwise, permutations
from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.ranking.plackett_luce import plackett_luce
from prefpipe.pipeline.ranking.tally import Floats

FOOD = (
    "PiSuL BuPaR TaPiL SuTaR BuPiL PaSuR TaBuL PiPaT SuBuR PaTaL BuSuR TaPiL SuPaT BuTaL PiBuR "
    "PaTaR BuSuR TaPaL PiTaR SuBuL PaPiR BuSuR TaPaL PiSuL SuBuR PaTaR TaPiL BuPaR SuTaL PiBuR"
)


def ballots(seed: int, prompts: int = 1, m: int = 4, n: int = 4) -> tuple[Floats, Floats]:
    """Rankings with ties and holes, and weights among which some are 0."""
    random = np.random.default_rng(seed)
    ranks = random.integers(1, 4, (prompts, m, n)).astype(float)
    ranks[random.random(ranks.shape) < 0.2] = np.nan
    return ranks, random.choice([0, 0.5, 1, 2], (prompts, m))


def pairs(rows: list[tuple[int, int]], n: int) -> Floats:
    """One ranking (winner, loser) a row."""
    ranks = np.full((1, len(rows), n), np.nan)
    for row, (winner, loser) in enumerate(rows):
        ranks[0, row, winner], ranks[0, row, loser] = 1, 2
    return ranks


def minus_log_posterior(theta: Floats, ranks: Floats, weights: Floats, prior_sd: float) -> float:
    """Written from the definition: the mean over all ways of breaking the ties."""
    total = float((theta**2).sum()) / 2 / prior_sd**2
    for ranking, weight in zip(ranks, weights, strict=True):
        ranked = [item for item in range(len(theta)) if not np.isnan(ranking[item])]
        orders = [o for o in permutations(ranked) if all(ranking[a] <= ranking[b] for a, b in pairwise(o))]
        for order in orders:
            for place, item in enumerate(order):
                total -= weight / len(orders) * (theta[item] - np.log(np.exp(theta[list(order[place:])]).sum()))
    return total


@pytest.mark.parametrize("seed", range(6))
def test_equals_a_general_optimiser_with_ties_holes_and_weights(seed: int) -> None:
    ranks, weights = ballots(seed)
    fit = plackett_luce(ranks, weights=weights, prior_sd=1.3)
    found = minimize(minus_log_posterior, np.zeros(4), (ranks[0], weights[0], 1.3), tol=1e-11)
    assert fit.converged.all()
    assert fit.scores[0] == pytest.approx(found.x, abs=1e-5)
    assert minus_log_posterior(fit.scores[0], ranks[0], weights[0], 1.3) <= found.fun + 1e-10


def test_standard_errors_come_from_the_curvature_of_the_posterior() -> None:
    ranks, weights = ballots(1)
    fit = plackett_luce(ranks, weights=weights, prior_sd=1.3)
    step = 1e-4 * np.eye(4)

    def near(shift: Floats) -> float:
        return minus_log_posterior(fit.scores[0] + shift, ranks[0], weights[0], 1.3)

    curve = [[sum(a * b * near(a * u + b * v) for a in (1, -1) for b in (1, -1)) / 4e-8 for u in step] for v in step]
    centre = np.eye(4) - 1 / 4
    assert fit.covariance[0] == pytest.approx(centre @ np.linalg.inv(curve) @ centre, abs=1e-5)


def test_golden_pairs_of_choix() -> None:
    """choix, testcase-pairwise-2: the maximum likelihood of a cycle with one more comparison."""
    fit = plackett_luce(pairs([(0, 1), (0, 1), (1, 2), (2, 0)], 3), prior_sd=1e4)
    assert fit.scores[0] == pytest.approx([0.419617624, -0.419617624, 0], abs=1e-5)


def test_golden_worked_example_of_wikipedia() -> None:
    """Wikipedia, "Bradley-Terry model": A to D with strengths whose geometric mean is 1."""
    won = {(0, 1): 2, (1, 0): 3, (0, 3): 1, (3, 0): 4, (1, 2): 5, (2, 1): 3, (2, 3): 1, (3, 2): 3}
    fit = plackett_luce(pairs([pair for pair, times in won.items() for _ in range(times)], 4), prior_sd=1e4)
    assert np.exp(fit.scores[0]) == pytest.approx([0.64, 1.043, 0.66, 2.27], abs=1e-3)


def test_golden_food_of_evalica_with_ties_as_half_wins() -> None:
    """evalica, food.csv: left, right, which won; scores whose sum is 1."""
    items = ["Burger", "Pasta", "Pizza", "Sushi", "Tacos"]
    rows = FOOD.split()
    ranks = np.full((1, len(rows), 5), np.nan)
    for number, row in enumerate(rows):
        one, two = (next(k for k, item in enumerate(items) if item.startswith(name)) for name in (row[:2], row[2:4]))
        ranks[0, number, one], ranks[0, number, two] = {"L": (1, 2), "R": (2, 1), "T": (1, 1)}[row[4]]
    odds = np.exp(plackett_luce(ranks, prior_sd=1e4).scores[0])
    assert odds / odds.sum() == pytest.approx([0.14797665, 0.12815341, 0.09897983, 0.19060028, 0.43428983], abs=1e-4)


def test_two_items_at_three_to_one_are_a_log_of_three_apart() -> None:
    """Updating both at once, as some libraries do, swings for ever and calls them equal."""
    fit = plackett_luce(pairs([(0, 1), (0, 1), (0, 1), (1, 0)], 2), prior_sd=1e4)
    assert fit.scores[0, 0] - fit.scores[0, 1] == pytest.approx(log(3), abs=1e-6)


def test_an_item_that_is_always_last_has_a_finite_score_and_the_widest_error() -> None:
    fit = plackett_luce(np.array([[[1.0, 2, 3], [2, 1, 3], [1, 2, 3]]]))
    assert fit.scores[0].argmin() == 2
    assert fit.standard_errors[0].argmax() == 2
    assert 0.5 < fit.standard_errors[0, 2] < inf


def test_a_ranking_of_weight_zero_is_not_counted() -> None:
    ranks = np.array([[[1.0, 2, 3], [3, 2, 1]]])
    with_it = plackett_luce(ranks, weights=np.array([[1.0, 0.0]]))
    assert with_it.scores == pytest.approx(plackett_luce(ranks[:, :1]).scores, abs=1e-12)


@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 0, 3), (2, 2, 0), (2, 2, 1)])
def test_nothing_to_compare_is_score_zero(shape: tuple[int, int, int]) -> None:
    fit = plackett_luce(np.ones(shape), prior_sd=2.0)
    assert fit.scores.shape == (shape[0], shape[2])
    assert not fit.scores.any()
    assert fit.standard_errors == pytest.approx(np.full(fit.scores.shape, 2 * np.sqrt(2 / 3) if shape[2] > 1 else 0))


def test_all_tied_and_unranked_items_are_equal() -> None:
    ranks = np.array([[[1.0] * 5] * 3, [[1, 1, np.nan, np.nan, np.nan]] * 3, [[np.nan] * 5] * 3])
    assert plackett_luce(ranks).scores == pytest.approx(np.zeros((3, 5)), abs=1e-12)


def test_contradictory_rankings_cancel() -> None:
    assert plackett_luce(np.array([[[1.0, 2], [2, 1]]])).scores == pytest.approx(np.zeros((1, 2)), abs=1e-12)


def test_only_the_order_of_the_ranks_counts() -> None:
    ranks, _ = ballots(4, prompts=3)
    assert plackett_luce(ranks).scores == pytest.approx(plackett_luce(10 * ranks - 7).scores)


def test_a_tie_of_twelve_items_is_the_largest() -> None:
    ranks = np.append(np.ones(12), 2)[None, None]
    fit = plackett_luce(ranks)
    assert fit.scores[0].argmin() == 12
    assert np.ptp(fit.scores[0, :12]) < 1e-12


def test_a_tie_of_too_many_items_is_refused_with_an_alternative() -> None:
    with pytest.raises(UsageError, match="at most 12 items at the same rank, and here are 13") as caught:
        plackett_luce(np.ones((1, 1, 13)))
    assert caught.value.hint is not None
    assert "borda" in caught.value.hint


def test_a_zero_prior_is_refused_rather_than_taken_for_none() -> None:
    with pytest.raises(ValueError, match="prior_sd must be positive"):
        plackett_luce(np.ones((1, 1, 2)), prior_sd=0)


def test_sixty_items_in_one_undisputed_order_do_not_overflow() -> None:
    fit = plackett_luce(np.arange(60.0)[None, None], prior_sd=1e4)
    assert fit.converged.all()
    assert (np.diff(fit.scores[0]) < 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)), st.permutations(range(4)))
def test_names_of_items_order_of_rankings_and_other_prompts_do_not_matter(
    seed: int, order: list[int], votes: list[int]
) -> None:
    ranks, weights = ballots(seed, prompts=3)
    fit = plackett_luce(ranks, weights=weights)
    moved = plackett_luce(ranks[1:2][:, votes][:, :, order], weights=weights[1:2][:, votes])
    assert moved.scores == pytest.approx(fit.scores[1:2][:, order], abs=1e-7)
    assert moved.standard_errors == pytest.approx(fit.standard_errors[1:2][:, order], abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_ranking_twice_is_a_ranking_of_weight_two(seed: int) -> None:
    ranks, weights = ballots(seed, prompts=2)
    twice = plackett_luce(np.concatenate([ranks, ranks], axis=1), weights=np.concatenate([weights, weights], axis=1))
    assert twice.scores == pytest.approx(plackett_luce(ranks, weights=2 * weights).scores, abs=1e-8)


def test_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(8)
    theta = random.normal(size=(500, 5))
    drawn = theta[:, None, :] + random.gumbel(size=(500, 12, 5))
    fit = plackett_luce((-drawn).argsort(axis=2).argsort(axis=2).astype(np.float64), prior_sd=1.0)
    off = fit.scores - (theta - theta.mean(axis=1, keepdims=True))
    assert 0.93 <= (np.abs(off) < 1.96 * fit.standard_errors).mean() <= 0.97
