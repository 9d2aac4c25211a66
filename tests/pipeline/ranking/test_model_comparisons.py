from typing import Any

import numpy as np
import pytest

from prefpipe.pipeline.ranking import model_comparisons as module
from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of
from prefpipe.pipeline.ranking.model_comparisons import compare_models
from prefpipe.pipeline.ranking.prompt_groups import Comparisons

Vote = tuple[int, str, str]


def compared(votes: list[Vote], models: int = 3, **more: Any) -> tuple[Comparisons, list[bool]]:
    """Compare votes such as (prompt 0, "ab", "12"): shown in that order, ranked so, "-" for not ranked."""
    sizes = [len(shown) for _, shown, _ in votes]
    ratings = np.full(len(votes), np.nan) if "ratings" not in more else np.array(more.pop("ratings"))
    found, compares = compare_models(
        np.array([prompt for prompt, _, _ in votes], np.int32),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.array(["abc".index(name) for _, shown, _ in votes for name in shown], np.int32),
        np.array([0 if rank == "-" else int(rank) for _, _, ranks in votes for rank in ranks], np.int32),
        ratings,
        np.array(more.pop("source", np.zeros(len(votes), np.int64))),
        models,
        **more,
    )
    return found, compares.tolist()


def told(found: Comparisons) -> list[tuple[str, str, str]]:
    """Say of each comparison what happened: ("a", ">", "b"), and which of them stood first."""
    kind, winner, loser = np.unravel_index(found.cell, (3, found.models, found.models))
    signs = np.array(["first >", "second >", "first ="])[kind]
    return [("abc"[i], str(sign), "abc"[j]) for i, sign, j in zip(winner, signs, loser, strict=True)]


def test_a_pair_is_one_comparison_in_the_cell_of_its_outcome() -> None:
    found, compares = compared([(4, "ab", "12"), (4, "ab", "21"), (5, "ba", "11"), (5, "cb", "-1"), (5, "ab", "--")])
    assert told(found) == [("a", "first >", "b"), ("b", "second >", "a"), ("b", "first =", "a")]
    assert found.prompt.tolist() == [4, 4, 5]
    assert (found.weight, found.count, found.shares) == (None, None, None)
    assert compares == [True, True, True, False, False]


def test_a_list_is_all_its_pairs_weighted_as_in_rank() -> None:
    found, _ = compared([(0, "cab", "231"), (0, "ab", "12")])
    assert told(found) == [
        ("a", "first >", "b"),
        ("c", "first >", "a"),
        ("b", "second >", "c"),
        ("b", "second >", "a"),
    ]
    assert found.weight is not None
    assert found.weight.tolist() == [1, 0.75, 0.75, 0.75]
    assert found.count is not None
    assert found.count.tolist() == [1, 1, 1, 1]
    assert found.shares is not None
    assert found.shares[:, 1:].tolist() == [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]


def test_two_answers_of_one_model_are_not_compared() -> None:
    found, compares = compared([(0, "aa", "12"), (0, "aab", "123"), (1, "bab", "111")])
    assert told(found) == [("a", "first >", "b"), ("a", "first >", "b"), ("b", "first =", "a"), ("a", "first =", "b")]
    assert compares == [False, True, True]
    assert found.shares is not None
    assert (found.shares == 0.5).all()
    alike, none = compared([(0, "aa", "12"), (0, "bb", "12")])
    assert (len(alike.cell), none) == (0, [False, False])


def test_ratings_are_compared_within_judge_and_prompt_in_both_orders_by_half() -> None:
    votes = [(0, "a", "-"), (0, "b", "-"), (0, "c", "-"), (1, "a", "-")]
    found, compares = compared(votes, ratings=[3.0, 5.0, 4.0, 1.0], source=[0, 0, 1, 0])
    assert sorted(told(found)) == [("b", "first >", "a"), ("b", "second >", "a")]
    assert found.count is not None
    assert found.count.tolist() == [0.5, 0.5]
    assert compares == [True, True, False, False]


def test_by_ballot_all_of_a_model_in_one_vote_weighs_one() -> None:
    found, _ = compared([(0, "cab", "231"), (0, "ab", "12"), (0, "abc", "12-")], by_ballot=True)
    assert found.weight is not None
    assert sorted(found.weight.tolist()) == [0.5, 0.5, 0.5, 1, 1]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_many_votes_give_what_all_their_pairs_give_however_many_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(1, 5, 200)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    model, ranks = random.integers(0, 4, (2, offsets[-1]))
    prompt = random.integers(0, 9, 200)
    monkeypatch.setattr(module, "CHUNK", chunk)
    nothing = np.full(200, np.nan), np.zeros(200, np.int64)
    found, compares = compare_models(prompt, offsets, model, ranks, *nothing, 4)
    pairs = pairs_of(Ballots(prompt, nothing[1], np.ones(200, bool), offsets, model, ranks))
    pairs = pairs.where(pairs.first != pairs.second)
    wanted = np.zeros((3, 4, 4))
    for first, second, outcome, weight in zip(pairs.first, pairs.second, pairs.outcome, pairs.weight, strict=True):
        cell = {1: (0, first, second), -1: (1, second, first), 0: (2, first, second)}[int(outcome)]
        wanted[cell] += weight
    assert np.bincount(found.cell, found.weight, minlength=48) == pytest.approx(wanted.ravel())
    assert compares.tolist() == np.isin(np.arange(200), pairs.vote).tolist()
