import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from prefpipe.pipeline.ranking.fusion import borda_fusion, reciprocal_rank_fusion
from prefpipe.pipeline.ranking.tally import Floats


def rankings(seed: int, prompts: int = 2, m: int = 4, n: int = 5) -> tuple[Floats, Floats]:
    """Rankings with ties and holes, and weights among which some are 0."""
    random = np.random.default_rng(seed)
    ranks = random.integers(1, 5, (prompts, m, n)).astype(float)
    ranks[random.random(ranks.shape) < 0.25] = np.nan
    return ranks, random.choice([0, 0.5, 1, 2], (prompts, m))


@pytest.mark.parametrize("seed", range(6))
def test_equal_the_definitions_with_scipy_mid_ranks(seed: int) -> None:
    ranks, weights = rankings(seed)
    fused, shared = reciprocal_rank_fusion(ranks, weights=weights), borda_fusion(ranks, weights=weights)
    for prompt in range(2):
        gains, sums, total = np.zeros(5), np.zeros(5), np.zeros(5)
        for ranking, weight in zip(ranks[prompt], weights[prompt], strict=True):
            ranked = np.flatnonzero(~np.isnan(ranking))
            for item, place in zip(ranked, rankdata(ranking[ranked]), strict=True):
                gains[item] += weight / (60 + place)
                sums[item] += weight * ((len(ranked) - place) / (len(ranked) - 1) if len(ranked) > 1 else 0.5)
                total[item] += weight
        assert fused.scores[prompt] == pytest.approx(gains)
        assert fused.ballots[prompt] == pytest.approx(total)
        assert shared.scores[prompt] == pytest.approx(np.where(total > 0, sums / np.maximum(total, 0.1), 0.5))


def test_the_tennessee_rankings_have_their_borda_scores() -> None:
    """Wikipedia: Memphis, Nashville, Chattanooga, Knoxville, in votes of 42, 26, 15 and 17."""
    ranks = np.array([[[1.0, 2, 3, 4], [4, 1, 2, 3], [4, 3, 1, 2], [4, 3, 2, 1]]])
    weights = np.array([[42.0, 26, 15, 17]])
    assert borda_fusion(ranks, weights=weights).scores[0] * 300 == pytest.approx([126, 194, 173, 107])


def test_k_zero_is_an_option_like_others() -> None:
    found = reciprocal_rank_fusion(np.array([[[1.0, 2, 4]]]), k=0)
    assert found.scores[0] == pytest.approx([1, 1 / 2, 1 / 3])
    with pytest.raises(ValueError, match="k must not be negative"):
        reciprocal_rank_fusion(np.ones((1, 1, 1)), k=-1)


def test_missing_items_lose_by_reciprocal_rank_and_are_unknown_to_borda() -> None:
    ranks = np.array([[[1.0, 2, np.nan], [1, 2, np.nan], [3, 2, 1]]])
    assert reciprocal_rank_fusion(ranks).scores[0].argmin() == 2
    assert borda_fusion(ranks).scores[0] == pytest.approx([2 / 3, 1 / 6, 1])
    assert borda_fusion(ranks).ballots.tolist() == [[3, 3, 1]]


@pytest.mark.parametrize("shape", [(0, 2, 3), (2, 0, 3), (2, 2, 0), (2, 2, 1)])
def test_nothing_to_compare_is_the_same_score_for_all(shape: tuple[int, int, int]) -> None:
    ranks = np.full(shape, np.nan)
    assert reciprocal_rank_fusion(ranks).scores.tolist() == np.zeros((shape[0], shape[2])).tolist()
    assert borda_fusion(ranks).scores.tolist() == np.full((shape[0], shape[2]), 0.5).tolist()


def test_all_tied_and_contradictory_rankings_leave_items_equal() -> None:
    for ranks in (np.ones((1, 2, 3)), np.array([[[1.0, 2, 3], [3, 2, 1]]])):
        assert np.ptp(borda_fusion(ranks).scores) == 0
    assert np.ptp(reciprocal_rank_fusion(np.ones((1, 2, 3))).scores) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)), st.permutations(range(4)))
def test_names_order_of_rankings_and_scale_of_ranks_do_not_matter(
    seed: int, order: list[int], votes: list[int]
) -> None:
    ranks, weights = rankings(seed)
    for rule in (reciprocal_rank_fusion, borda_fusion):
        moved = rule(7 * ranks[:, votes][:, :, order] - 3, weights=weights[:, votes])
        assert moved.scores == pytest.approx(rule(ranks, weights=weights).scores[:, order])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 4))
def test_being_put_first_in_one_ranking_never_lowers_an_item(seed: int, item: int) -> None:
    ranks, weights = rankings(seed)
    better = ranks.copy()
    better[:, 0, item] = np.where(np.isnan(better[:, 0, item]), np.nan, 0)
    for rule in (reciprocal_rank_fusion, borda_fusion):
        before, after = rule(ranks, weights=weights).scores, rule(better, weights=weights).scores
        assert (after[:, item] >= before[:, item] - 1e-12).all()
