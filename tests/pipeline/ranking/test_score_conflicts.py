from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest

from prefpipe.pipeline.ranking.score_conflicts import score_conflict_ratio

NAN = float("nan")
Vote = tuple[int, int, list[int], list[int]]
"""Judge, prompt, the candidates shown and their ranks."""
Rating = tuple[int, int, int, float]
"""Judge, prompt, candidate, rating."""


def ratios(votes: list[Vote], ratings: list[Rating]) -> list[float]:
    """Three prompts, of three, two and one candidates; ratings stand before the votes."""
    shown = [(judge, prompt, [item], [0]) for judge, prompt, item, _ in ratings] + votes
    found = score_conflict_ratio(
        np.array([judge for judge, _, _, _ in shown], np.int32),
        np.array([prompt for _, prompt, _, _ in shown], np.int32),
        np.cumsum([0, *(len(items) for _, _, items, _ in shown)]),
        np.array([item for _, _, items, _ in shown for item in items], np.int32),
        np.array([rank for _, _, _, ranks in shown for rank in ranks], np.int32),
        np.array([rating for *_, rating in ratings] + [NAN] * len(votes)),
        np.array([0, 3, 5, 6]),
    )
    return [float(ratio) for ratio in found]


def test_a_verdict_against_the_ratings_is_a_conflict_and_so_is_a_tie_of_unequal_ones() -> None:
    ratings = [(0, 0, 0, 5.0), (0, 0, 1, 3.0), (0, 0, 2, 3.0), (0, 1, 0, 1.0), (0, 1, 1, 1.0)]
    votes = [(0, 0, [0, 1], [1, 2]), (0, 0, [2, 0], [1, 1]), (0, 0, [1, 2], [2, 1]), (0, 1, [0, 1], [1, 1])]
    assert ratios(votes, ratings) == pytest.approx([2 / 3, 0, NAN], nan_ok=True)


def test_majorities_and_mean_ratings_count_and_judges_apart() -> None:
    ratings = [(0, 0, 0, 1.0), (0, 0, 0, 5.0), (0, 0, 1, 2.0), (1, 0, 0, 1.0), (1, 0, 1, 2.0)]
    votes = [(0, 0, [0, 1], [1, 2]), (0, 0, [1, 0], [2, 1]), (0, 0, [1, 0], [1, 2]), (1, 0, [0, 1], [1, 2])]
    assert ratios(votes, ratings) == pytest.approx([0.5, NAN, NAN], nan_ok=True)


@pytest.mark.parametrize(
    ("votes", "ratings"),
    [
        ([], [(0, 0, 0, 1.0), (0, 0, 1, 1.0)]),
        ([(0, 0, [0, 1], [1, 2])], []),
        ([(0, 0, [0, 1], [1, 2])], [(0, 0, 0, 1.0), (1, 0, 1, 1.0)]),
        ([(0, 0, [0, 1], [1, 0]), (0, 0, [0, 1, 2], [1, 2, 3])], [(0, 0, 0, 1.0), (0, 0, 1, 1.0)]),
    ],
)
def test_what_lacks_a_verdict_or_a_rating_by_the_same_judge_is_unknown(
    votes: list[Vote], ratings: list[Rating]
) -> None:
    assert np.isnan(ratios(votes, ratings)).all()


def test_it_is_what_each_judge_and_pair_say_one_by_one() -> None:
    random = np.random.default_rng(0)
    votes: list[Vote] = []
    ratings: list[Rating] = []
    for _ in range(80):
        prompt, judge, by = (int(random.integers(top)) for top in (2, 3, 3))
        shown = random.choice(3 - prompt, 2, replace=False).tolist()
        votes.append((judge, prompt, shown, random.integers(1, 3, 2).tolist()))
        ratings.append((by, prompt, int(random.integers(3 - prompt)), float(random.integers(1, 4))))
    leads: dict[tuple[int, int, int, int], int] = defaultdict(int)
    given: dict[tuple[int, int, int], list[float]] = defaultdict(list)
    for judge, prompt, (one, other), (rank, after) in votes:
        leads[judge, prompt, one, other] += int(np.sign(after - rank))
        leads[judge, prompt, other, one] -= int(np.sign(after - rank))
    for by, prompt, item, rating in ratings:
        given[by, prompt, item].append(rating)
    contrary: dict[int, list[bool]] = defaultdict(list)
    for judge, prompt in np.ndindex(3, 2):
        for one, other in combinations(range(3 - prompt), 2):
            key = judge, prompt, one, other
            if key in leads and (judge, prompt, one) in given and (judge, prompt, other) in given:
                lead = np.mean(given[judge, prompt, one]) - np.mean(given[judge, prompt, other])
                contrary[prompt].append(bool(np.sign(leads[key]) != np.sign(lead)))
    assert ratios(votes, ratings)[:2] == pytest.approx([np.mean(contrary[0]), np.mean(contrary[1])])
    assert 0 < np.mean(contrary[0]) < 1
