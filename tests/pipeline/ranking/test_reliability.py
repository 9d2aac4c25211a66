import numpy as np
import pytest
from scipy.stats import spearmanr

from prefpipe.pipeline.ranking import reliability as module
from prefpipe.pipeline.ranking.kendall_w import kendall_w
from prefpipe.pipeline.ranking.reliability import needed, reliability_of_one, shared_variance, together
from prefpipe.pipeline.ranking.tally import Floats


def ranked(random: np.random.Generator, prompts: int, repeats: int, items: int = 5, noise: float = 1.0) -> Floats:
    """Twice the ranks of candidates of true quality, seen through noise."""
    quality = random.normal(size=(prompts, 1, items)) + noise * random.normal(size=(prompts, repeats, items))
    return (2 * (quality.argsort(2).argsort(2) + 1)).astype(np.float64)


def everything(rankings: Floats) -> np.ndarray:
    return np.ones(rankings.shape[:2], bool)


def test_without_ties_it_is_the_mean_correlation_of_two_rankings() -> None:
    rankings = ranked(np.random.default_rng(0), 20, 4)
    shared, total = shared_variance(rankings, everything(rankings))
    assert total == pytest.approx(np.ones(20))
    assert shared == pytest.approx(kendall_w(rankings).consistency)
    pairs = [spearmanr(rankings[3, i], rankings[3, j]).statistic for i in range(4) for j in range(i)]
    assert shared[3] == pytest.approx(np.mean(pairs))


def test_missing_rankings_and_ties_count_for_what_they_say() -> None:
    rankings = np.array([[[2, 4, 6], [2, 4, 6], [4, 4, 4]], [[2, 4, 6], [6, 4, 2], [2, 4, 6]]], float)
    shared, total = shared_variance(rankings, np.array([[True, True, True], [True, True, False]]))
    # Of three pairs of rankings one agrees and two know nothing; a ranking of ties has no variance.
    assert shared == pytest.approx([1 / 3, -1])
    assert total == pytest.approx([2 / 3, 1])


def test_one_ranking_or_one_candidate_says_nothing() -> None:
    assert np.isnan(shared_variance(np.full((2, 1, 3), 2.0), np.ones((2, 1), bool))).all()
    assert np.isnan(shared_variance(np.full((2, 3, 1), 2.0), np.ones((2, 3), bool))).all()


def test_spearman_and_browns_formula_and_its_inverse() -> None:
    assert together(0.5, 1) == 0.5
    assert together(0.5, 9) == pytest.approx(0.9)
    assert together(-0.2, 5) == 0
    assert (needed(0.5, 0.9), needed(0.95, 0.9), needed(0.0, 0.9), needed(-0.1, 0.9)) == (9, 1, None, None)
    for one in np.linspace(0.05, 0.95, 10):
        count = needed(float(one), 0.8)
        assert count is not None
        assert together(float(one), count) >= 0.8 - 1e-9
        assert count == 1 or together(float(one), count - 1) < 0.8


@pytest.mark.parametrize("repeats", [2, 4, 8])
def test_many_rankings_together_are_as_reliable_as_predicted_from_two(repeats: int) -> None:
    """Measured as the correlation of the mean ranks of m rankings with those of m others, over all prompts."""
    random = np.random.default_rng(1)
    pilot = ranked(random, 4000, 2)
    one = reliability_of_one(*shared_variance(pilot, everything(pilot)), draws=200, seed=0)
    both = ranked(random, 4000, 2 * repeats) - 6
    means = both[:, :repeats].mean(1), both[:, repeats:].mean(1)
    measured = (means[0] * means[1]).sum() / (sum((part**2).sum() for part in means) / 2)
    assert together(one.low, repeats) - 0.01 < measured < together(one.high, repeats) + 0.01
    assert together(one.value, repeats) == pytest.approx(measured, abs=0.01)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    large = ranked(random, 100_000, 2)
    truth = shared_variance(large, everything(large))[0].mean()
    held = 0
    for seed in range(300):
        pilot = ranked(random, 40, 3)
        one = reliability_of_one(*shared_variance(pilot, everything(pilot)), draws=200, seed=seed)
        held += one.low < truth < one.high
    assert 0.92 < held / 300 < 0.98


def test_of_very_many_prompts_groups_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rankings = ranked(np.random.default_rng(3), 2000, 3)
    parts = shared_variance(rankings, everything(rankings))
    whole = reliability_of_one(*parts, draws=1000, seed=0)
    monkeypatch.setattr(module, "MOST_GROUPS", 200)
    grouped = reliability_of_one(*parts, draws=1000, seed=0)
    assert grouped.value == whole.value
    assert grouped.high - grouped.low == pytest.approx(whole.high - whole.low, rel=0.2)


def test_one_prompt_has_no_interval_and_ties_alone_no_reliability() -> None:
    one = reliability_of_one(np.array([0.4]), np.array([1.0]), draws=100, seed=0)
    assert one.value == 0.4
    assert np.isnan([one.low, one.high]).all()
    with pytest.raises(ValueError, match="all rankings are ties"):
        reliability_of_one(np.zeros(3), np.zeros(3), draws=100, seed=0)
