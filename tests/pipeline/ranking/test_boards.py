import numpy as np
import pytest

from prefpipe.pipeline.ranking.boards import Settings, boards_of
from prefpipe.pipeline.ranking.prompt_groups import Comparisons


def settings(method: str = "bradley-terry", *, elo: bool = False, anchor: int | None = None) -> Settings:
    return Settings(method, None, elo=elo, anchor=anchor, draws=50, seed=0)


def matches(*pairs: tuple[int, int], models: int, times: int = 12) -> Comparisons:
    """The first of each pair wins three times in four, in either slot, each vote on a prompt of its own."""
    cell = [
        ((turn % 2) * models + (i if turn % 4 else j)) * models + (j if turn % 4 else i)
        for i, j in pairs
        for turn in range(times)
    ]
    return Comparisons(models, np.arange(len(cell)), np.array(cell))


def test_models_come_best_first_with_their_own_errors() -> None:
    _, [board], lonely = boards_of(matches((2, 0), (0, 1), (2, 1), models=3), settings())
    assert (board.members.tolist(), board.ranks.tolist(), lonely.tolist()) == ([2, 0, 1], [1, 2, 3], [])
    assert (np.diff(board.estimate.scores) < 0).all()
    assert (board.standings.low < board.estimate.scores).all()
    assert (board.standings.high > board.estimate.scores).all()
    assert board.prompts == board.groups == 36


def test_models_that_were_never_compared_not_even_through_others_are_ranked_apart() -> None:
    comparisons = matches((4, 0), (0, 6), (5, 1), models=7)
    counted, boards, lonely = boards_of(comparisons, settings())
    assert [board.members.tolist() for board in boards] == [[4, 0, 6], [5, 1]]
    assert lonely.tolist() == [2, 3]
    assert [board.prompts for board in boards] == [24, 12]
    assert counted.met[5].tolist() == [0, 12, 0, 0, 0, 0, 0]
    _, [alone], _ = boards_of(matches((1, 0), models=2), settings())
    assert boards[1].estimate.scores == pytest.approx(alone.estimate.scores)
    assert boards[1].standings.high == pytest.approx(alone.standings.high)


def test_the_scale_and_the_anchor_move_scores_and_intervals_alike() -> None:
    comparisons = matches((2, 0), (0, 1), (2, 1), models=3)
    _, [plain], _ = boards_of(comparisons, settings())
    _, [elo], _ = boards_of(comparisons, settings(elo=True))
    _, [fixed], _ = boards_of(comparisons, settings(elo=True, anchor=1))
    unit = 400 / np.log(10)
    assert plain.estimate.scores.sum() == pytest.approx(0, abs=1e-9)
    assert elo.estimate.scores == pytest.approx(1000 + unit * plain.estimate.scores)
    assert elo.standings.low == pytest.approx(1000 + unit * plain.standings.low)
    assert fixed.estimate.scores == pytest.approx(1000 + unit * (plain.estimate.scores - plain.estimate.scores[2]))
    assert fixed.estimate.scores[2] == fixed.standings.high[2] == 1000
    assert fixed.standings.over_next == pytest.approx(plain.standings.over_next, nan_ok=True)


def test_an_anchor_on_another_board_leaves_a_board_as_it_is() -> None:
    comparisons = matches((4, 0), (0, 6), (5, 1), models=7)
    _, plain, _ = boards_of(comparisons, settings())
    _, fixed, _ = boards_of(comparisons, settings(anchor=5))
    assert fixed[0].estimate.scores.tolist() == plain[0].estimate.scores.tolist()
    assert fixed[1].estimate.scores[0] == 0


def test_equal_models_share_a_rank() -> None:
    _, [board], _ = boards_of(matches((0, 1), (1, 0), (2, 0), (2, 1), models=3, times=8), settings("win-rate"))
    assert (board.members.tolist(), board.ranks.tolist()) == ([2, 0, 1], [1, 2, 2])
