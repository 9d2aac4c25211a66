import numpy as np
import pytest

from prefpipe.pipeline.ranking import prompt_groups as module
from prefpipe.pipeline.ranking.prompt_groups import Comparisons, Grouped
from prefpipe.pipeline.ranking.tally import Tally


def some(seed: int = 0, *, weighted: bool = False) -> Comparisons:
    random = np.random.default_rng(seed)
    first = random.integers(0, 4, 300)
    second = (first + random.integers(1, 4, 300)) % 4
    cell = (random.integers(0, 3, 300) * 4 + first) * 4 + second
    return Comparisons(4, random.choice([3, 5, 6, 8, 9, 12], 300), cell, random.random(300) if weighted else None)


def stacked(tally: Tally) -> np.ndarray:
    return np.stack([tally.first_wins, tally.second_wins, tally.first_ties], axis=1).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cells", [1 << 24, 100, 1])
def test_drawn_tallies_are_the_weighted_sums_of_the_tallies_of_prompts(
    monkeypatch: pytest.MonkeyPatch, weighted: bool, cells: int
) -> None:
    monkeypatch.setattr(module, "BLOCK", cells)
    comparisons = some(weighted=weighted)
    grouped = Grouped.of(comparisons)
    assert (grouped.groups, grouped.prompts) == (6, 6)
    weights = np.random.default_rng(1).random((5, 6))
    total, drawn = grouped.drawn(weights)
    each = np.zeros((6, 48))
    place = np.searchsorted([3, 5, 6, 8, 9, 12], comparisons.prompt)
    np.add.at(each, (place, comparisons.cell), 1.0 if comparisons.weight is None else comparisons.weight)
    assert stacked(total).ravel() == pytest.approx(each.sum(0))
    assert stacked(drawn).reshape(5, 48) == pytest.approx(weights @ each, rel=1e-5)


def test_of_many_prompts_equally_many_are_drawn_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GROUPS", 7)
    comparisons = Comparisons(2, np.repeat(np.arange(100), 3), np.ones(300, np.int64))
    one, other = (Grouped.of(comparisons, seed) for seed in (0, 1))
    for grouped in (one, other):
        assert (grouped.groups, grouped.prompts) == (7, 100)
        groups = grouped.group.reshape(100, 3)
        assert (groups == groups[:, :1]).all()
        assert np.bincount(groups[:, 0]).tolist() == [15, 15, 14, 14, 14, 14, 14]
    assert (one.group != other.group).any()
    assert (one.group == Grouped.of(comparisons, 0).group).all()


def test_among_some_models_the_others_comparisons_are_left_out_and_the_models_numbered_anew() -> None:
    comparisons = some(weighted=True)
    members = np.array([0, 2, 3])
    inside = comparisons.among(members)
    before, _ = Grouped.of(comparisons).drawn(np.zeros((0, 6)))
    after, _ = Grouped.of(inside).drawn(np.zeros((0, 6)))
    assert inside.models == 3
    square = np.ix_(members, members)
    assert stacked(after)[0] == pytest.approx(np.stack([part[square] for part in stacked(before)[0]]))
    assert comparisons.among(np.arange(4)) is comparisons
