import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry, logistic
from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of, tally
from prefpipe.pipeline.ranking.davidson import davidson_given
from prefpipe.pipeline.ranking.judge_effects import (
    MOST_EFFECTS,
    all_judges,
    drawn_together,
    effects_of_judges,
    tallies_of_judges,
)
from prefpipe.pipeline.ranking.methods import METHODS
from prefpipe.pipeline.ranking.rao_kupper import rao_kupper_given
from prefpipe.pipeline.ranking.shared import find_shared
from prefpipe.pipeline.ranking.tally import Floats, Tally

EFFECTS = (1.5, -1.0)


def voted(seed: int, effect: float, theta: Floats, *, both: bool, ties: float = 0.1) -> Tally:
    """One vote on every pair by a judge, in both orders or in one drawn by chance, some of them ties."""
    random = np.random.default_rng(seed)
    asked = np.triu(np.ones((*theta.shape, theta.shape[1])), 1)
    if not both:
        asked = random.binomial(asked.astype(int), 0.5).astype(float)
        asked += (np.triu(1 - asked, 1)).transpose(0, 2, 1)
    else:
        asked += asked.transpose(0, 2, 1)
    tied = random.binomial(asked.astype(int), ties).astype(float)
    decided = (asked - tied).astype(int)
    wins = random.binomial(decided, logistic(theta[:, :, None] - theta[:, None] + effect)).astype(float)
    return Tally(wins, (decided - wins).transpose(0, 2, 1), tied)


def swapped(votes: Tally) -> Tally:
    return Tally(votes.second_wins, votes.first_wins, votes.first_ties.transpose(0, 2, 1))


def strengths(prompts: int, items: int = 5, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 1.2, (prompts, items))


def test_effects_that_differ_by_chance_only_are_one() -> None:
    assert drawn_together(np.array([0.3, 0.4, 0.35]), np.array([0.1, 0.1, 0.1])) is None
    assert drawn_together(np.array([0.3, 9.0]), np.array([0.1, math.inf])) is None
    assert drawn_together(np.array([0.3]), np.array([0.1])) is None


def test_sure_effects_stay_and_unsure_ones_move_to_the_mean() -> None:
    found = drawn_together(np.array([2.0, -1.0, 0.8, 5.0]), np.array([0.01, 0.01, 3.0, math.inf]))
    assert found is not None
    effects, errors = found
    assert effects[:2] == pytest.approx([2.0, -1.0], abs=0.001)
    assert errors[:2] == pytest.approx([0.01, 0.01], rel=0.01)
    assert effects[2:] == pytest.approx([0.5, 0.5], abs=0.2)
    assert errors[3] > errors[2] > 1


def test_intervals_of_effects_hold_the_truth_nearly_as_often_as_if_the_variance_were_known() -> None:
    random = np.random.default_rng(1)
    inside = []
    for _ in range(300):
        errors = random.uniform(0.1, 2.0, 12)
        truth = random.normal(0.3, 0.8, 12)
        found = drawn_together(truth + random.normal(0, errors), errors)
        if found is not None:
            inside.append(np.abs(found[0] - truth) < 1.96 * found[1])
    assert 0.87 < np.mean(inside) < 0.97


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.05, 2)), min_size=2, max_size=6))
def test_the_order_of_judges_changes_nothing(judges: list[tuple[float, float]]) -> None:
    effects, errors = np.array(judges).T
    turned = np.roll(np.arange(len(judges)), 1)
    plain, other = drawn_together(effects, errors), drawn_together(effects[turned], errors[turned])
    if plain is None or other is None:
        return
    assert plain[0][turned] == pytest.approx(other[0], abs=1e-6)
    assert plain[1][turned] == pytest.approx(other[1], abs=1e-6)


def test_judges_with_most_votes_have_effects_of_their_own_and_the_rest_share_one() -> None:
    names = [f"judge {number:02}" for number in range(MOST_EFFECTS + 5)]
    votes = np.arange(len(names))[::-1].copy()
    assert effects_of_judges(names, votes).tolist() == [*range(MOST_EFFECTS), *[MOST_EFFECTS - 1] * 5]
    alike = np.full(3, 7)
    assert effects_of_judges(["c", "a", "b"], alike).tolist() == [2, 0, 1]


