from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.tally import Tally
from prefpipe.pipeline.ranking.transitivity import transitivity


def tournament(items: int, seed: int, *, ties: bool = True, missing: bool = True) -> Tally:
    """Three prompts whose pairs each came out by chance."""
    chance = np.random.default_rng(seed)
    kind = np.triu(chance.choice([0, 1, 2, 3], (3, items, items), p=[0.2 * missing, 0.4, 0.6 - 0.2 * missing, 0]), 1)
    if ties:
        kind = np.triu(np.where(chance.random(kind.shape) < 0.3, 3 * (kind > 0), kind), 1)
    wins = (kind == 1) + (kind == 2).transpose(0, 2, 1)
    return Tally(wins.astype(float), np.zeros(wins.shape), (kind == 3).astype(float))


WEAK_ORDERS = {
    tuple(int(np.sign(scores[j] - scores[i])) for i, j in combinations(range(3), 2))
    for scores in product(range(3), repeat=3)
}
"""The verdicts on three candidates that some order, ties allowed, explains: 13 of 27."""


def broken_share(tally: Tally, prompt: int) -> float:
    """The share of triples, each pair of which was compared, whose verdicts no order explains, one by one."""
    points = tally.points[prompt]
    triples = [
        tuple(int(np.sign(points[i, j] - points[j, i])) for i, j in combinations(chosen, 2))
        for chosen in combinations(range(len(points)), 3)
        if all(points[i, j] + points[j, i] > 0 for i, j in combinations(chosen, 2))
    ]
    return sum(verdicts not in WEAK_ORDERS for verdicts in triples) / len(triples) if triples else np.nan


@given(st.integers(0, 6), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_the_share_of_triples_is_that_of_counting_them(items: int, seed: int, ties: bool, missing: bool) -> None:
    tally = tournament(items, seed, ties=ties, missing=missing)
    expected = [broken_share(tally, prompt) for prompt in range(3)]
    assert len(WEAK_ORDERS) == 13
    assert transitivity(tally).nontransitivity == pytest.approx(expected, nan_ok=True)


@given(st.integers(3, 8), st.integers(0, 10**6))
def test_zeta_counts_circles_from_how_often_each_candidate_wins(items: int, seed: int) -> None:
    tally = tournament(items, seed, ties=False, missing=False)
    won = tally.wins.sum(2)
    circles = items * (items - 1) * (2 * items - 1) / 12 - (won**2).sum(1) / 2
    most = (items**3 - items) / 24 if items % 2 else (items**3 - 4 * items) / 24
    found = transitivity(tally)
    assert found.cyclic_triads.tolist() == circles.tolist()
    assert found.zeta == pytest.approx(1 - circles / most)


def test_zeta_is_unknown_where_a_pair_has_no_majority_or_there_is_no_triple() -> None:
    tied = tournament(4, 0, ties=False, missing=False)
    tied.first_wins[:, 0, 1] = tied.first_wins[:, 1, 0] = 1
    assert np.isnan(transitivity(tied).zeta).all()
    pair = transitivity(tournament(2, 0, ties=False, missing=False))
    assert np.isnan(pair.zeta).all()
    assert np.isnan(pair.nontransitivity).all()


def test_weights_that_cancel_but_for_rounding_are_a_tie() -> None:
    wins = np.zeros((1, 3, 3))
    wins[0, 0, 1], wins[0, 1, 0] = 0.1 + 0.2, 0.3
    wins[0, 1, 2] = wins[0, 0, 2] = 1.0
    found = transitivity(Tally(wins, np.zeros((1, 3, 3)), np.zeros((1, 3, 3))))
    assert found.nontransitivity.tolist() == [0]
    assert np.isnan(found.zeta).all()


# Source: pref_voting, tests/test_other_methods.py (MIT), the cycle of three ballots abc, bca, cab.
def test_condorcets_circle_has_one_cyclic_triad_and_a_zeta_of_zero() -> None:
    wins = np.zeros((1, 3, 3))
    for ballot in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
        for place, better in enumerate(ballot):
            wins[0, better, ballot[place + 1 :]] += 1
    found = transitivity(Tally(wins, np.zeros((1, 3, 3)), np.zeros((1, 3, 3))))
    assert (found.cyclic_triads.tolist(), found.zeta.tolist()) == ([1], [0])
