from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from prefpipe.pipeline.ranking.davidson import davidson
from prefpipe.pipeline.ranking.tally import Floats, Tally


def counts(seed: int, prompts: int = 1, n: int = 4, most: int = 4) -> Tally:
    random = np.random.default_rng(seed)
    off = ~np.eye(n, dtype=bool)
    return Tally(
        *(random.integers(0, most, (3, prompts, n, n)) * off * random.choice([0.5, 1.0, 2.0], (prompts, 1, 1)))
    )


def wins_only(rows: list[list[float]]) -> Tally:
    wins = np.array([rows], dtype=float)
    return Tally(wins, np.zeros_like(wins), np.zeros_like(wins))


def simulate(random: np.random.Generator, theta: Floats, nu: float, beta: float, votes: int) -> Tally:
    """Every pair in both orders, `votes` times each."""
    margin = theta[:, :, None] - theta[:, None, :] + beta
    odds = np.stack([np.exp(margin / 2), np.exp(-margin / 2), np.full_like(margin, nu)], axis=-1)
    outcome = (
        random.multinomial(votes, odds / odds.sum(axis=-1, keepdims=True))
        * ~np.eye(theta.shape[1], dtype=bool)[..., None]
    )
    first, second, tied = outcome.astype(np.float64).transpose(3, 0, 1, 2)
    return Tally(first, second.transpose(0, 2, 1), tied)


def minus_log_posterior(x: Floats, tally: Tally, prior_sd: float) -> float:
    """Written from the definition, vote by vote; the last two parameters are ln nu and beta."""
    prompts, n, _ = tally.wins.shape
    theta, nu, beta = x[:-2].reshape(prompts, n), np.exp(x[-2]), x[-1]
    total = (theta**2).sum() / 2 / prior_sd**2 + beta**2 / 2 / 25
    for p in range(prompts):
        for i in range(n):
            for j in range(n):
                first, second = np.exp(theta[p, i] + beta), np.exp(theta[p, j])
                tie = nu * np.sqrt(first * second)
                whole = first + second + tie
                total -= tally.first_wins[p, i, j] * np.log(first / whole)
                total -= tally.second_wins[p, j, i] * np.log(second / whole)
                total -= tally.first_ties[p, i, j] * np.log(tie / whole)
    return float(total)


def test_golden_example_of_davidson() -> None:
    """Davidson (1970), example 2; expected values from R's glm on the log-linear form."""
    rows = [
        (1, 2, 19, 22, 16), (1, 3, 16, 19, 12), (2, 3, 19, 19, 10), (1, 4, 18, 23, 13), (2, 4, 23, 19, 9),
        (3, 4, 19, 20, 15), (1, 5, 13, 19, 18), (2, 5, 16, 20, 12), (3, 5, 16, 15, 17), (4, 5, 17, 14, 16),
        (1, 6, 18, 21, 12), (2, 6, 22, 20, 12), (3, 6, 13, 18, 10), (4, 6, 14, 19, 18), (5, 6, 11, 21, 12),
    ]  # fmt: skip
    wins, ties = np.zeros((1, 6, 6)), np.zeros((1, 6, 6))
    best = 0.0
    for i, j, won, lost, tied in rows:
        wins[0, i - 1, j - 1], wins[0, j - 1, i - 1], ties[0, i - 1, j - 1] = won, lost, tied
        best += sum(count * log(count / (won + lost + tied)) for count in (won, lost, tied))
    fit = davidson(Tally(wins, np.zeros_like(wins), ties), prior_sd=1e4)
    theta = fit.scores[0] - fit.scores[0, 0]
    spread = fit.covariance[0]
    errors = np.sqrt(np.diag(spread) + spread[0, 0] - 2 * spread[0])[1:]
    assert fit.converged
    assert fit.tie == pytest.approx(0.746822987654, abs=1e-7)
    assert theta == pytest.approx(
        [0, 0.220241900241, 0.152977704854, 0.17514490859, 0.133865226991, 0.377134895802], abs=1e-7
    )
    assert errors == pytest.approx(
        [0.1872169809482, 0.1935183580505, 0.1882110864961, 0.19270455975, 0.1924062333462], abs=1e-7
    )
    assert np.exp(theta) / np.exp(theta).sum() == pytest.approx(
        [0.138803375181, 0.173001499983, 0.161747434037, 0.165372957763, 0.158685394575, 0.202389338462], abs=1e-7
    )
    assert 2 * (best - fit.log_likelihood) == pytest.approx(15.7704057795, abs=1e-7)


