from itertools import permutations
from math import inf
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prefpipe.pipeline.ranking.elo import Elo, elo
from prefpipe.pipeline.ranking.tally import Floats

FOOD = (
    "PiSuL BuPaR TaPiL SuTaR BuPiL PaSuR TaBuL PiPaT SuBuR PaTaL BuSuR TaPiL SuPaT BuTaL PiBuR "
    "PaTaR BuSuR TaPaL PiTaR SuBuL PaPiR BuSuR TaPaL PiSuL SuBuR PaTaR TaPiL BuPaR SuTaL PiBuR"
)
SIMPLE = "01T 02R 02T 04T 10L 12T 12T 13T 24T 30L 31L 32L 34T 34T 40L 43L"


class Votes(NamedTuple):
    prompt: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    points: Floats


def of_rows(rows: str, names: list[str]) -> Votes:
    length = len(names[0])
    split = [(names.index(row[:length]), names.index(row[length : 2 * length]), row[-1]) for row in rows.split()]
    points = np.array([{"L": 1.0, "R": 0.0, "T": 0.5}[row[2]] for row in split])
    first, second = np.array([row[0] for row in split]), np.array([row[1] for row in split])
    return Votes(np.zeros(len(split), dtype=np.int64), first, second, points)


def drawn(seed: int, prompts: int = 3, n: int = 4, votes: int = 20) -> Votes:
    random = np.random.default_rng(seed)
    first = random.integers(0, n, votes)
    second = (first + random.integers(1, n, votes)) % n
    return Votes(random.integers(0, prompts, votes), first, second, random.choice([0, 0.5, 1], votes))


def played(votes: Votes, order: tuple[int, ...], n: int, k: float) -> list[float]:
    """One prompt's ratings, vote by vote as in the books."""
    ratings = [1000.0] * n
    for vote in order:
        i, j = votes.first[vote], votes.second[vote]
        expected = 1 / (1 + 10 ** ((ratings[j] - ratings[i]) / 400))
        moved = k * (votes.points[vote] - expected)
        ratings[i], ratings[j] = ratings[i] + moved, ratings[j] - moved
    return ratings


def test_golden_ratings_of_evalica_in_the_order_given() -> None:
    """evalica, food.csv and simple.csv: k = 4 from 1000."""
    food = elo(*of_rows(FOOD, ["Bu", "Pa", "Pi", "Su", "Ta"]), shape=(1, 5), permutations=0)
    assert food.scores[0] == pytest.approx(
        [998.0260933, 994.1913059, 992.3257646, 1002.0980591, 1013.3587772], abs=1e-6
    )
    simple = elo(*of_rows(SIMPLE, list("01234")), shape=(1, 5), permutations=0)
    assert simple.scores[0] == pytest.approx(
        [992.1030823, 999.9771706, 999.9773072, 1003.8861974, 1004.0562424], abs=1e-6
    )


def test_the_average_is_that_over_all_orders_within_its_error() -> None:
    votes = drawn(1, prompts=1, n=3, votes=6)
    exact = np.mean([played(votes, order, 3, 32.0) for order in permutations(range(6))], axis=0)
    found = elo(*votes, shape=(1, 3), k=32.0, permutations=20000)
    assert (np.abs(found.scores[0] - exact) < 4.5 * found.order_errors[0]).all()
    assert (found.order_errors < 0.1).all()


def test_the_error_covers_the_average_over_all_orders() -> None:
    votes = drawn(1, prompts=1, n=3, votes=6)
    exact = np.mean([played(votes, order, 3, 32.0) for order in permutations(range(6))], axis=0)
    runs = [elo(*votes, shape=(1, 3), k=32.0, seed=seed) for seed in range(500)]
    scores, errors = np.array([run.scores[0] for run in runs]), np.array([run.order_errors[0] for run in runs])
    assert 0.93 <= (np.abs(scores - exact) < 1.96 * errors).mean() <= 0.97


