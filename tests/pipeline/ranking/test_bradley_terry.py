import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry, logistic, win_probabilities
from prefpipe.pipeline.ranking.tally import Floats, Tally


def tally_of(wins: Floats) -> Tally:
    """Comparisons whose slots do not matter."""
    nothing = np.zeros_like(wins)
    return Tally(wins, nothing, nothing)


def wins_of(items: str, results: dict[str, int]) -> Floats:
    """Count wins of the first letter over the second."""
    wins = np.zeros((1, len(items), len(items)))
    for pair, count in results.items():
        wins[0, items.index(pair[0]), items.index(pair[1])] += count
    return wins


counts = st.integers(2, 5).flatmap(
    lambda items: st.lists(st.integers(0, 6), min_size=3 * items * items, max_size=3 * items * items).map(
        lambda values: np.array(values, float).reshape(3, 1, items, items) * (1 - np.eye(items))
    )
)


def test_strengths_are_those_of_the_worked_example_on_wikipedia() -> None:
    # "Bradley–Terry model", Wikipedia; also in arena-rank's tests (Apache-2.0).
    wins = wins_of(
        "ABCD",
        {"AB": 2, "BA": 3, "AD": 1, "DA": 4, "BC": 5, "CB": 3, "CD": 1, "DC": 3},
    )
    fit = bradley_terry(tally_of(wins), prior_sd=math.inf)
    np.testing.assert_allclose(np.exp(fit.scores[0]), [0.64, 1.043, 0.66, 2.27], atol=1e-3)