def test_golden_citations_of_journals_without_ties() -> None:
    """Agresti (2002), page 448: Biometrika, Comm Statist, JASA, JRSS-B; expected values from R's BradleyTerry2."""
    wins: list[list[float]] = [[0, 730, 498, 221], [33, 0, 68, 17], [320, 813, 0, 142], [284, 276, 325, 0]]
    fit = davidson(wins_only(wins), prior_sd=1e6)
    theta, spread = fit.scores[0] - fit.scores[0, 0], fit.covariance[0]
    errors = np.sqrt(np.diag(spread) + spread[0, 0] - 2 * spread[0])[1:]
    assert fit.tie == 0
    assert theta == pytest.approx([0, -2.949072496844, -0.479569769752, 0.268954055819], abs=1e-8)
    assert errors == pytest.approx([0.1025453353699, 0.0605887292396, 0.0708299651057], abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_general_optimiser_with_ties_weights_and_position(seed: int) -> None:
    tally = counts(seed, prompts=2)
    fit = davidson(tally, prior_sd=1.3, position=True)
    assert fit.converged
    assert fit.iterations < 10
    found = minimize(minus_log_posterior, np.zeros(10), (tally, 1.3), tol=1e-10)
    assert fit.scores.ravel() == pytest.approx(found.x[:-2], abs=2e-5)
    assert [log(fit.tie), fit.position] == pytest.approx(found.x[-2:], abs=2e-5)
    assert (
        minus_log_posterior(np.array([*fit.scores.ravel(), log(fit.tie), fit.position]), tally, 1.3) <= found.fun + 1e-9
    )


def test_standard_errors_come_from_the_curvature_of_the_whole_posterior() -> None:
    tally = counts(7)
    fit = davidson(tally, prior_sd=1.3, position=True)
    assert fit.position is not None
    at = np.array([*fit.scores[0], log(fit.tie), fit.position])
    step = 1e-4 * np.eye(6)
    curve = np.array(
        [
            [
                sum(a * b * minus_log_posterior(at + a * u + b * v, tally, 1.3) for a in (1, -1) for b in (1, -1))
                / 4e-8
                for u in step
            ]
            for v in step
        ]
    )
    spread = np.linalg.inv(curve)
    centre = np.eye(4) - 1 / 4
    assert fit.covariance[0] == pytest.approx(centre @ spread[:4, :4] @ centre, abs=1e-5)
    assert [fit.tie_error, fit.position_error] == pytest.approx(np.sqrt(np.diag(spread)[4:]), abs=1e-5)


def test_two_items_at_three_to_one_are_a_log_of_three_apart() -> None:
    """Updating both at once, as some libraries do, swings for ever and calls them equal."""
    fit = davidson(wins_only([[0, 3], [1, 0]]), prior_sd=1e4)
    assert fit.scores[0, 0] - fit.scores[0, 1] == pytest.approx(log(3), abs=1e-6)


def test_an_item_that_never_won_has_a_finite_score_and_the_widest_error() -> None:
    fit = davidson(wins_only([[0, 3, 4], [2, 0, 4], [0, 0, 0]]))
    assert np.isfinite(fit.scores).all()
    assert fit.scores[0].argmin() == 2
    assert fit.standard_errors[0].argmax() == 2
    assert fit.standard_errors[0, 2] > 0.5


def test_stops_only_when_the_slope_is_gone() -> None:
    fit = davidson(wins_only([[0, 40, 39], [1, 0, 30], [1, 2, 0]]), prior_sd=2.0)
    chance = 1 / (1 + np.exp(fit.scores[0][None, :] - fit.scores[0][:, None]))
    wins = np.array([[0, 40, 39], [1, 0, 30], [1, 2, 0]])
    slope = (wins - (wins + wins.T) * chance).sum(axis=1) - fit.scores[0] / 4
    assert fit.iterations > 2
    assert np.abs(slope).max() < 1e-8


def test_degenerate_prompts_have_known_answers() -> None:
    none = np.zeros((4, 3, 3))
    wins, ties = none.copy(), none.copy()
    wins[1, 0, 1] = 2  # the third was never compared
    ties[2, 0, 1] = ties[2, 1, 2] = ties[2, 0, 2] = 2
    wins[3, 0, 1], ties[3, 1, 2] = 1, 1
    fit = davidson(Tally(wins, none, ties), prior_sd=2.0)
    assert fit.scores[0] == pytest.approx([0, 0, 0])
    assert fit.standard_errors[0] == pytest.approx(2 * np.sqrt(2 / 3))
    assert fit.scores[1, 2] == pytest.approx(0)
    assert fit.scores[1, 0] == pytest.approx(-fit.scores[1, 1])
    assert fit.scores[2] == pytest.approx([0, 0, 0])
    assert np.isfinite(fit.scores).all()


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1)])
def test_nothing_to_compare_is_score_zero(shape: tuple[int, int]) -> None:
    none = np.zeros((*shape, shape[1]))
    fit = davidson(Tally(none, none, none), position=True)
    assert fit.scores.shape == fit.standard_errors.shape == shape
    assert not fit.scores.any()
    assert not fit.standard_errors.any()
    assert (fit.tie, fit.tie_error, fit.position) == (0, inf, 0)


