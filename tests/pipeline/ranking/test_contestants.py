import numpy as np
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.ranking.contestants import contestants, of_others


def test_judges_are_known_by_the_names_of_models() -> None:
    assert contestants(["b", "x", "a"], ["a", "b", "c"]).tolist() == [1, -1, 0]


def test_comparisons_of_own_answers_do_not_count_in_either_slot() -> None:
    counts = of_others(np.array([1, -1, 0]))
    judge, first, second = np.array([[0, 1, 2], [0, 0, 1], [0, 0, 2], [1, 0, 1], [2, 1, 2]]).T
    assert counts(judge, first, second).tolist() == [False, False, True, True, True]


def test_many_names_are_cut_short() -> None:
    with pytest.raises(UsageError, match=r"0 of the judges \(x0, x1, x2, x3, x4, …\) are models \(a\)\."):
        contestants([f"x{number}" for number in range(7)], ["a"])
