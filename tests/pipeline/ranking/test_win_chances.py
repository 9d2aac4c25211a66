import math
from collections.abc import Callable
from inspect import signature
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.bradley_terry import logistic
from prefpipe.pipeline.ranking.elo import elo
from prefpipe.pipeline.ranking.methods import METHODS, chances_of
from prefpipe.pipeline.ranking.pooled import Shared
from prefpipe.pipeline.ranking.tally import Floats
from prefpipe.pipeline.ranking.weng_lin import trueskill, weng_lin
from prefpipe.pipeline.ranking.win_chances import chances_against_others, rao_kupper_link

TIE = 1.8
SHARED = Shared(position_effect=0.7, position_error=0.1, prior_sd=1.5, tie=TIE)
NORMAL = NormalDist()


def by_rao_kupper(lead: float) -> float:
    win, loss = (math.exp(side) / (math.exp(side) + TIE) for side in (lead, -lead))
    return win / (win + loss)


def by_trueskill(lead: float) -> float:
    sd, margin = math.sqrt(2) * 25 / 6, NORMAL.inv_cdf(0.55) * math.sqrt(2) * 25 / 6
    win, loss = (NORMAL.cdf((side - margin) / sd) for side in (lead, -lead))
    return win / (win + loss)


def by_logit(lead: float) -> float:
    return 1 / (1 + math.exp(-lead))


IN_LOGITS = {"bradley-terry", "davidson", "firth", "plackett-luce", "rank-centrality", "luce-spectral"}
CHANCES: dict[str, Callable[[float], float]] = dict.fromkeys(sorted(IN_LOGITS), by_logit) | {
    "rao-kupper": by_rao_kupper,
    "elo": lambda lead: 1 / (1 + 10 ** (-lead / 400)),
    "weng-lin": lambda lead: by_logit(lead / (math.sqrt(2) * 25 / 6)),
    "trueskill": by_trueskill,
}
"""The chance of two candidates by every method that has one, written out."""

SIZES = {"elo": 300.0, "weng-lin": 6.0, "trueskill": 6.0}
"""How far scores lie apart; in logits, by 1.5."""


def made_up(method: str, seed: int, prompts: int, items: int) -> Floats:
    """Some scores are equal."""
    random = np.random.default_rng(seed)
    return random.integers(-4, 5, (prompts, items)) / 2 * SIZES.get(method, 1.5)


def test_models_have_chances_and_rules_have_none() -> None:
    assert {name for name, method in METHODS.items() if method.link} == CHANCES.keys()
    for method in METHODS.keys() - CHANCES.keys():
        assert np.isnan(chances_of(method, SHARED)(np.array([[2.0, 1.0], [0.0, 0.0]]))).all()


@pytest.mark.parametrize("method", CHANCES)
def test_of_two_candidates_it_is_the_chance_that_their_lead_gives(method: str) -> None:
    lead = SIZES.get(method, 1.5)
    found = chances_of(method, SHARED)(np.array([[lead, 0.0], [0.0, 0.0]]))
    assert found[0] == pytest.approx([CHANCES[method](lead), 1 - CHANCES[method](lead)], abs=1e-8)
    assert found[1].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("method", CHANCES)
@given(seed=st.integers(0, 10**6), prompts=st.integers(0, 4), items=st.integers(2, 9))
def test_it_is_the_mean_over_all_others_one_by_one(method: str, seed: int, prompts: int, items: int) -> None:
    scores = made_up(method, seed, prompts, items)
    expected = [
        [sum(CHANCES[method](own - other) for j, other in enumerate(row) if j != i) / (items - 1)]
        for row in scores
        for i, own in enumerate(row)
    ]
    found = chances_of(method, SHARED)(scores)
    np.testing.assert_allclose(found.reshape(-1, 1), np.reshape(expected, (-1, 1)), atol=2e-9)


@pytest.mark.parametrize("method", CHANCES)
@given(seed=st.integers(0, 10**6), items=st.integers(2, 9))
def test_chances_add_up_to_half_the_candidates_and_follow_scores_not_places(method: str, seed: int, items: int) -> None:
    scores = made_up(method, seed, 3, items)
    found = chances_of(method, SHARED)(scores)
    np.testing.assert_allclose(found.sum(1), items / 2, atol=1e-8)
    for row, chances in zip(scores, found, strict=True):
        ahead, likelier = np.sign(np.subtract.outer(row, row)), np.subtract.outer(chances, chances)
        assert (likelier * ahead >= 0).all()
        assert (abs(likelier[ahead == 0]) <= 2e-9).all()
    order = np.random.default_rng(seed).permutation(items)
    np.testing.assert_allclose(chances_of(method, SHARED)(scores[:, order]), found[:, order], atol=2e-9)


@pytest.mark.parametrize("method", CHANCES)
def test_no_lead_is_too_large(method: str) -> None:
    found = chances_of(method, SHARED)(np.array([[1e6, 0.0, -1e6]]))
    np.testing.assert_allclose(found, [[1, 0.5, 0]], atol=1e-9)


def test_a_candidate_without_others_or_without_a_score_has_no_chance() -> None:
    assert np.isnan(chances_against_others(np.zeros((2, 1)), logistic)).all()
    found = chances_against_others(np.array([[1.0, math.nan, 0.0], [1.0, 0.0, 0.0]]), logistic)
    assert np.isnan(found[0]).all()
    assert not np.isnan(found[1]).any()


def test_ratings_and_chances_are_in_the_same_units() -> None:
    assert signature(elo).parameters["scale"].default == 400
    assert signature(trueskill).parameters["draw_probability"].default == 0.1
    for rate in (weng_lin, trueskill):
        assert signature(rate).parameters["beta"].default == 25 / 6


def test_by_rao_kupper_a_lead_decides_more_the_more_is_tied() -> None:
    leads = np.array([-2.0, 0.0, 1e-4, 1.0])
    np.testing.assert_allclose(rao_kupper_link(leads, 1.0), logistic(leads), atol=1e-12)
    np.testing.assert_allclose(rao_kupper_link(leads, math.inf), logistic(2 * leads), atol=1e-4)
    assert rao_kupper_link(leads, 2.0)[3] > rao_kupper_link(leads, 1.5)[3] > logistic(leads)[3]