def test_every_prompt_and_order_is_played_as_in_the_books() -> None:
    votes = drawn(2)
    found = elo(*votes, shape=(3, 4), k=16.0, permutations=0)
    for prompt in range(3):
        rows = tuple(int(row) for row in np.flatnonzero(votes.prompt == prompt))
        assert found.scores[prompt] == pytest.approx(played(votes, rows, 4, 16.0))


def test_k_zero_and_weight_zero_move_nothing() -> None:
    votes = drawn(3)
    assert (elo(*votes, shape=(3, 4), k=0).scores == 1000).all()
    assert (elo(*votes, shape=(3, 4), weights=np.zeros(20), permutations=0).scores == 1000).all()
    assert (elo(*votes, shape=(3, 4), k=0, initial=0).scores == 0).all()


def test_a_single_order_has_no_known_error_and_fewer_are_refused() -> None:
    votes = drawn(3)
    assert (elo(*votes, shape=(3, 4), permutations=0).order_errors == inf).all()
    assert (elo(*votes, shape=(3, 4), permutations=1).order_errors == inf).all()
    with pytest.raises(ValueError, match="permutations must not be negative"):
        elo(*votes, shape=(3, 4), permutations=-1)


def test_an_item_that_never_won_is_last_and_one_without_votes_keeps_its_rating() -> None:
    first, second = np.array([0, 1, 0]), np.array([2, 2, 1])
    found = elo(np.zeros(3, dtype=int), first, second, np.ones(3), shape=(1, 4), k=400.0)
    assert found.scores[0].argmin() == 2
    assert found.scores[0, 3] == 1000
    assert np.isfinite(found.scores).all()


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (2, 1), (2, 3)])
@pytest.mark.parametrize("permutations", [0, 100])
def test_no_votes_leave_the_initial_rating(shape: tuple[int, int], permutations: int) -> None:
    none = np.zeros(0, dtype=int)
    found = elo(none, none, none, np.zeros(0), shape=shape, permutations=permutations)
    assert found.scores.shape == shape
    assert (found.scores == 1000).all()


def test_the_chance_of_a_prompt_does_not_depend_on_the_others() -> None:
    votes = drawn(4, votes=60)
    mine = votes.prompt == 1
    alone = elo(votes.prompt[mine] * 0, votes.first[mine], votes.second[mine], votes.points[mine], shape=(1, 4))
    assert alone.scores == pytest.approx(elo(*votes, shape=(3, 4)).scores[1:2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(20)))
def test_the_order_of_votes_does_not_matter_to_the_average(seed: int, order: list[int]) -> None:
    votes = drawn(seed)
    mixed = Votes(votes.prompt[order], votes.first[order], votes.second[order], votes.points[order])
    assert elo(*mixed, shape=(3, 4)).scores == pytest.approx(elo(*votes, shape=(3, 4)).scores)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_names_do_not_matter_and_points_are_only_passed_on(seed: int, order: list[int]) -> None:
    votes = drawn(seed)
    names = np.argsort(order)
    moved = elo(votes.prompt, names[votes.first], names[votes.second], votes.points, shape=(3, 4), permutations=0)
    found = elo(*votes, shape=(3, 4), permutations=0)
    assert moved.scores == pytest.approx(found.scores[:, order])
    assert elo(*votes, shape=(3, 4)).scores.mean(axis=1) == pytest.approx(np.full(3, 1000))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_late_extra_win_raises_the_winner(seed: int) -> None:
    votes = drawn(seed, prompts=1)

    def last(*extra: tuple[int, int, int, float]) -> Elo:
        columns = (np.concatenate([column, new]) for column, new in zip(votes, zip(*extra, strict=True), strict=True))
        prompt, first, second, points = columns
        return elo(prompt.astype(int), first.astype(int), second.astype(int), points, shape=(1, 4), permutations=0)

    before = elo(*votes, shape=(1, 4), permutations=0).scores[0]
    after = last((0, 2, 1, 1.0)).scores[0]
    assert after[2] > before[2]
    assert after[1] < before[1]