def test_nothing_but_ties_makes_nu_infinite_and_says_nothing_of_the_scores() -> None:
    none, ties = np.zeros((1, 2, 2)), np.array([[[0.0, 5], [3, 0]]])
    fit = davidson(Tally(none, none, ties), prior_sd=2.0)
    assert (fit.tie, fit.tie_error) == (inf, inf)
    assert fit.scores.tolist() == [[0, 0]]
    assert fit.standard_errors == pytest.approx(np.full((1, 2), 2 / np.sqrt(2)))


def test_a_judge_who_always_names_the_first_slot_has_a_finite_position_effect() -> None:
    first = np.where(np.eye(3, dtype=bool), 0.0, 50.0)[None]
    fit = davidson(Tally(first, np.zeros_like(first), np.zeros_like(first)), position=True)
    assert fit.position is not None
    assert 4 < fit.position < 20
    assert fit.scores == pytest.approx(np.zeros((1, 3)), abs=1e-9)


@pytest.mark.parametrize("prior_sd", [0.0, -1.0, inf, float("nan")])
def test_an_impossible_prior_is_refused(prior_sd: float) -> None:
    with pytest.raises(ValueError, match="prior_sd must be positive"):
        davidson(counts(0), prior_sd=prior_sd)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_names_of_items_and_order_of_prompts_do_not_matter(seed: int, order: list[int]) -> None:
    tally = counts(seed, prompts=3)
    fit = davidson(tally, position=True)
    parts = (tally.first_wins, tally.second_wins, tally.first_ties)
    moved = davidson(Tally(*(part[::-1][:, order][:, :, order] for part in parts)), position=True)
    assert moved.scores == pytest.approx(fit.scores[::-1][:, order], abs=1e-7)
    assert moved.standard_errors == pytest.approx(fit.standard_errors[::-1][:, order], abs=1e-7)
    assert (moved.tie, moved.position) == pytest.approx((fit.tie, fit.position), abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_showing_everything_in_the_other_order_turns_the_position_effect_round(seed: int) -> None:
    tally = counts(seed, prompts=2)
    fit = davidson(tally, position=True)
    swapped = davidson(Tally(tally.second_wins, tally.first_wins, tally.first_ties.transpose(0, 2, 1)), position=True)
    assert fit.position is not None
    assert swapped.position == pytest.approx(-fit.position, abs=1e-7)
    assert swapped.scores == pytest.approx(fit.scores, abs=1e-7)


def test_every_vote_twice_leaves_the_likelihood_estimate_and_narrows_the_errors_by_root_two() -> None:
    tally = simulate(np.random.default_rng(0), np.array([[0.5, 0.2, -0.1, -0.6]]), 0.5, 0.3, 30)
    twice = Tally(2 * tally.first_wins, 2 * tally.second_wins, 2 * tally.first_ties)
    once, both = davidson(tally, prior_sd=1e5), davidson(twice, prior_sd=1e5)
    assert both.scores == pytest.approx(once.scores, abs=1e-7)
    assert both.standard_errors * np.sqrt(2) == pytest.approx(once.standard_errors, abs=1e-7)
    assert both.tie_error * np.sqrt(2) == pytest.approx(once.tie_error, abs=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_an_extra_win_never_lowers_the_winner_where_there_are_no_ties(seed: int, order: list[int]) -> None:
    tally = counts(seed)
    none = np.zeros_like(tally.wins)
    more = tally.wins.copy()
    winner, loser = order[:2]
    more[0, winner, loser] += 1
    before, after = (davidson(Tally(wins, none, none)).scores[0] for wins in (tally.wins, more))
    assert (after[winner] - after >= before[winner] - before - 1e-9).all()


def test_intervals_of_scores_cover_the_truth() -> None:
    random = np.random.default_rng(11)
    theta = random.normal(size=(500, 5))
    fit = davidson(simulate(random, theta, 0.6, 0.3, 12), prior_sd=1.0, position=True)
    off = fit.scores - (theta - theta.mean(axis=1, keepdims=True))
    assert 0.93 <= (np.abs(off) < 1.96 * fit.standard_errors).mean() <= 0.97


def test_intervals_of_the_tie_parameter_and_the_position_effect_cover_the_truth() -> None:
    random = np.random.default_rng(5)
    theta = random.normal(size=(500, 1, 4)) * 0.7
    hits = []
    for seed in range(500):
        fit = davidson(simulate(random, theta[seed], 0.6, 0.3, 30), prior_sd=0.7, position=True)
        assert fit.position is not None
        assert fit.position_error is not None
        hits.append(
            (abs(log(fit.tie / 0.6)) < 1.96 * fit.tie_error, abs(fit.position - 0.3) < 1.96 * fit.position_error)
        )
    covered = np.mean(hits, axis=0)
    assert (covered >= 0.93).all()
    assert (covered <= 0.97).all()
