from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry
from prefpipe.pipeline.ranking.spectral import luce_spectral, pagerank, rank_centrality
from prefpipe.pipeline.ranking.tally import Floats, Tally

FOOD = (
    "PiSuL BuPaR TaPiL SuTaR BuPiL PaSuR TaBuL PiPaT SuBuR PaTaL BuSuR TaPiL SuPaT BuTaL PiBuR "
    "PaTaR BuSuR TaPaL PiTaR SuBuL PaPiR BuSuR TaPaL PiSuL SuBuR PaTaR TaPiL BuPaR SuTaL PiBuR"
)
SIMPLE = "01T 02R 02T 04T 10L 12T 12T 13T 24T 30L 31L 32L 34T 34T 40L 43L"


def of_rows(rows: str, names: list[str]) -> Tally:
    first, second, tied = (np.zeros((1, len(names), len(names))) for _ in range(3))
    for row in rows.split():
        length = len(names[0])
        one, two = names.index(row[:length]), names.index(row[length : 2 * length])
        if row[-1] == "L":
            first[0, one, two] += 1
        elif row[-1] == "R":
            second[0, two, one] += 1
        else:
            tied[0, one, two] += 1
    return Tally(first, second, tied)


def counts(seed: int, prompts: int = 1, n: int = 5, most: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    return Tally(*(random.integers(0, most, (3, prompts, n, n)) * ~np.eye(n, dtype=bool) * 1.0))


def of_points(points: Floats) -> Tally:
    return Tally(points, np.zeros_like(points), np.zeros_like(points))


def walked(steps: Floats, jump: float) -> Floats:
    """The law of a long walk, by taking the steps."""
    law = np.full(len(steps), 1 / len(steps))
    for _ in range(20000):
        law = jump / len(steps) + (1 - jump) * law @ steps
    return law


def test_golden_pagerank_of_evalica() -> None:
    """evalica, food.csv and simple.csv, damping 0.85."""
    food = pagerank(of_rows(FOOD, ["Bu", "Pa", "Pi", "Su", "Ta"])).scores[0]
    assert food == pytest.approx([0.2159713286, 0.1759024357, 0.1345631632, 0.2346357941, 0.2389272785], abs=1e-9)
    simple = pagerank(of_rows(SIMPLE, list("01234"))).scores[0]
    assert simple == pytest.approx([0.1328004100, 0.1540508971, 0.1624027767, 0.2779483968, 0.2727975194], abs=1e-9)


def test_golden_rank_centrality_of_choix() -> None:
    """choix, testcase-pairwise-2: shares of pairs make the cycle symmetric."""
    points = np.array([[[0.0, 2, 0], [0, 0, 1], [1, 0, 0]]])
    assert rank_centrality(of_points(points), pseudo_wins=0).scores == pytest.approx(np.zeros((1, 3)), abs=1e-5)


def test_golden_luce_spectral_ranking_of_choix() -> None:
    """choix, testcase-pairwise-2 (MIT): two votes for 0 over 1, one for 1 over 2, one for 2 over 0."""
    points = np.array([[[0.0, 2, 0], [0, 0, 1], [1, 0, 0]]])
    found = luce_spectral(of_points(points), pseudo_wins=0).scores[0]
    assert found == pytest.approx([0.23104906, -0.46209812, 0.23104906], abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_luce_spectral_ranking_is_the_null_vector_of_the_rates(seed: int) -> None:
    tally = counts(seed, n=5, most=4)
    points = tally.points[0]
    rates = np.where(points + points.T > 0, points.T + 0.5, 0)
    shares = np.linalg.svd((rates - np.diag(rates.sum(axis=1))).T)[2][-1]
    logs = np.log(np.abs(shares))
    assert luce_spectral(tally).scores[0] == pytest.approx(logs - logs.mean(), abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_luce_spectral_ranking_again_and_again_is_bradley_and_terrys_maximum(seed: int) -> None:
    """With rates divided by the sum of the strengths so far, as in the source."""
    points = counts(seed, most=4).points + 0.25 * ~np.eye(5, dtype=bool)
    scores = np.zeros((1, 5))
    for _ in range(60):
        odds = np.exp(scores)
        rates = points / (odds[:, :, None] + odds[:, None, :])
        scores = luce_spectral(of_points(rates), pseudo_wins=0, restart=1e-12).scores
    assert scores == pytest.approx(bradley_terry(of_points(points), prior_sd=np.inf).scores, abs=1e-6)


def test_with_as_many_votes_on_each_pair_luce_spectral_ranking_is_rank_centrality() -> None:
    random = np.random.default_rng(2)
    wins = np.triu(random.integers(0, 9, (1, 6, 6)), 1).astype(float)
    points = of_points(wins + np.triu(8 - wins, 1).transpose(0, 2, 1))
    assert luce_spectral(points).scores == pytest.approx(rank_centrality(points).scores, abs=1e-4)


def test_luce_spectral_ranking_lets_every_vote_count_the_same() -> None:
    """Item 0 leads by 300 to 100 in direct votes, and trails in two single ones that centrality takes for as much."""
    points = np.array([[[0.0, 300, 0], [100, 0, 1], [1, 0, 0]]])
    by_vote, by_pair = (rule(of_points(points), pseudo_wins=0).scores[0] for rule in (luce_spectral, rank_centrality))
    assert by_vote[0] - by_vote[1] > np.log(2.9)
    assert by_pair[0] < by_pair[1]


@pytest.mark.parametrize("seed", range(5))
def test_equal_long_walks(seed: int) -> None:
    tally = counts(seed, n=4)
    lost = tally.points[0].T
    steps = np.array([row / row.sum() if row.sum() else np.full(4, 0.25) for row in lost])
    assert pagerank(tally, damping=0.6).scores[0] == pytest.approx(walked(steps, 0.4), abs=1e-12)
    votes = lost + lost.T
    moves = np.where(votes > 0, (lost + 0.5) / np.maximum(votes + 1, 1), 0) / (votes > 0).sum(axis=1).max()
    moves += np.diag(1 - moves.sum(axis=1))
    logs = np.log(walked(moves, 0.01))
    assert rank_centrality(tally, restart=0.01).scores[0] == pytest.approx(logs - logs.mean(), abs=1e-10)


def test_damping_zero_is_an_option_like_others() -> None:
    found = pagerank(counts(0), damping=0)
    assert found.scores == pytest.approx(np.full((1, 5), 0.2))
    assert found.damping == 0


def test_pseudo_wins_zero_is_an_option_like_others() -> None:
    wins = of_points(np.array([[[0.0, 3], [1, 0]]]))
    assert rank_centrality(wins, pseudo_wins=0).scores[0] == pytest.approx([np.log(3) / 2, -np.log(3) / 2], abs=1e-4)
    assert rank_centrality(wins, pseudo_wins=1).scores[0] == pytest.approx([np.log(2) / 2, -np.log(2) / 2], abs=1e-4)


@pytest.mark.parametrize("damping", [-0.1, 1.0])
def test_an_impossible_damping_is_refused(damping: float) -> None:
    with pytest.raises(ValueError, match="damping must be"):
        pagerank(counts(0), damping=damping)


def test_impossible_regularisations_are_refused() -> None:
    for rule in (rank_centrality, luce_spectral):
        with pytest.raises(ValueError, match="restart must be above 0"):
            rule(counts(0), restart=0)
        with pytest.raises(ValueError, match="pseudo_wins must not be negative"):
            rule(counts(0), pseudo_wins=-1)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 4)])