def test_comparisons_apart_add_up_to_those_together() -> None:
    random = np.random.default_rng(0)
    shown = np.array([random.permutation(4)[:2] for _ in range(60)])
    prompt, source = random.integers(0, 3, 60), random.integers(0, 4, 60)
    ranks = random.integers(1, 3, 120)
    ballots = Ballots(prompt, source, prompt >= 0, np.arange(0, 121, 2), shown.ravel(), ranks)
    apart = tallies_of_judges(ballots, np.array([0, 1, 1, 2]), 3, 3, 4)
    whole = tally(pairs_of(ballots), 3, 4)
    for name in ("first_wins", "second_wins", "first_ties"):
        np.testing.assert_array_equal(getattr(all_judges(apart), name), getattr(whole, name))
    mine = tally(pairs_of(ballots).where(np.isin(source, [1, 2])[pairs_of(ballots).vote]), 3, 4)
    np.testing.assert_array_equal(apart[1].first_wins, mine.first_wins)


FITS: dict[str, Callable[..., Any]] = {
    "bradley-terry": lambda *tallies, position: bradley_terry(*tallies, prior_sd=2.0, position_effect=position),
    "davidson": lambda *tallies, position: davidson_given(*tallies, tie=0.4, position=position, prior_sd=2.0),
    "rao-kupper": lambda *tallies, position: rao_kupper_given(*tallies, tie=1.4, position=position, prior_sd=2.0),
}


@pytest.mark.parametrize("name", FITS)
def test_judges_apart_with_the_same_effect_are_judges_together(name: str) -> None:
    theta = strengths(7)
    one, other = voted(1, 0.5, theta, both=True), voted(2, 0.5, theta, both=False)
    apart, whole = FITS[name](one, other, position=[0.5, 0.5]), FITS[name](all_judges([one, other]), position=0.5)
    assert apart.scores == pytest.approx(whole.scores, abs=1e-9)
    assert apart.standard_errors == pytest.approx(whole.standard_errors, abs=1e-9)


@pytest.mark.parametrize("name", FITS)
def test_a_judge_with_the_opposite_effect_is_one_who_saw_the_other_order(name: str) -> None:
    theta = strengths(7)
    one, other = voted(1, 1.5, theta, both=True), voted(2, -1.5, theta, both=False)
    apart = FITS[name](one, other, position=[1.5, -1.5])
    whole = FITS[name](all_judges([one, swapped(other)]), position=1.5)
    assert apart.scores == pytest.approx(whole.scores, abs=1e-9)
    assert apart.covariance == pytest.approx(whole.covariance, abs=1e-9)


def test_each_judges_error_widens_those_of_scores() -> None:
    theta = strengths(3)
    tallies = voted(1, 1.5, theta, both=False), voted(2, -1.0, theta, both=False)
    variance = [
        bradley_terry(*tallies, position_effect=EFFECTS, position_error=errors).standard_errors ** 2
        for errors in ([0, 0], [0.5, 0], [0, 0.5], [0.5, 0.5])
    ]
    assert (variance[1] > variance[0]).any()
    assert variance[3] - variance[0] == pytest.approx(variance[1] + variance[2] - 2 * variance[0])


@pytest.mark.parametrize("method", ["bradley-terry", "davidson", "rao-kupper"])
@pytest.mark.parametrize("both", [True, False])
def test_judges_who_differ_have_their_effects_found(method: str, both: bool) -> None:
    theta = strengths(500)
    tallies = [voted(seed, effect, theta, both=both, ties=0.0) for seed, effect in enumerate(EFFECTS)]
    found = find_shared(METHODS[method], [tallies], None, np.array([0, 1]))
    assert found.of_judges is not None
    together = find_shared(METHODS[method], [[all_judges(tallies)]], None, np.array([0, 0]))
    assert together.of_judges is None
    assert found.prior_sd > 1.15 * together.prior_sd
    for effect, error, truth in zip(found.of_judges.effects, found.of_judges.errors, EFFECTS, strict=True):
        assert effect == pytest.approx(truth, abs=0.1 * abs(truth) + 3 * error)


def test_judges_who_vote_alike_share_an_effect() -> None:
    votes = voted(1, 0.5, strengths(50), both=True)
    found = find_shared(METHODS["bradley-terry"], [[votes, votes]], None, np.array([0, 1]))
    assert found.of_judges is None
    assert found.position_effect == pytest.approx(0.5, abs=0.2)


def test_what_is_known_is_not_searched_for() -> None:
    theta = strengths(40)
    tallies = [voted(seed, effect, theta, both=True) for seed, effect in enumerate(EFFECTS)]
    found = find_shared(METHODS["bradley-terry"], [tallies], None, np.array([0, 1]), position_effect=0.2, prior_sd=1.0)
    assert (found.position_effect, found.position_error, found.prior_sd, found.of_judges) == (0.2, 0.0, 1.0, None)
    spread = find_shared(METHODS["bradley-terry"], [tallies], None, np.array([0, 1]), prior_sd=1.0)
    assert (spread.prior_sd, spread.of_judges is not None) == (1.0, True)
