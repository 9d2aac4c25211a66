import numpy as np

from prefpipe.pipeline.ranking.comparisons import Ballots
from prefpipe.pipeline.ranking.conflicts import in_conflict, resolved


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
