import numpy as np
import pytest

from prefpipe.pipeline.ranking.pseudo_votes import shares_of_opponents, with_pseudo_votes
from prefpipe.pipeline.ranking.tally import Tally

NONE = np.zeros((1, 3, 3))


def counted(*wins: tuple[int, int, float]) -> Tally:
    first = NONE.copy()
    for winner, loser, times in wins:
        first[0, winner, loser] += times
    return Tally(first, NONE, NONE)


def test_each_model_gets_half_a_win_and_half_a_loss_spread_as_its_votes_are() -> None:
    tally = counted((0, 1, 3), (0, 2, 1))
    added = with_pseudo_votes(tally).wins - tally.wins
    # 0 meets 1 three times in four; 1 and 2 meet it always.
    assert added[0, 0, 1] == added[0, 1, 0] == pytest.approx(0.5 * 0.75 + 0.5)
    assert added[0, 0, 2] == added[0, 2, 0] == pytest.approx(0.5 * 0.25 + 0.5)
    assert added[0, 1, 2] == added[0, 2, 1] == 0
    assert added.sum() == pytest.approx(3)


def test_half_of_them_count_for_either_slot() -> None:
    tally = counted((0, 1, 3), (0, 2, 1))
    found = with_pseudo_votes(tally)
    assert found.first_wins - tally.first_wins == pytest.approx(found.second_wins)
    assert found.first_ties is tally.first_ties


def test_a_models_own_amounts_go_to_its_own_wins_and_losses() -> None:
    wins, losses = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 0.25]])
    added = with_pseudo_votes(counted((0, 1, 1), (2, 0, 1)), wins, losses).wins - counted((0, 1, 1), (2, 0, 1)).wins
    assert added[0].tolist() == [[0, 0.5, 0.5 + 0.25], [0, 0, 0], [0, 0, 0]]


def test_a_model_without_votes_gets_none() -> None:
    assert shares_of_opponents(counted((0, 1, 2)))[0].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert with_pseudo_votes(counted((0, 1, 2))).points[0, 2].sum() == 0