def test_scores_and_errors_are_those_of_r_on_journal_citations() -> None:
    # Stigler (1994); R 4.2.2, BradleyTerry2 1.1.2, BTm. B: Biometrika, C: Comm Statist, J: JASA, S: JRSS-B.
    wins = wins_of(
        "BCJS",
        {"BC": 730, "CB": 33, "BJ": 498, "JB": 320, "BS": 221, "SB": 284}
        | {"CJ": 68, "JC": 813, "CS": 17, "SC": 276, "JS": 142, "SJ": 325},
    )
    fit = bradley_terry(tally_of(wins), prior_sd=math.inf)
    scores, covariance = fit.scores[0], fit.covariance[0]
    np.testing.assert_allclose(
        scores - scores[0], [0, -2.949072496844, -0.479569769752, 0.268954055819], rtol=0, atol=1e-8
    )
    lead = np.array([[-1, 1, 0, 0], [-1, 0, 1, 0], [-1, 0, 0, 1]])
    expected = [
        [0.01051554580612, 0.00227454711886, 0.0014604193992],
        [0.00227454711886, 0.00367099411087, 0.00168355767827],
        [0.0014604193992, 0.00168355767827, 0.00501688395688],
    ]
    np.testing.assert_allclose(lead @ covariance @ lead.T, expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(fit.standard_errors[0], np.sqrt(np.diag(covariance)))


def test_a_circle_with_one_stronger_edge_is_that_of_choix() -> None:
    # choix, tests/data/testcase-pairwise-2.json (MIT).
    fit = bradley_terry(tally_of(wins_of("012", {"01": 2, "12": 1, "20": 1})), prior_sd=math.inf)
    np.testing.assert_allclose(fit.scores[0], [0.419617624, -0.419617624, 0], atol=1e-5)


@given(counts, st.sampled_from([0.5, 2.0, 10.0]), st.sampled_from([-1.0, 0.0, 0.7]))
def test_the_slope_of_the_log_posterior_is_zero_at_the_scores(tables: Floats, prior_sd: float, beta: float) -> None:
    first, second, tied = tables
    fit = bradley_terry(Tally(first, second, tied), prior_sd=prior_sd, position_effect=beta)

    def log_posterior(theta: Floats) -> float:
        lead = theta[:, None] - theta[None, :] + beta
        wins, losses = first[0] + tied[0] / 2, second[0].T + tied[0] / 2
        return float((wins * np.log(logistic(lead)) + losses * np.log(logistic(-lead))).sum()) - float(
            (theta**2).sum()
        ) / (2 * prior_sd**2)

    theta = fit.scores[0]
    steps = np.eye(len(theta)) * 1e-5
    slopes = [(log_posterior(theta + step) - log_posterior(theta - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(slopes, 0, atol=1e-4)
    np.testing.assert_allclose(theta.sum(), 0, atol=1e-9)


@given(counts, st.integers(0, 10**6))
def test_other_labels_give_the_same_scores_under_other_labels(tables: Floats, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(tables.shape[-1])
    plain = bradley_terry(Tally(*tables), position_effect=0.3)
    renamed = bradley_terry(Tally(*tables[:, :, order][:, :, :, order]), position_effect=0.3)
    np.testing.assert_allclose(renamed.scores, plain.scores[:, order], atol=1e-9)
    np.testing.assert_allclose(renamed.standard_errors, plain.standard_errors[:, order], atol=1e-9)


@given(counts)
def test_swapping_all_slots_and_the_sign_of_the_effect_changes_nothing(tables: Floats) -> None:
    first, second, tied = tables
    plain = bradley_terry(Tally(first, second, tied), position_effect=0.8)
    swapped = bradley_terry(Tally(second, first, tied.transpose(0, 2, 1)), position_effect=-0.8)
    np.testing.assert_allclose(swapped.scores, plain.scores, atol=1e-9)


@given(counts)
def test_twice_the_votes_narrow_the_errors(tables: Floats) -> None:
    once, twice = bradley_terry(Tally(*tables)), bradley_terry(Tally(*(2 * tables)))
    met = (tables.sum(0)[0] + tables.sum(0)[0].T).sum(1) > 0
    assert (twice.standard_errors[0][met] < once.standard_errors[0][met]).all()


def test_a_batch_is_fitted_as_its_tournaments_one_by_one() -> None:
    tables = np.random.default_rng(0).integers(0, 4, (3, 2100, 4, 4)).astype(float)
    together = bradley_terry(Tally(*tables), position_effect=0.2)
    for index in (0, 1023, 1024, 2099):
        alone = bradley_terry(Tally(*tables[:, index : index + 1]), position_effect=0.2)
        np.testing.assert_allclose(together.scores[index], alone.scores[0], atol=1e-9)


def test_who_never_won_or_never_lost_gets_a_finite_score_and_an_error_that_is_not_zero() -> None:
    wins = np.zeros((1, 3, 3))
    wins[0, 0, 1] = wins[0, 0, 2] = wins[0, 1, 2] = 12
    fit = bradley_terry(tally_of(wins))
    assert fit.scores[0, 0] > fit.scores[0, 1] > fit.scores[0, 2]
    assert np.isfinite(fit.scores).all()
    assert (fit.standard_errors > 0.3).all()


def test_without_a_prior_a_tournament_without_maximum_has_no_scores_and_its_neighbours_keep_theirs() -> None:
    wins = np.array([[[0, 3], [0, 0]], [[0, 3], [1, 0]]], float)
    fit = bradley_terry(tally_of(wins), prior_sd=math.inf)
    assert np.isnan(fit.scores[0]).all()
    assert np.isnan(fit.standard_errors[0]).all()
    assert fit.scores[1, 0] - fit.scores[1, 1] == pytest.approx(math.log(3))


def test_two_items_at_three_to_one_differ_by_the_logarithm_of_three() -> None:
    # A simultaneous update of both by Newman's iteration swings for ever and reports a draw.
    fit = bradley_terry(tally_of(np.array([[[0, 3], [1, 0]]], float)), prior_sd=1e4)
    assert fit.scores[0, 0] - fit.scores[0, 1] == pytest.approx(math.log(3), abs=1e-6)


def test_ties_count_as_half_wins() -> None:
    nothing = np.zeros((1, 2, 2))
    tied = nothing.copy()
    tied[0, 0, 1] = 4
    halves = np.array([[[0, 2], [2, 0]]], float)
    np.testing.assert_allclose(
        bradley_terry(Tally(nothing, nothing, tied)).covariance, bradley_terry(tally_of(halves)).covariance
    )


@pytest.mark.parametrize("items", [1, 2, 5])
def test_without_comparisons_scores_are_zero_and_errors_those_of_the_prior(items: int) -> None:
    nothing = np.zeros((2, items, items))
    fit = bradley_terry(tally_of(nothing), prior_sd=1.5)
    np.testing.assert_array_equal(fit.scores, 0)
    np.testing.assert_allclose(fit.standard_errors, 1.5 * math.sqrt(1 - 1 / items), atol=1e-12)


def test_an_uncertain_position_effect_widens_the_error_of_who_stood_first_more_often() -> None:
    wins = np.array([[[0, 3], [0, 0]]], float)
    counts = Tally(wins, wins / 3, np.zeros_like(wins))
    sure = bradley_terry(counts, position_effect=0.5).standard_errors
    unsure = bradley_terry(counts, position_effect=0.5, position_error=0.5).standard_errors
    assert (unsure > sure).all()


def test_win_probabilities_follow_from_leads_and_slots() -> None:
    chances = win_probabilities(np.array([[1.0, -1.0]]), position_effect=0.5)
    assert chances[0, 0, 1] == pytest.approx(1 / (1 + math.exp(-2.5)))
    assert chances[0, 1, 0] == pytest.approx(1 / (1 + math.exp(1.5)))


def test_logistic_of_numbers_beyond_the_exponential_is_zero_or_one() -> None:
    np.testing.assert_allclose(logistic(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1], rtol=0, atol=1e-300)


@given(st.integers(0, 10**6), st.sampled_from([0.5, 2.0, 100.0, 1e4]), st.sampled_from([0.0, 0.4, -8.0]))
def test_millions_of_one_sided_votes_converge_under_any_prior(seed: int, prior_sd: float, beta: float) -> None:
    random = np.random.default_rng(seed)
    items = int(random.integers(2, 9))
    size = (3, 10, items, items)
    tables = np.floor(1e7 ** random.random(size)) * (random.random(size) < random.random()) * (1 - np.eye(items))
    one_sided = tables * np.array([1, 0, random.integers(2)])[:, None, None, None]
    for table in (tables, one_sided, np.triu(one_sided)):
        fit = bradley_terry(Tally(*table), prior_sd=prior_sd, position_effect=beta)
        assert np.isfinite(fit.scores).all()
        assert np.isfinite(fit.standard_errors).all()


def test_one_large_tournament_converges() -> None:
    random = np.random.default_rng(4)
    strength = random.normal(0, 2, 60)
    chance = logistic(strength[:, None] - strength)
    wins = random.binomial(100, chance).astype(float)[None]
    fit = bradley_terry(tally_of(wins * (1 - np.eye(60))))
    assert np.corrcoef(fit.scores[0], strength)[0, 1] > 0.99


@pytest.mark.parametrize("prior_sd", [100.0, 1e4, 1e6])
@pytest.mark.parametrize("rounds", [1, 50, 10_000])
def test_errors_keep_their_digits_however_wide_the_prior(prior_sd: float, rounds: int) -> None:
    wins = np.random.default_rng(0).integers(3, 9, (1, 5, 5)) * rounds * (1 - np.eye(5))
    likeliest, wide = bradley_terry(tally_of(wins), prior_sd=math.inf), bradley_terry(tally_of(wins), prior_sd=prior_sd)
    assert wide.scores == pytest.approx(likeliest.scores, abs=3 / prior_sd**2 + 1e-9)
    assert wide.standard_errors == pytest.approx(likeliest.standard_errors, rel=3 / prior_sd**2 + 1e-9)
    assert wide.covariance.sum(2) == pytest.approx(0, abs=1e-9)
