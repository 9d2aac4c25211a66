import math

import numpy as np
import pytest

from prefpipe.pipeline.ranking.bradley_terry import logistic
from prefpipe.pipeline.ranking.swaps import effect_of_swaps
from prefpipe.pipeline.ranking.tally import Floats

Table = tuple[float, float, float, float]


def one_pair(tables: list[Table]) -> tuple[Floats, Floats]:
    """Points of i and j where i stood first, then of i and j where j did, for two items and many tournaments."""
    wins, losses = np.zeros((2, 2, len(tables))), np.zeros((2, 2, len(tables)))
    for index, (i_first, j_second, i_second, j_first) in enumerate(tables):
        wins[0, 1, index], losses[0, 1, index] = i_first, j_second
        losses[1, 0, index], wins[1, 0, index] = i_second, j_first
    return wins, losses


def simulated(seed: int, spread: float, prompts: int = 300, items: int = 4, beta: float = 0.4) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    theta = random.normal(0, spread, (items, prompts))
    asked = 1 - np.eye(items)[:, :, None]
    wins = random.binomial(asked.astype(int), logistic(theta[:, None] - theta + beta)).astype(float)
    return wins, asked - wins


def test_the_common_odds_ratio_of_the_berkeley_admissions_is_that_of_r() -> None:
    # Bickel et al. (1975); R's UCBAdmissions: mantelhaen.test gives 0.9046968, 95 % from 0.7719074 to 1.0603298.
    departments: list[Table] = [(512, 313, 89, 19), (353, 207, 17, 8), (120, 205, 202, 391)]
    departments += [(138, 279, 131, 244), (53, 138, 94, 299), (22, 351, 24, 317)]
    found = effect_of_swaps([one_pair(departments)], continuity=0)
    assert math.exp(2 * found.effect) == pytest.approx(0.9046968, abs=1e-7)
    reach = 2 * 1.959963984540054 * found.error
    assert math.exp(2 * found.effect - reach) == pytest.approx(0.7719074, abs=1e-7)
    assert math.exp(2 * found.effect + reach) == pytest.approx(1.0603298, abs=1e-7)


def test_with_one_vote_in_either_order_it_is_the_ratio_of_the_conflicts() -> None:
    first_wins_both, second_wins_both, agree = (1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 1.0, 0.0), (1.0, 0.0, 1.0, 0.0)
    found = effect_of_swaps([one_pair([first_wins_both] * 60 + [second_wins_both] * 20 + [agree] * 500)], continuity=0)
    assert found.effect == pytest.approx(math.log(3) / 2)
    assert found.error == pytest.approx(math.sqrt(1 / 60 + 1 / 20) / 2)
    assert found.share == 1


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0, 10.0])
def test_neither_effect_nor_error_depends_on_the_scores(spread: float) -> None:
    found = [effect_of_swaps([simulated(seed, spread)]) for seed in range(150)]
    effects, errors = np.array([one.effect for one in found]), np.array([one.error for one in found])
    assert effects.mean() == pytest.approx(0.4, abs=3 * effects.std() / math.sqrt(150) + 0.005)
    assert 0.9 < (np.abs(effects - 0.4) < 1.96 * errors).mean() < 0.99


def test_batches_add_up() -> None:
    wins, losses = simulated(0, 1.0)
    parts = [(wins[:, :, part], losses[:, :, part]) for part in (slice(0, 100), slice(100, 300))]
    whole, split = effect_of_swaps([(wins, losses)]), effect_of_swaps(parts)
    assert split.effect == pytest.approx(whole.effect)
    assert split.error == pytest.approx(whole.error)


def test_only_comparisons_with_a_counterpart_count_as_swapped() -> None:
    found = effect_of_swaps([one_pair([(2.0, 1.0, 0.0, 1.0), (1.0, 1.0, 0.0, 0.0)])])
    assert found.share == pytest.approx(2 / 6)


@pytest.mark.parametrize("points", [[], [(np.zeros((2, 2, 1)), np.zeros((2, 2, 1)))]])
def test_without_swaps_nothing_is_known(points: list[tuple[Floats, Floats]]) -> None:
    found = effect_of_swaps(points)
    assert (found.effect, found.error, found.share) == (0, 1, 0)
    assert effect_of_swaps(points, continuity=0).error == math.inf


def test_a_judge_that_always_names_one_slot_has_a_finite_effect() -> None:
    found = effect_of_swaps([one_pair([(1.0, 0.0, 0.0, 1.0)] * 50)])
    assert 2 < found.effect < 10
    assert math.isfinite(found.error)