def test_nothing_to_compare_is_the_same_score_for_all(shape: tuple[int, int]) -> None:
    none = of_points(np.zeros((*shape, shape[1])))
    assert pagerank(none).scores == pytest.approx(np.full(shape, 1 / max(shape[1], 1)))
    assert rank_centrality(none).scores == pytest.approx(np.zeros(shape), abs=1e-9)
    assert luce_spectral(none).scores == pytest.approx(np.zeros(shape), abs=1e-9)


def test_parts_that_never_met_get_time_in_proportion_to_their_items() -> None:
    points = np.zeros((1, 5, 5))
    points[0, 0, 1] = points[0, 2, 3] = 3
    for rule in (rank_centrality, luce_spectral):
        shares = np.exp(rule(of_points(points)).scores[0])
        shares /= shares.sum()
        assert [shares[:2].sum(), shares[2:4].sum(), shares[4]] == pytest.approx([0.4, 0.4, 0.2])


def test_an_item_that_is_never_left_is_ahead_by_a_finite_amount() -> None:
    points = of_points(np.array([[[0.0, 3, 3], [0, 0, 2], [0, 1, 0]]]))
    for rule in (rank_centrality, luce_spectral):
        plain, held = rule(points, pseudo_wins=0).scores, rule(points).scores
        assert np.isfinite(plain).all()
        assert plain[0, 0] - plain[0, 1] > 10
        assert held[0, 0] - held[0, 1] < 3


