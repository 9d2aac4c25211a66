import numpy as np
import pytest

from prefpipe.pipeline.ranking import prompt_groups
from prefpipe.pipeline.ranking.global_bradley_terry import fit_leaderboards
from prefpipe.pipeline.ranking.prompt_bootstrap import draw_prompts
from prefpipe.pipeline.ranking.prompt_groups import Comparisons, Grouped
from prefpipe.pipeline.ranking.pseudo_votes import with_pseudo_votes
from prefpipe.pipeline.ranking.sandwich import clustered_covariance
from prefpipe.pipeline.ranking.tally import Floats


def votes(random: np.random.Generator, prompts: int, per_prompt: int, spread: float) -> Comparisons:
    """Three models of equal strength on average, prompts suiting one more than another; one vote in five is a tie."""
    shape = prompts, per_prompt
    lead = random.normal(0, spread, (prompts, 3))
    first = random.integers(0, 3, shape)
    second = (first + random.integers(1, 3, shape)) % 3
    chance = 1 / (1 + np.exp(-np.take_along_axis(lead, first, 1) + np.take_along_axis(lead, second, 1)))
    won = random.random(shape) < chance
    kind = np.where(random.random(shape) < 0.2, 2, ~won)
    winner, loser = np.where(kind == 1, second, first), np.where(kind == 1, first, second)
    prompt = np.repeat(np.arange(prompts), per_prompt)
    return Comparisons(3, prompt, ((kind * 3 + winner) * 3 + loser).ravel())


def errors(comparisons: Comparisons, **more: bool) -> tuple[Floats, Floats, Floats]:
    grouped = Grouped.of(comparisons)
    draws = draw_prompts(grouped, draws=2, seed=0)
    fit = fit_leaderboards(with_pseudo_votes(draws.tally), position=0.1 if more else None)
    robust = clustered_covariance(fit, grouped, draws.tally, **more)
    return fit.scores[0], np.sqrt(np.diag(fit.covariance[0])), np.sqrt(np.diag(robust))


def test_it_is_the_sum_over_prompts_of_squared_slopes_between_inverse_curvatures() -> None:
    """The same in a few lines, vote by vote, where the pseudo-votes hardly matter."""
    comparisons = votes(np.random.default_rng(0), 200, 50, 1.0)
    grouped = Grouped.of(comparisons)
    tally = draw_prompts(grouped, draws=2, seed=0).tally
    fit = fit_leaderboards(with_pseudo_votes(tally))
    theta, beta = fit.scores[0], fit.position[0]
    slopes = np.zeros((200, 4))
    for prompt, cell in zip(comparisons.prompt, comparisons.cell, strict=True):
        kind, i, j = np.unravel_index(cell, (3, 3, 3))
        first, second, outcome = (j, i, 0.0) if kind == 1 else (i, j, 0.5 if kind == 2 else 1.0)
        residual = outcome - 1 / (1 + np.exp(-(theta[first] - theta[second] + beta)))
        slopes[prompt] += residual * (np.eye(4)[first] - np.eye(4)[second] + np.eye(4)[3])
    bread = np.linalg.inv(fit.information[0])
    wanted = bread @ slopes.T @ slopes @ bread * 200 / 199
    assert clustered_covariance(fit, grouped, tally) == pytest.approx(wanted, rel=0.01, abs=2e-6)


def test_it_is_how_far_scores_vary_from_one_set_of_prompts_to_another() -> None:
    random = np.random.default_rng(1)
    found = [errors(votes(random, 60, 20, 1.0)) for _ in range(300)]
    truth = np.std([scores for scores, _, _ in found], axis=0, ddof=1).mean()
    naive, robust = (np.mean([one[index][:3] for one in found]) for index in (1, 2))
    assert robust == pytest.approx(truth, rel=0.08)
    assert naive < 0.8 * truth


@pytest.mark.parametrize("per_prompt", [2, 10, 30])
def test_with_more_votes_on_each_prompt_it_is_larger_than_the_naive_error_by_the_design_effect(per_prompt: int) -> None:
    """Chances of a win that follow Beta(a, b) over prompts correlate two votes on one prompt by 1 / (a + b + 1)."""
    random = np.random.default_rng(2)
    chance = random.beta(3, 2, 3000)
    cell = np.where(random.random((3000, per_prompt)) < chance[:, None], 1, 6).ravel()
    _, naive, robust = errors(Comparisons(2, np.repeat(np.arange(3000), per_prompt), cell), position_known=True)
    assert (robust[0] / naive[0]) ** 2 == pytest.approx(1 + (per_prompt - 1) / 6, rel=0.08)


def test_repeating_every_vote_leaves_it_as_it_is() -> None:
    once = votes(np.random.default_rng(3), 300, 5, 0.5)
    often = Comparisons(3, np.repeat(once.prompt, 8), np.repeat(once.cell, 8))
    (_, naive, robust), (_, naive_often, robust_often) = errors(once), errors(often)
    assert robust_often == pytest.approx(robust, rel=0.02)
    assert naive_often == pytest.approx(naive / 8**0.5, rel=0.02)


def test_with_one_vote_a_prompt_it_is_the_naive_error_and_smaller_where_ties_are_many() -> None:
    """A tie as half a win varies less than a coin: by the share of decided votes."""
    random = np.random.default_rng(2)
    found = [errors(votes(random, 2000, 1, 0.0)) for _ in range(10)]
    naive, robust = (np.mean([one[index] for one in found]) for index in (1, 2))
    assert robust / naive == pytest.approx(0.8**0.5, rel=0.03)


def test_a_model_that_won_everything_has_an_error_above_one() -> None:
    won = Comparisons(2, np.arange(12), np.full(12, 1))
    _, naive, robust = errors(won)
    assert (robust[:2] > 0.5).all()
    assert robust[:2] == pytest.approx(naive[:2], rel=0.5)


def test_a_given_position_effect_has_no_error() -> None:
    comparisons = votes(np.random.default_rng(3), 30, 5, 0.5)
    assert errors(comparisons, position_known=True)[2][-1] == 0


def test_with_one_prompt_nothing_is_known() -> None:
    comparisons = votes(np.random.default_rng(4), 1, 50, 0.5)
    assert np.isnan(errors(comparisons)[2]).all()


def test_it_is_the_same_however_many_groups_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    comparisons = votes(np.random.default_rng(5), 40, 5, 0.5)
    whole = errors(comparisons)[2]
    monkeypatch.setattr(prompt_groups, "BLOCK", 60)
    assert errors(comparisons)[2] == pytest.approx(whole)
