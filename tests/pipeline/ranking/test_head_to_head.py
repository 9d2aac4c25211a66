import numpy as np
import pytest

from prefpipe.pipeline.ranking import head_to_head as module
from prefpipe.pipeline.ranking.head_to_head import head_to_head, parts_of
from prefpipe.pipeline.ranking.prompt_groups import Comparisons


def compared(*rows: tuple[int, int, int, int], models: int = 4, **more: np.ndarray) -> Comparisons:
    """Comparisons as (prompt, kind, i, j)."""
    prompt, kind, i, j = np.array(rows, np.int64).reshape(-1, 4).T
    return Comparisons(models, prompt, (kind * models + i) * models + j, **more)


def test_wins_ties_and_prompts_are_counted_by_pair_and_by_model() -> None:
    found = head_to_head(
        compared((7, 0, 0, 1), (7, 1, 0, 1), (7, 0, 1, 0), (9, 2, 1, 0), (9, 2, 1, 2), (9, 1, 2, 0), (9, 1, 2, 0))
    )
    assert found.wins.tolist() == [[0, 2, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]]
    assert found.ties.tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert found.met[0].tolist() == [0, 4, 2, 0]
    assert found.pair_prompts.tolist() == [[0, 2, 1, 0], [2, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert found.votes.tolist() == [6, 5, 3, 0]
    assert found.prompts.tolist() == [2, 2, 1, 0]
    assert found.first_slot == (2, 3)


def test_a_list_is_one_vote_on_each_of_its_models_and_a_rating_half_a_comparison_in_either_order() -> None:
    found = head_to_head(
        compared(
            *[(0, 0, 0, 1), (0, 0, 0, 2), (0, 0, 1, 2), (1, 0, 3, 0), (1, 1, 3, 0)],
            count=np.array([1, 1, 1, 0.5, 0.5]),
            shares=np.full((2, 5), 0.5),
        )
    )
    assert found.votes.tolist() == [2, 1, 1, 1]
    assert found.wins[3, 0] == 1
    assert found.wins.sum() == 4


@pytest.mark.parametrize("cells", [1, 40, 1 << 27])
def test_prompts_are_the_same_however_many_models_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    monkeypatch.setattr(module, "CELLS", cells)
    random = np.random.default_rng(0)
    rows = [(int(p), 0, int(i), int((i + d) % 4)) for p, i, d in random.integers([0, 0, 1], [20, 4, 4], (60, 3))]
    found = head_to_head(compared(*rows))
    assert found.prompts.tolist() == [len({p for p, _, i, j in rows if m in {i, j}}) for m in range(4)]
    assert found.pair_prompts[1, 3] == len({p for p, _, i, j in rows if {i, j} == {1, 3}})


def test_nothing_compared_is_counted_as_nothing() -> None:
    found = head_to_head(compared())
    assert (found.met.sum(), found.prompts.sum(), found.votes.sum(), found.pair_prompts.sum()) == (0, 0, 0, 0)


def test_parts_are_what_is_joined_by_comparisons_the_largest_first() -> None:
    met = np.zeros((8, 8))
    for i, j in ((0, 5), (2, 7), (7, 1), (1, 6)):
        met[i, j] = met[j, i] = 3
    assert parts_of(met).tolist() == [1, 0, 0, 2, 3, 1, 0, 0]
    chain = np.diag(np.ones(99), 1)
    assert (parts_of(chain + chain.T) == 0).all()
    assert parts_of(np.zeros((0, 0))).tolist() == []
