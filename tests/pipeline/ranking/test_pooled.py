import math

import numpy as np
import pytest
from scipy import optimize

from prefpipe.pipeline.ranking.bradley_terry import PRIOR_SD, bradley_terry, logistic
from prefpipe.pipeline.ranking.pooled import MOST_SPREAD, WIDENING, Shared, estimate_shared
from prefpipe.pipeline.ranking.tally import Floats, Tally

BETA = 0.4


def simulated(
    seed: int, *, orders: str, prompts: int = 2000, items: int = 7, spread: float = 1.5, repeats: int = 1
) -> tuple[Floats, Tally]:
    """Return true centred scores, and votes on every pair: in both orders, or in one drawn by chance."""
    random = np.random.default_rng(seed)
    theta = random.normal(0, spread, (prompts, items))
    asked = np.triu(np.ones((prompts, items, items)), 1) * repeats
    if orders == "one":
        asked = random.binomial(asked.astype(int), 0.5).astype(float)
        asked += (repeats - asked).transpose(0, 2, 1) * np.tri(items, k=-1)
    else:
        asked += asked.transpose(0, 2, 1)
    wins = random.binomial(asked.astype(int), logistic(theta[:, :, None] - theta[:, None] + BETA)).astype(float)
    lost = (asked - wins).transpose(0, 2, 1)
    return theta - theta.mean(1, keepdims=True), Tally(wins, lost, np.zeros_like(wins))


def swapped(tally: Tally) -> Tally:
    return Tally(tally.second_wins, tally.first_wins, tally.first_ties.transpose(0, 2, 1))


@pytest.mark.parametrize("orders", ["both", "one"])
@pytest.mark.parametrize("spread", [0.7, 1.5, 3.0])
def test_position_effect_and_spread_of_simulated_votes_are_recovered(orders: str, spread: float) -> None:
    _, tally = simulated(1, orders=orders, spread=spread)
    found = estimate_shared([tally])
    assert found.position_effect == pytest.approx(BETA, abs=0.02 + 3 * found.position_error)
    assert found.prior_sd / WIDENING == pytest.approx(spread, rel=0.15)


def test_estimating_scores_and_position_effect_together_would_be_biased() -> None:
    _, tally = simulated(2, orders="one", spread=1.0)
    joint = estimate_shared([tally], prior_sd=math.inf).position_effect
    assert joint > BETA + 0.1
    assert estimate_shared([tally]).position_effect == pytest.approx(BETA, abs=0.04)


@pytest.mark.parametrize("orders", ["both", "one"])
def test_intervals_of_95_percent_cover_the_truth_in_93_to_97_percent_of_tournaments(orders: str) -> None:
    theta, tally = simulated(3, orders=orders, prompts=4000)
    shared = estimate_shared([tally])
    fit = bradley_terry(
        tally,
        prior_sd=shared.prior_sd,
        position_effect=shared.position_effect,
        position_error=shared.position_error,
    )
    covered = np.abs(fit.scores - theta) < 1.96 * fit.standard_errors
    assert 0.93 < covered.mean() < 0.97


def test_the_interval_of_the_position_effect_covers_the_truth_over_many_seeds() -> None:
    found = [estimate_shared([simulated(seed, orders="one", prompts=60)[1]]) for seed in range(150)]
    covered = [abs(one.position_effect - BETA) < 1.96 * one.position_error for one in found]
    assert 0.9 < np.mean(covered) < 0.99


def test_being_shown_first_brings_no_advantage_once_the_effect_is_estimated() -> None:
    theta, tally = simulated(4, orders="one", prompts=4000)
    first = (tally.first_wins + tally.second_wins.transpose(0, 2, 1)).sum(2)
    luck = first - (theta.shape[1] - 1) / 2

    def advantage(effect: float) -> float:
        error = bradley_terry(tally, prior_sd=1.5, position_effect=effect).scores - theta
        return float(np.polyfit(luck.ravel(), error.ravel(), 1)[0])

    assert advantage(0.0) > 0.05
    assert abs(advantage(estimate_shared([tally]).position_effect)) < 0.015


def test_swapping_the_slots_of_all_votes_turns_the_effect_round() -> None:
    _, tally = simulated(5, orders="one", prompts=200)
    plain, turned = estimate_shared([tally]), estimate_shared([swapped(tally)])
    assert turned.position_effect == pytest.approx(-plain.position_effect, abs=1e-6)
    assert turned.position_error == pytest.approx(plain.position_error, rel=1e-6)
    assert turned.prior_sd == pytest.approx(plain.prior_sd, rel=1e-6)


def test_splitting_the_tournaments_changes_nothing() -> None:
    _, tally = simulated(6, orders="both", prompts=300)
    parts = [
        Tally(tally.first_wins[part], tally.second_wins[part], tally.first_ties[part])
        for part in (slice(0, 100), slice(100, 300))
    ]
    whole, split = estimate_shared([tally]), estimate_shared(parts)
    assert split.position_effect == pytest.approx(whole.position_effect, abs=1e-9)
    assert split.prior_sd == pytest.approx(whole.prior_sd, abs=1e-9)


def test_without_a_prior_scores_and_effect_are_the_joint_maximum_of_the_likelihood() -> None:
    _, tally = simulated(7, orders="both", prompts=1, items=4, repeats=40)

    def loss(parameters: Floats) -> float:
        theta, beta = np.append(parameters[:3], 0), parameters[3]
        chance = logistic(theta[:, None] - theta + beta)
        prior = beta**2 / 8  # the one on the position effect stays
        lost = tally.second_wins[0].T
        return float(prior - (tally.first_wins[0] * np.log(chance) + lost * np.log(1 - chance)).sum())

    best = optimize.minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8}).x
    assert estimate_shared([tally], prior_sd=math.inf).position_effect == pytest.approx(best[3], abs=1e-4)


def test_what_is_given_stays_as_it_is() -> None:
    _, tally = simulated(8, orders="both", prompts=50)
    assert estimate_shared([tally], position_effect=0.1, prior_sd=3.0) == Shared(0.1, 0.0, 3.0)
    assert estimate_shared([tally], position_effect=0.0).position_effect == 0
    assert estimate_shared([tally], position_effect=0.0).position_error == 0
    assert estimate_shared([tally], prior_sd=3.0).prior_sd == 3


def test_too_few_comparisons_leave_the_expected_spread() -> None:
    _, tally = simulated(9, orders="one", items=2)
    assert estimate_shared([tally]).prior_sd == pytest.approx(PRIOR_SD)


def test_no_votes_at_all_leave_everything_as_expected() -> None:
    nothing = np.zeros((3, 4, 4))
    for tallies in ([], [Tally(nothing, nothing, nothing)]):
        found = estimate_shared(tallies)
        assert found.position_effect == 0
        assert found.prior_sd == pytest.approx(PRIOR_SD)
        assert math.isfinite(found.position_error)


@pytest.mark.parametrize("first_always", [True, False])
def test_a_judge_that_never_wavers_has_finite_parameters(first_always: bool) -> None:
    asked = np.triu(np.ones((50, 5, 5)), 1)
    nothing = np.zeros_like(asked)
    tally = Tally(asked + asked.transpose(0, 2, 1), nothing, nothing) if first_always else Tally(asked, asked, nothing)
    found = estimate_shared([tally])
    assert math.isfinite(found.position_effect)
    assert found.prior_sd <= WIDENING * MOST_SPREAD + 1e-9
    assert (found.position_effect > 2) is first_always
