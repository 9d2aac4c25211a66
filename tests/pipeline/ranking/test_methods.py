"""What every method of `prefpipe rank` promises, whatever it computes."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of, tally
from prefpipe.pipeline.ranking.methods import METHODS, scorer_of
from prefpipe.pipeline.ranking.places import places
from prefpipe.pipeline.ranking.pooled import Shared
from prefpipe.pipeline.ranking.tally import Floats

SHARED = Shared(position_effect=0.0, position_error=0.0, prior_sd=50.0, tie=1.5)
"""With a prior so wide that more votes hardly change how much is left to it."""

ITEMS = 4
BY_VOTE = {"weng-lin", "trueskill", "elo"}
"""Every further vote moves them further on."""

WITH_PSEUDO_WINS = {"rank-centrality", "luce-spectral", "eigenvector"}
"""Tested without them beside their kernels."""

RULES_WITHOUT_MONOTONICITY = {"baldwin", "kwiksort"}
"""Elimination and sorting may turn a better result for an item against it, as their literature knows."""


def round_robin(outcomes: list[int], repeats: int = 1) -> Ballots:
    """All pairs in both orders: 0 is a win of the first slot, 1 of the second, 2 a tie."""
    pairs = np.array(list(permutations(range(ITEMS), 2)) * repeats)
    ranks = np.array([[1, 2], [2, 1], [1, 1]])[outcomes * repeats]
    votes = len(pairs)
    source = np.repeat(np.arange(repeats), votes // repeats)
    nothing = np.zeros(votes, np.int64)
    return Ballots(nothing, source, nothing == 0, np.arange(0, 2 * votes + 1, 2), pairs.ravel(), ranks.ravel())


def scores(method: str, ballots: Ballots) -> Floats:
    found, _ = scorer_of(method, SHARED)(ballots, tally(pairs_of(ballots), 1, ITEMS))
    of_the_only_prompt: Floats = found[0]
    return of_the_only_prompt


outcomes_of = st.lists(st.integers(0, 2), min_size=12, max_size=12)


@pytest.mark.parametrize("method", sorted(METHODS.keys() - BY_VOTE - WITH_PSEUDO_WINS - {"kwiksort"}))
@given(outcomes=outcomes_of)
@settings(max_examples=15, deadline=None)
def test_every_vote_twice_changes_no_rank(method: str, outcomes: list[int]) -> None:
    once, twice = (scores(method, round_robin(outcomes, repeats)) for repeats in (1, 2))
    ahead, after = (np.subtract.outer(found, found) for found in (once, twice))
    size = 1e-6 * max(np.ptp(once), np.ptp(twice), 1e-9)
    assert not ((ahead > size) & (after < -size)).any()
    if method not in {"bradley-terry", "davidson", "rao-kupper", "firth", "plackett-luce"}:
        assert places(once[None])[1].tolist() == places(twice[None])[1].tolist()


@pytest.mark.parametrize("method", sorted(METHODS.keys() - RULES_WITHOUT_MONOTONICITY))
@given(outcomes=outcomes_of, vote=st.integers(0, 11))
@settings(max_examples=25, deadline=None)
def test_a_loss_turned_into_a_win_never_puts_the_winner_further_back(
    method: str, outcomes: list[int], vote: int
) -> None:
    winner, loser = list(permutations(range(ITEMS), 2))[vote]
    lost, won = (scores(method, round_robin([*outcomes[:vote], end, *outcomes[vote + 1 :]])) for end in (1, 0))
    assert won[winner] - won[loser] >= lost[winner] - lost[loser] - 1e-6 * max(np.ptp(lost), 1)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_items_that_nothing_parts_are_equal(method: str) -> None:
    found = scores(method, round_robin([2] * 12))
    margin = 0.7 if method == "kwiksort" else 1e-6 * max(abs(found[0]), 1) if method != "elo" else 1e-6
    assert np.ptp(found) <= margin
