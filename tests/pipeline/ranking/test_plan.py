from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking import plan
from prefpipe.pipeline.ranking.plan import portions


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 40), st.integers(0, 99), st.booleans())
def test_every_prompt_and_every_vote_is_in_one_portion(sizes: list[int], votes: int, seed: int, in_order: bool) -> None:
    random = np.random.default_rng(seed)
    prompt = random.integers(0, len(sizes), votes)
    prompt = np.sort(prompt) if in_order else prompt
    items = np.array(sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "PORTION", 60)
        parts = list(portions(items, prompt, np.full(votes, 2)))
    assert sorted(np.concatenate([part.prompts for part in parts]).tolist()) == list(range(len(sizes)))
    assert sorted(np.concatenate([part.votes for part in parts]).tolist()) == list(range(votes))
    for part in parts:
        assert (items[part.prompts] == part.items).all()
        np.testing.assert_array_equal(part.prompts[part.local], prompt[part.votes])
        assert (np.diff(part.votes) > 0).all()


def test_large_files_are_cut_and_small_ones_are_not() -> None:
    items, prompt = np.full(100_000, 7), np.repeat(np.arange(100_000), 3)
    sizes = np.full(len(prompt), 2)
    assert len(list(portions(items[:100], prompt[:300], sizes[:300]))) == 1
    largest = max(len(part.prompts) for part in portions(items, prompt, sizes))
    assert plan.PORTION / 2 < largest * (3 * 7**2 + 3) < plan.PORTION * 1.01


def test_chosen_prompts_come_alone() -> None:
    chosen: Any = np.array([True, False, True])
    parts = list(portions(np.array([2, 2, 3]), np.array([2, 1, 0, 2]), np.full(4, 2), chosen))
    assert [part.prompts.tolist() for part in parts] == [[0], [2]]
    assert [part.votes.tolist() for part in parts] == [[2], [0, 3]]
    assert list(portions(np.array([2]), np.array([0]), np.array([2]), np.array([False]))) == []
