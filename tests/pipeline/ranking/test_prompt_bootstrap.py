import numpy as np
import pytest
from scipy.stats import beta

from prefpipe.pipeline.ranking.prompt_bootstrap import draw_prompts, prompt_weights
from prefpipe.pipeline.ranking.prompt_groups import Comparisons, Grouped
from prefpipe.pipeline.ranking.tally import Tally


def duel(won: int, lost: int, per_prompt: int = 1) -> Grouped:
    """The first of two models won some votes and lost others, so many on each prompt."""
    cell = np.repeat([1, 2], [won, lost])
    return Grouped.of(Comparisons(2, np.arange(won + lost) // per_prompt, cell))


def share(tally: Tally) -> np.ndarray:
    points = tally.points
    return points[:, 0, 1, None] / (points[:, 0, 1] + points[:, 1, 0])[:, None]


@pytest.mark.parametrize("groups", [2, 3, 50])
def test_weights_have_mean_one_and_the_variance_that_makes_variances_unbiased(groups: int) -> None:
    weights = prompt_weights(groups, 200_000 // groups, np.random.default_rng(0))
    assert weights.mean() == pytest.approx(1, abs=0.02)
    assert weights.var() == pytest.approx(groups / (groups - 1), rel=0.05)


@pytest.mark.parametrize(("won", "lost"), [(30, 10), (20, 0), (3, 37)])
def test_the_share_of_wins_is_drawn_nearly_as_for_jeffreys_interval(won: int, lost: int) -> None:
    """Each of the two models brings half a win and half a loss, so that the prior counts twice."""
    drawn = draw_prompts(duel(won, lost), draws=4000, seed=0).estimated(share)[:, 0]
    wanted = beta(won + 1, lost + 1)
    assert np.quantile(drawn, [0.025, 0.5, 0.975]) == pytest.approx(wanted.ppf([0.025, 0.5, 0.975]), abs=0.03)


def test_votes_on_one_prompt_are_drawn_together() -> None:
    """Eight like votes on each prompt say no more of other prompts than one."""
    alone = draw_prompts(duel(30, 20), draws=4000, seed=0).estimated(share).std()
    together = draw_prompts(duel(240, 160, per_prompt=8), draws=4000, seed=0).estimated(share).std()
    assert alone == pytest.approx((0.6 * 0.4 / 50) ** 0.5, rel=0.08)
    assert together == pytest.approx(alone, rel=0.08)


def test_a_model_that_always_won_is_not_certain() -> None:
    drawn = draw_prompts(duel(15, 0), draws=1000, seed=0).estimated(share)
    assert drawn.std() > 0.03
    assert (drawn < 1).all()


def test_the_seed_and_nothing_else_decides_the_draws() -> None:
    one, again, other = (draw_prompts(duel(9, 4), draws=10, seed=seed).estimated(share) for seed in (0, 0, 1))
    assert one.tolist() == again.tolist()
    assert (one != other).all()


def test_one_prompt_gives_no_draws() -> None:
    draws = draw_prompts(duel(5, 3, per_prompt=8), draws=50, seed=0)
    assert (draws.groups, draws.drawn.first_wins.shape, draws.tally.wins.sum()) == (1, (0, 2, 2), 8)
    assert draws.estimated(share).shape == (0, 1)
