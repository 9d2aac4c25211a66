import numpy as np
import pytest

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry
from prefpipe.pipeline.ranking.methods import METHODS
from prefpipe.pipeline.ranking.shared_ties import TieModel, estimate_ties, padded, position_of
from prefpipe.pipeline.ranking.tally import Floats, Tally

MODELS = {name: method.ties for name, method in METHODS.items() if method.ties is not None}
EFFECT = 0.6


def counted(prompts: int, items: int, seed: int) -> Tally:
    chance = np.random.default_rng(seed)
    first, second, tied = chance.poisson(1.0, (3, prompts, items, items)) * ~np.eye(items, dtype=bool)
    return Tally(first * 2.0, second * 1.0, tied * 1.0)


def chances(name: str, margin: Floats) -> tuple[Floats, Floats]:
    """Of a win of the first slot, and of a tie."""
    if name == "davidson":
        total = np.exp(margin / 2) + np.exp(-margin / 2) + 0.5
        return np.exp(margin / 2) / total, 0.5 / total
    won, lost = 1 / (1 + 1.6 * np.exp(-margin)), 1 / (1 + 1.6 * np.exp(margin))
    return won, 1 - won - lost


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_the_position_effect_is_found_without_bias_from_pairs_in_both_orders(name: str, spread: float) -> None:
    random = np.random.default_rng(0)
    theta = random.normal(0, spread, (6000, 4))
    won, tied = chances(name, theta[:, :, None] - theta[:, None] + EFFECT)
    luck, apart = random.random(won.shape), ~np.eye(4, dtype=bool)
    first, ties = (luck < won) & apart, (luck >= won) & (luck < won + tied) & apart
    second = (apart & ~first & ~ties).transpose(0, 2, 1)
    tally = Tally(*(votes.astype(np.float64) for votes in (first, second, ties)))
    effect, error = position_of(MODELS[name], [tally])
    assert error < 0.02
    assert effect == pytest.approx(EFFECT, abs=3 * error)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_swapping_all_slots_turns_the_effect(model: TieModel) -> None:
    tally = counted(40, 4, 1)
    swapped = Tally(tally.second_wins, tally.first_wins, tally.first_ties.transpose(0, 2, 1))
    plain, turned = position_of(model, [tally]), position_of(model, [swapped])
    assert turned[0] == pytest.approx(-plain[0], abs=1e-5)
    assert turned[1] == pytest.approx(plain[1], abs=1e-5)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_smaller_tournaments_are_estimated_together_with_larger_ones(model: TieModel) -> None:
    small, large = counted(30, 3, 2), counted(20, 5, 3)
    together = estimate_ties(model, [small, large], None, prior_sd=2.5)
    alone = [estimate_ties(model, [tally], None, prior_sd=2.5).tie for tally in (small, large)]
    assert min(alone) < together.tie < max(alone)


def test_a_known_position_effect_stays_and_ties_are_those_of_the_votes_as_scored() -> None:
    tally, without = counted(30, 4, 4), counted(30, 4, 4)
    without.first_ties[:] = 0
    shared = estimate_ties(MODELS["davidson"], [tally], [without], prior_sd=2.5, position_effect=0.25)
    assert (shared.tie, shared.position_effect, shared.position_error) == (0, 0.25, 0)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("tie", [0.0, 1.0, np.inf])
def test_a_tie_parameter_at_the_end_of_its_range_leaves_scores_finite(model: TieModel, tie: float) -> None:
    found = model.given(counted(5, 3, 5), tie=tie, position=0.0)
    assert np.isfinite(found.scores).all()
    assert np.isfinite(found.standard_errors).all()


def test_padding_adds_nothing_and_thins_what_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = padded([counted(2, 2, 0), counted(3, 4, 0)])
    assert tally.first_wins.shape == (5, 4, 4)
    assert not tally.points[:2, 2:].any()
    assert padded([]).first_wins.shape == (0, 0, 0)
    monkeypatch.setattr("prefpipe.pipeline.ranking.shared_ties.CELLS", 40)
    assert padded([counted(2, 2, 0), counted(3, 4, 0)]).first_wins.shape == (3, 4, 4)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_prior_for_ties_as_half_wins_is_widened_as_scores_are_further_apart(model: TieModel) -> None:
    wins = np.array([[[0.0, 520], [480, 0]]])
    close = Tally(wins / 2, wins / 2, np.array([[[0.0, 500], [0, 0]]]))
    shared = estimate_ties(model, [close], None, prior_sd=10, position_effect=0.0, stretch=True)
    apart = model.given(close, tie=shared.tie, position=0.0, prior_sd=1e4).scores[0]
    with_half_wins = bradley_terry(close, prior_sd=1e4).scores[0]
    assert apart / with_half_wins == pytest.approx(np.full(2, model.stretch(shared.tie)), rel=1e-3)
    assert shared.prior_sd == pytest.approx(10 * model.stretch(shared.tie), rel=1e-3)
    only_ties = Tally(0 * wins, 0 * wins, wins)
    assert estimate_ties(model, [only_ties], None, prior_sd=1.0, position_effect=0.0, stretch=True).prior_sd == 10
