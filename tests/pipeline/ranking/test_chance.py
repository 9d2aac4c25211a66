from itertools import permutations, product

import numpy as np
import pytest

from prefpipe.pipeline.ranking.chance import Sums, agreement_p_values, chance_of_agreement, exact_spread
from prefpipe.pipeline.ranking.tally import Floats


def random_rankings(count: int, rankings: int, items: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    return random.random((count, rankings, items)).argsort(2).astype(float) - (items - 1) / 2


def sums_of(rankings: Floats) -> Sums:
    sums = Sums(*(np.zeros(len(rankings), np.int64) for _ in range(4)))
    sums.put(slice(None), np.rint(2 * rankings).astype(np.int64).transpose(2, 1, 0))
    return sums


@pytest.mark.parametrize(("rankings", "items"), [(2, 2), (5, 2), (2, 3), (3, 3), (4, 3), (2, 4), (3, 4)])
def test_exact_distribution_is_that_of_all_combinations_of_orders(rankings: int, items: int) -> None:
    centred = [np.array(order) - (items - 1) / 2 for order in permutations(range(items))]
    spreads = np.array([(np.sum(choice, axis=0) ** 2).sum() for choice in product(centred, repeat=rankings)])
    found = exact_spread(rankings, items)
    assert found is not None
    values, tails = found
    np.testing.assert_allclose(values, np.unique(spreads))
    np.testing.assert_allclose(tails, [(spreads >= value - 1e-9).mean() for value in values])


@pytest.mark.parametrize(
    ("rankings", "items", "share"), [(2, 2, 0.49), (2, 4, 0.37), (3, 3, 0.19), (3, 4, 0.08), (5, 4, 0.005)]
)
def test_a_coin_flipping_judge_passes_as_often_as_was_found_by_simulation(
    rankings: int, items: int, share: float
) -> None:
    assert chance_of_agreement(rankings, items, 0.7) == pytest.approx(share, abs=0.011)


def test_five_random_rankings_of_seven_exceed_the_quantiles_found_by_simulation() -> None:
    assert chance_of_agreement(5, 7, 0.394) == pytest.approx(0.05, abs=0.003)
    assert chance_of_agreement(5, 7, 0.491) == pytest.approx(0.01, abs=0.001)


def test_any_judge_passes_no_threshold_and_none_passes_one_above_one() -> None:
    assert chance_of_agreement(3, 4, float("-inf")) == chance_of_agreement(3, 4, 0.0) == 1
    assert chance_of_agreement(3, 4, 1.1) == 0
    assert chance_of_agreement(3, 3, 1.0) == pytest.approx(1 / 36)


@pytest.mark.parametrize(("rankings", "items"), [(5, 7), (3, 8), (11, 5), (41, 4)])
def test_beyond_enumeration_small_p_values_are_right_within_their_stated_error(rankings: int, items: int) -> None:
    assert exact_spread(rankings, items) is None
    sums = sums_of(random_rankings(50_000, rankings, items, seed=3))
    p_values = agreement_p_values(sums, items)
    true = 1 - np.searchsorted(np.sort(sums.spread), sums.spread) / len(p_values)
    assert np.abs(p_values - true)[true < 0.2].max() < 0.005 + 0.004


@pytest.mark.parametrize(("rankings", "items"), [(4, 3), (3, 5), (5, 7)])
def test_random_rankings_have_a_p_value_below_a_tenth_at_most_a_tenth_of_the_time(rankings: int, items: int) -> None:
    sums = sums_of(random_rankings(50_000, rankings, items, seed=5))
    assert (agreement_p_values(sums, items) < 0.1).mean() < 0.105


def test_ties_keep_p_values_near_their_permutation_distribution() -> None:
    random = np.random.default_rng(7)
    patterns = np.array([[-2, -0.5, -0.5, 1, 2], [-1.5, -1.5, 0, 1, 2], [-2, 0, 0, 0, 2], [-2, -1, 0, 1, 2]])
    drawn = random.permuted(np.broadcast_to(patterns, (50_000, 4, 5)), axis=2)
    sums = sums_of(drawn)
    p_values = agreement_p_values(sums, 5)
    true = 1 - np.searchsorted(np.sort(sums.spread), sums.spread) / len(p_values)
    assert np.abs(p_values - true)[true < 0.2].max() < 0.03


def test_rankings_that_are_one_tie_change_no_p_value() -> None:
    rankings = random_rankings(200, 3, 4, seed=9)
    padded = np.concatenate([rankings, np.zeros((200, 2, 4))], axis=1)
    np.testing.assert_array_equal(agreement_p_values(sums_of(rankings), 4), agreement_p_values(sums_of(padded), 4))


def test_one_ranking_agrees_with_nothing() -> None:
    assert np.isnan(agreement_p_values(sums_of(np.array([[[-1.5, -0.5, 0.5, 1.5], [0.0, 0.0, 0.0, 0.0]]])), 4)).all()
