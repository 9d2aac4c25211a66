from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of, tally
from prefpipe.pipeline.ranking.duels import duels_of, facts_of, tally_of
from prefpipe.pipeline.ranking.pairwise_consistency import PositionCounts, position_counts
from prefpipe.pipeline.ranking.repeats import Repeats, rankings_of_repeats
from prefpipe.pipeline.ranking.tally import Tally


def drawn(prompts: int, items: int, sources: int, share: float, seed: int) -> Ballots:
    """Votes on a share of all pairs in both orders, some of them twice, in any order."""
    random = np.random.default_rng(seed)
    pairs = np.array(list(permutations(range(items), 2)))
    asked = [(p, s, *pair) for p in range(prompts) for s in range(sources) for pair in pairs if random.random() < share]
    asked += asked[: len(asked) // 4]
    random.shuffle(asked)
    table = np.array(asked, np.int64).reshape(-1, 4)
    ranks = random.integers(1, 3, (len(table), 2))
    return Ballots(
        prompt=table[:, 0],
        source=table[:, 1],
        placed=np.ones(len(table), bool),
        offsets=np.arange(0, 2 * len(table) + 1, 2),
        items=table[:, 2:].ravel(),
        ranks=ranks.ravel(),
    )


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.floats(0, 1), st.integers(0, 99))
def test_one_count_says_what_looking_at_the_votes_for_each_question_says(
    prompts: int, items: int, sources: int, share: float, seed: int
) -> None:
    ballots = drawn(prompts, items, sources, share, seed)
    facts, pairs = facts_of(ballots, prompts, items), pairs_of(ballots)
    expected: list[Tally | PositionCounts | Repeats] = [
        tally(pairs, prompts, items),
        position_counts(ballots, prompts, items),
        rankings_of_repeats(ballots, pairs, prompts, items),
    ]
    for found, plain in zip((facts.tally, facts.positions, facts.repeats), expected, strict=True):
        for name, values in vars(plain).items():
            np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)
    np.testing.assert_array_equal(tally_of(ballots, prompts, items).points, tally(pairs, prompts, items).points)


def test_votes_on_all_pairs_are_counted_and_few_among_many_candidates_are_not() -> None:
    assert duels_of(drawn(2, 5, 2, 1.0, 0), 2, 5) is not None
    assert duels_of(drawn(2, 12, 2, 0.1, 0), 2, 12) is None


@pytest.mark.parametrize("change", ["weight", "placed", "ranks", "sizes"])
def test_other_votes_are_not_counted_so(change: str) -> None:
    ballots = drawn(2, 4, 1, 1.0, 0)
    if change == "sizes":
        ends = np.array([0, 1, 4, *ballots.offsets[3:]])
        other = Ballots(ballots.prompt, ballots.source, ballots.placed, ends, ballots.items, ballots.ranks)
    else:
        parts = dict(vars(ballots))
        parts["weight"] = np.ones(len(ballots.prompt))
        if change != "weight":
            parts |= {"weight": None, change: parts[change].copy()}
            parts[change][0] = 0
        other = Ballots(**parts)
    assert duels_of(other, 2, 4) is None
