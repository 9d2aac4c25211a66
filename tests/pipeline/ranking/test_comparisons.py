from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.bradley_terry import bradley_terry
from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of, tally

Vote = tuple[int, list[tuple[int, int]]]  # prompt, and the item and rank of each slot


def ballots_of(votes: list[Vote], placed: bool = True) -> Ballots:
    slots = [slot for _, shown in votes for slot in shown]
    return Ballots(
        prompt=np.array([prompt for prompt, _ in votes], np.int64),
        source=np.arange(len(votes)),
        placed=np.full(len(votes), placed),
        offsets=np.cumsum([0, *(len(shown) for _, shown in votes)]),
        items=np.array([item for item, _ in slots], np.int64),
        ranks=np.array([rank for _, rank in slots], np.int64),
    )


votes_of = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.permutations(range(5)).flatmap(
            lambda items: st.lists(st.integers(0, 4), min_size=1, max_size=5).map(
                lambda ranks: list(zip(items, ranks, strict=False))
            )
        ),
    ),
    max_size=6,
)


@given(votes_of)
def test_the_tally_is_that_of_a_loop_over_votes_and_pairs(votes: list[Vote]) -> None:
    expected = np.zeros((3, 3, 5, 5))
    for prompt, shown in votes:
        ranked = [(item, rank) for item, rank in shown if rank]
        for (first, its), (second, others) in combinations(ranked, 2):
            weight = 3 / (len(ranked) + 1)
            if its < others:
                expected[0, prompt, first, second] += weight
            elif its > others:
                expected[1, prompt, second, first] += weight
            else:
                expected[2, prompt, first, second] += weight
    found = tally(pairs_of(ballots_of(votes)), prompts=3, items=5)
    np.testing.assert_allclose([found.first_wins, found.second_wins, found.first_ties], expected, atol=1e-12)


@given(votes_of)
def test_votes_without_slots_count_half_in_either_order(votes: list[Vote]) -> None:
    placed = tally(pairs_of(ballots_of(votes)), prompts=3, items=5)
    free = tally(pairs_of(ballots_of(votes, placed=False)), prompts=3, items=5)
    np.testing.assert_allclose(free.points, placed.points, atol=1e-12)
    np.testing.assert_allclose(free.ties, placed.ties, atol=1e-12)
    np.testing.assert_allclose(free.first_wins, free.second_wins, atol=1e-12)


def test_a_pair_counts_one_and_a_vote_without_two_ranked_candidates_nothing() -> None:
    found = tally(pairs_of(ballots_of([(0, [(1, 2), (0, 1)]), (0, [(0, 1), (1, 0)]), (0, [(0, 1)])])), 1, 2)
    assert found.second_wins.tolist() == [[[0, 1], [0, 0]]]
    assert found.wins.sum() == 1
    assert found.ties.sum() == 0


def test_gathered_votes_are_those_that_were_asked_for() -> None:
    votes: list[Vote] = [(0, [(0, 1), (1, 2)]), (1, [(2, 1)]), (1, [(1, 3), (0, 2), (2, 1)])]
    everything = ballots_of(votes)
    some = Ballots.gathered(
        np.array([2, 0]),
        np.array([5, 4]),
        everything.source,
        everything.offsets,
        everything.items,
        everything.ranks,
    )
    joined = some.followed_by(ballots_of(votes[1:2], placed=False))
    assert joined.prompt.tolist() == [5, 4, 1]
    assert joined.sizes.tolist() == [3, 2, 1]
    assert joined.items.tolist() == [1, 0, 2, 0, 1, 2]
    assert joined.ranks.tolist() == [3, 2, 1, 1, 2, 1]
    assert joined.source.tolist() == [2, 0, 0]
    assert joined.placed.tolist() == [True, True, False]


@pytest.mark.parametrize(("items", "shown"), [(4, 2), (5, 5), (6, 3), (7, 4)])
def test_weighted_pairs_of_random_rankings_give_standard_errors_that_are_true(items: int, shown: int) -> None:
    """The promise of the weight 3/(k+1): at equal strengths, the claimed variance is the one that is met."""
    prompts, votes = 1000, 60
    random = np.random.default_rng(items)
    slots = random.random((prompts * votes, items)).argsort(1)[:, :shown]
    ranks = random.random(slots.shape).argsort(1) + 1
    ballots = Ballots(
        prompt=np.repeat(np.arange(prompts), votes),
        source=np.tile(np.arange(votes), prompts),
        placed=np.ones(len(slots), bool),
        offsets=np.arange(len(slots) + 1) * shown,
        items=slots.ravel(),
        ranks=ranks.ravel(),
    )
    fit = bradley_terry(tally(pairs_of(ballots), prompts, items), prior_sd=100)
    assert (fit.scores**2).mean() == pytest.approx((fit.standard_errors**2).mean(), rel=0.08)
