from math import inf, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.tally import Tally
from prefpipe.pipeline.ranking.win_rate import Over, win_rate

OVER: list[Over] = ["comparisons", "opponents"]
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


def counts(seed: int, prompts: int = 1, n: int = 4, most: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    return Tally(*(random.integers(0, most, (3, prompts, n, n)) * ~np.eye(n, dtype=bool) * 1.0))


def test_golden_average_win_rates_of_evalica() -> None:
    """evalica, food.csv and simple.csv."""
    food = win_rate(of_rows(FOOD, ["Bu", "Pa", "Pi", "Su", "Ta"]), over="opponents")
    assert food.scores[0] == pytest.approx([0.45833333, 0.425, 0.4375, 0.47916667, 0.7], abs=1e-8)
    simple = win_rate(of_rows(SIMPLE, list("01234")), over="opponents")
    assert simple.scores[0] == pytest.approx([0.1875, 0.5, 0.4375, 0.77083333, 0.63888889], abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_equals_a_count_vote_by_vote(seed: int) -> None:
    tally = counts(seed)
    for item in range(4):
        results: dict[int, list[float]] = {}
        for other in {0, 1, 2, 3} - {item}:
            won, lost, tied = (
                int(part[0, a, b])
                for part, a, b in ((tally.wins, item, other), (tally.wins, other, item), (tally.ties, item, other))
            )
            results[other] = [1.0] * won + [0.0] * lost + [0.5] * tied
        votes = [outcome for outcomes in results.values() for outcome in outcomes]
        found = win_rate(tally)
        assert found.comparisons[0, item] == len(votes)
        assert found.scores[0, item] == pytest.approx(np.mean(votes))
        assert found.standard_errors[0, item] == pytest.approx(np.std([*votes, 0, 1]) / sqrt(len(votes)))
        rates = [np.mean(outcomes) for outcomes in results.values() if outcomes]
        spread = [np.var([*outcomes, 0, 1]) / len(outcomes) for outcomes in results.values() if outcomes]
        by_opponent = win_rate(tally, over="opponents")
        assert by_opponent.scores[0, item] == pytest.approx(np.mean(rates))
        assert by_opponent.standard_errors[0, item] == pytest.approx(sqrt(sum(spread)) / len(rates))


@pytest.mark.parametrize("over", OVER)
def test_an_item_that_never_won_has_an_error_above_zero(over: Over) -> None:
    wins = np.array([[[0.0, 5], [0, 0]]])
    found = win_rate(Tally(wins, wins * 0, wins * 0), over=over)
    assert found.scores.tolist() == [[1, 0]]
    assert (found.standard_errors > 0.1).all()


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 3)])
def test_items_never_compared_have_one_half_and_no_known_error(over: Over, shape: tuple[int, int]) -> None:
    none = np.zeros((*shape, shape[1]))
    found = win_rate(Tally(none, none, none), over=over)
    assert found.scores.shape == shape
    assert (found.scores == 0.5).all()
    assert (found.standard_errors == inf).all()


@pytest.mark.parametrize("over", OVER)
def test_all_tied_items_have_one_half(over: Over) -> None:
    none = np.zeros((1, 3, 3))
    found = win_rate(Tally(none, none, np.triu(np.ones((1, 3, 3)), 1)), over=over)
    assert found.scores.tolist() == [[0.5, 0.5, 0.5]]
    assert (found.standard_errors > 0).all()


@pytest.mark.parametrize("over", OVER)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(4)))
def test_names_do_not_matter_and_votes_twice_change_no_rate(over: Over, seed: int, order: list[int]) -> None:
    tally = counts(seed, prompts=2)
    found = win_rate(tally, over=over)
    parts = (tally.first_wins, tally.second_wins, tally.first_ties)
    moved = win_rate(Tally(*(2 * part[1:][:, order][:, :, order] for part in parts)), over=over)
    assert moved.scores == pytest.approx(found.scores[1:][:, order])


@pytest.mark.parametrize("over", OVER)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), pair=st.permutations(range(4)))
def test_an_extra_win_never_lowers_the_winner_against_those_it_met(over: Over, seed: int, pair: list[int]) -> None:
    tally = counts(seed)
    more = tally.first_wins.copy()
    more[0, pair[0], pair[1]] += 1
    before, after = (
        win_rate(Tally(wins, tally.second_wins, tally.first_ties), over=over) for wins in (tally.first_wins, more)
    )
    met = tally.points[0, pair[0], pair[1]] + tally.points[0, pair[1], pair[0]] > 0
    if met or over == "comparisons":  # a first meeting may lower the mean over opponents, as any new opponent may
        assert after.scores[0, pair[0]] >= before.scores[0, pair[0]] - 1e-12


def test_intervals_over_comparisons_cover_the_rate_against_random_opponents() -> None:
    random = np.random.default_rng(2)
    chances = np.array([0.3, 0.5, 0.8])
    drawn = random.multinomial(60, np.full(3, 1 / 3), size=500)
    tied = random.binomial(drawn, 0.2)
    won = random.binomial(drawn - tied, chances)
    wins, ties = np.zeros((500, 4, 4)), np.zeros((500, 4, 4))
    wins[:, 0, 1:], wins[:, 1:, 0], ties[:, 0, 1:] = won, drawn - tied - won, tied
    found = win_rate(Tally(wins, wins * 0, ties))
    off = found.scores[:, 0] - (0.1 + 0.8 * chances.mean())
    assert 0.93 <= (np.abs(off) < 1.96 * found.standard_errors[:, 0]).mean() <= 0.97


def test_intervals_over_opponents_cover_the_mean_rate() -> None:
    random = np.random.default_rng(2)
    chances = np.array([0.3, 0.5, 0.8])
    won = random.binomial(25, chances, size=(500, 3))
    wins = np.zeros((500, 4, 4))
    wins[:, 0, 1:], wins[:, 1:, 0] = won, 25 - won
    found = win_rate(Tally(wins, wins * 0, wins * 0), over="opponents")
    off = found.scores[:, 0] - chances.mean()
    assert 0.93 <= (np.abs(off) < 1.96 * found.standard_errors[:, 0]).mean() <= 0.97


def test_an_unknown_way_of_counting_is_refused() -> None:
    unknown: Any = "votes"
    with pytest.raises(ValueError, match="over must be one of comparisons, opponents, not 'votes'"):
        win_rate(counts(0), over=unknown)