def test_all_tied_items_are_equal() -> None:
    none = np.zeros((1, 4, 4))
    tied = Tally(none, none, np.triu(np.full((1, 4, 4), 3.0), 1))
    assert pagerank(tied).scores == pytest.approx(np.full((1, 4), 0.25))
    assert rank_centrality(tied).scores == pytest.approx(np.zeros((1, 4)), abs=1e-9)
    assert luce_spectral(tied).scores == pytest.approx(np.zeros((1, 4)), abs=1e-9)


def test_walks_find_the_scores_that_made_many_votes() -> None:
    random = np.random.default_rng(1)
    theta = np.array([1.2, 0.4, 0, -0.5, -1.1])
    wins = np.triu(random.binomial(20000, 1 / (1 + np.exp(theta[None, :] - theta[:, None]))), 1)
    points = (wins + np.triu(20000 - wins, 1).T).astype(float)[None]
    assert rank_centrality(of_points(points)).scores[0] == pytest.approx(theta, abs=0.03)
    assert luce_spectral(of_points(points)).scores[0] == pytest.approx(theta, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_names_of_items_and_other_prompts_do_not_matter(seed: int, order: list[int]) -> None:
    points = counts(seed, prompts=3).points
    moved = of_points(points[1:2][:, order][:, :, order])
    assert pagerank(moved).scores == pytest.approx(pagerank(of_points(points)).scores[1:2][:, order])
    for rule in (rank_centrality, luce_spectral):
        assert rule(moved).scores == pytest.approx(rule(of_points(points)).scores[1:2][:, order], abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_every_vote_twice_or_a_quarter_changes_nothing_without_pseudo_wins(seed: int) -> None:
    tally = counts(seed)
    twice = of_points(2 * tally.points)
    assert pagerank(twice).scores == pytest.approx(pagerank(tally).scores)
    assert pagerank(of_points(tally.points / 4)).scores == pytest.approx(pagerank(tally).scores)
    once = rank_centrality(tally, pseudo_wins=0, restart=0.01).scores
    assert rank_centrality(twice, pseudo_wins=0, restart=0.01).scores == pytest.approx(once)
    once = luce_spectral(tally, pseudo_wins=0, restart=0.01).scores
    assert luce_spectral(twice, pseudo_wins=0, restart=0.01).scores == pytest.approx(once)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_an_extra_win_never_lowers_the_winner(seed: int, pair: list[int]) -> None:
    points = counts(seed).points
    more = points.copy()
    more[0, pair[0], pair[1]] += 1
    for rule in (pagerank, partial(rank_centrality, pseudo_wins=1e-3), partial(luce_spectral, pseudo_wins=1e-3)):
        before, after = (rule(of_points(each)).scores for each in (points, more))
        ahead = after[0, pair[0]] - after[0, pair[1]]
        assert (
            ahead >= before[0, pair[0]] - before[0, pair[1]] - 1e-9
            or points[0, pair[0], pair[1]] + points[0, pair[1], pair[0]] == 0
        )
