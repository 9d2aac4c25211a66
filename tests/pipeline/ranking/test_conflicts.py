import numpy as np

from prefpipe.pipeline.ranking.comparisons import Ballots
from prefpipe.pipeline.ranking.conflicts import TOLERANCE, by_likelihood, by_perplexity, in_conflict, resolved


def ballots(votes: list[tuple[int, list[int], list[int]]]) -> Ballots:
    """Votes as source, items in slot order and their ranks, all on one prompt."""
    return Ballots(
        prompt=np.zeros(len(votes), np.int64),
        source=np.array([source for source, _, _ in votes]),
        placed=np.ones(len(votes), bool),
        offsets=np.cumsum([0, *(len(items) for _, items, _ in votes)]),
        items=np.array([item for _, items, _ in votes for item in items]),
        ranks=np.array([rank for _, _, ranks in votes for rank in ranks]),
    )


VOTES = [
    (0, [0, 1, 2], [1, 2, 3]),
    (1, [0, 1], [1, 2]),
    (2, [1, 0], [1, 2]),
    (1, [1, 2], [2, 1]),
    (1, [1, 0], [1, 2]),
    (2, [0, 1], [1, 1]),
]


def test_a_conflict_is_between_the_two_orders_of_one_source() -> None:
    assert in_conflict(ballots(VOTES), 1, 3).tolist() == [1, 4]


def test_resolving_changes_the_ranks_of_votes_in_conflict_alone() -> None:
    plain = ballots(VOTES)
    assert resolved(plain, 1, 3, "both") is plain
    for rule, rank in {"tie": 1, "drop": 0}.items():
        expected = plain.ranks.copy()
        expected[[3, 4, 9, 10]] = rank
        assert resolved(plain, 1, 3, rule).ranks.tolist() == expected.tolist()
    assert plain.ranks[3] == 1
    assert plain.ranks[4] == 2


def decided(rows: list[tuple[list[int], list[int]]], first: list[float], second: list[float]) -> list[list[int]]:
    votes = ballots([(0, items, ranks) for items, ranks in rows])
    return by_likelihood(votes, 1, 3, np.array(first), np.array(second)).ranks.reshape(-1, 2).tolist()


CONFLICT = [([0, 1], [1, 2]), ([1, 0], [1, 2])]


def test_the_verdict_that_both_orders_together_find_likeliest_decides_a_conflict() -> None:
    assert decided(CONFLICT, [0.9, 0.6], [0.1, 0.4]) == [[1, 2], [2, 1]]
    assert decided(CONFLICT, [0.6, 0.9], [0.4, 0.1]) == [[2, 1], [1, 2]]
    assert decided(CONFLICT, [0.4, 0.4], [0.0, 0.1]) == [[1, 1], [1, 1]]  # a tie has 0.6 and 0.5


def test_a_lead_within_the_tolerance_is_a_tie() -> None:
    close, enough = 0.7 + 2 * TOLERANCE - 0.01, 0.7 + 2 * TOLERANCE + 0.01
    assert decided(CONFLICT, [close / 2 + 0.35, 0.7], [1 - close / 2 - 0.35, 0.3]) == [[1, 1], [1, 1]]
    assert decided(CONFLICT, [enough, 0.7], [1 - enough, 0.3]) == [[1, 2], [2, 1]]


def test_conflicts_without_probabilities_and_pairs_without_conflict_stand() -> None:
    assert decided(CONFLICT, [0.9, np.nan], [0.1, np.nan]) == [[1, 2], [1, 2]]
    agreeing = [([0, 1], [1, 2]), ([1, 0], [2, 1])]
    assert decided(agreeing, [0.1, 0.9], [0.9, 0.1]) == [[1, 2], [2, 1]]


def test_the_order_that_was_answered_more_fluently_decides_a_conflict() -> None:
    votes = ballots([(0, items, ranks) for items, ranks in CONFLICT])
    for perplexity, ranks in {
        (1.1, 1.3): [1, 2, 2, 1],
        (1.3, 1.1): [2, 1, 1, 2],
        (1.2, 1.2): [1, 1, 1, 1],
        (1.1, np.nan): [1, 2, 1, 2],
    }.items():
        assert by_perplexity(votes, 1, 3, np.array(perplexity)).ranks.tolist() == ranks
