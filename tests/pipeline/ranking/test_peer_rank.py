from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prefpipe.pipeline.ranking.peer_rank import peer_rank, peer_verdicts
from prefpipe.pipeline.ranking.tally import Floats

Codes = NDArray[np.int64]
ABILITY = np.array([1.5, 0.8, 0.2, -0.4, -2.0])


def reviews(seed: int, per_pair: int = 16, *, last_is_contrary: bool = True) -> tuple[Codes, Codes, Codes, Floats]:
    """Every judge on every ordered pair; a judge is as sharp as it is able, and the last one says the opposite."""
    random = np.random.default_rng(seed)
    judge, first, second, _ = np.unravel_index(np.arange(5 * 5 * 5 * per_pair), (5, 5, 5, per_pair))
    judge, first, second = (column[first != second] for column in (judge, first, second))
    sharpness = np.array([3.0, 2.0, 1.5, 1.0, -1.5 if last_is_contrary else 1.0])
    chance = 1 / (1 + np.exp(-sharpness[judge] * (ABILITY[first] - ABILITY[second])))
    return judge, first, second, (random.random(len(judge)) < chance).astype(float)


def written_out(judge: Codes, first: Codes, second: Codes, points: Floats, rounds: int) -> tuple[Floats, Floats]:
    """The notebook's loop, on dictionaries, with judges who are the models: score, then weight by own score."""
    weights = dict.fromkeys(range(5), 1.0)
    scores: dict[int, float] = {}
    for _ in range(rounds):
        won, battles = dict.fromkeys(range(5), 0.0), dict.fromkeys(range(5), 0)
        mean = sum(weights[j] for j in judge.tolist()) / len(judge)
        for j, a, b, point in zip(judge.tolist(), first.tolist(), second.tolist(), points.tolist(), strict=True):
            won[a] += weights[j] / mean * point
            won[b] += weights[j] / mean * (1 - point)
            battles[a] += 1
            battles[b] += 1
        scores = {m: won[m] / battles[m] for m in range(5)}
        low, high = min(scores.values()), max(scores.values())
        raw = {m: (score - low) / (high - low) for m, score in scores.items()}
        weights = {m: value / sum(raw.values()) for m, value in raw.items()}
    return np.array([scores[m] for m in range(5)]), np.array([weights[m] for m in range(5)])


def test_equals_the_notebook_where_every_judge_judged_everything() -> None:
    rows = reviews(0)
    found = peer_rank(*rows, contestant=np.arange(5), models=5)
    scores, weights = written_out(*rows, rounds=5)
    assert found.scores == pytest.approx(scores)
    assert found.judge_weights == pytest.approx(weights)
    assert found.iterations == 5


def test_finds_the_bad_judge_and_ranks_better_without_it() -> None:
    rows = reviews(1)
    weighted = peer_rank(*rows, contestant=np.arange(5), models=5)
    plain = peer_rank(*rows, contestant=np.arange(5), models=5, weighting="none")
    assert weighted.judge_weights[4] == 0
    assert weighted.judge_weights.argmax() == 0
    assert (np.diff(weighted.scores) < 0).all()
    assert np.ptp(weighted.scores) > np.ptp(plain.scores)
    assert plain.judge_weights == pytest.approx(np.full(5, 0.2))


def test_a_judge_who_does_not_compete_gets_the_mean_weight() -> None:
    judge, first, second, points = reviews(2)
    rows = np.append(judge, 5), np.append(first, 0), np.append(second, 1), np.append(points, 1.0)
    weights = peer_rank(*rows, contestant=np.array([0, 1, 2, 3, 4, -1]), models=5).judge_weights
    assert weights[5] == pytest.approx(weights[:5].mean())
    assert weights.sum() == pytest.approx(1)


def test_a_judge_whose_model_was_never_compared_gets_the_mean_weight() -> None:
    judge, first, second, points = reviews(2)
    found = peer_rank(judge, first, second, points, contestant=np.array([0, 1, 2, 3, 5]), models=6)
    assert found.scores[5] == 0.5
    assert found.judge_weights[4] == pytest.approx(found.judge_weights[:4].mean())


def test_one_judge_has_all_the_weight_and_equal_judges_share_it() -> None:
    alone = peer_rank(*(np.array(c) for c in ([0], [0], [1], [1.0])), contestant=np.array([0]), models=2)
    assert alone.judge_weights.tolist() == [1]
    assert alone.scores.tolist() == [1, 0]
    outside = peer_rank(
        *(np.array(c) for c in ([0, 1], [0, 0], [1, 1], [1.0, 0.0])), contestant=np.array([-1, -1]), models=2
    )
    assert outside.judge_weights.tolist() == [0.5, 0.5]
    assert outside.scores.tolist() == [0.5, 0.5]


def test_all_ties_leave_all_equal() -> None:
    judge, first, second, points = reviews(2)
    found = peer_rank(judge, first, second, np.full_like(points, 0.5), contestant=np.arange(5), models=5)
    assert found.scores == pytest.approx(np.full(5, 0.5))
    assert found.judge_weights == pytest.approx(np.full(5, 0.2))
    assert found.converged


def test_a_model_judged_by_a_judge_of_weight_zero_alone_is_still_scored() -> None:
    judge, first, second, points = reviews(2)
    rows = np.append(judge, [4, 4]), np.append(first, [5, 5]), np.append(second, [0, 0]), np.append(points, [1.0, 0.5])
    found = peer_rank(*rows, contestant=np.arange(5), models=6)
    assert found.judge_weights[4] == 0
    assert found.scores[5] == 0.75


def test_a_model_judged_by_one_judge_of_small_weight_has_the_points_of_that_judge() -> None:
    judge, first, second, points = reviews(2)
    rows = np.append(judge, [3, 4]), np.append(first, [5, 5]), np.append(second, [0, 0]), np.append(points, [1.0, 0.0])
    found = peer_rank(*rows, contestant=np.arange(5), models=6)
    assert 0 < found.judge_weights[3] < 0.5
    assert found.scores[5] == 1


def test_a_least_weight_keeps_every_judge_in() -> None:
    rows = reviews(1)
    found = peer_rank(*rows, contestant=np.arange(5), models=5, least_weight=0.2)
    assert found.judge_weights.min() == pytest.approx(0.2 * found.judge_weights.max())
    softly = peer_rank(*rows, contestant=np.arange(5), models=5, weighting="softmax")
    assert softly.judge_weights.min() > 0.1
    assert softly.judge_weights == pytest.approx(np.exp(softly.scores) / np.exp(softly.scores).sum())


def test_no_votes_give_one_half_and_equal_weights() -> None:
    none = np.zeros(0, dtype=int)
    found = peer_rank(none, none, none, np.zeros(0), contestant=np.array([0, -1]), models=2)
    assert found.scores.tolist() == found.judge_weights.tolist() == [0.5, 0.5]
    assert peer_rank(none, none, none, np.zeros(0), contestant=none, models=0).scores.tolist() == []


def test_impossible_options_are_refused_and_zero_votes_count_nothing() -> None:
    rows = reviews(1, per_pair=1)
    with pytest.raises(ValueError, match="least_weight must be within"):
        peer_rank(*rows, contestant=np.arange(5), models=5, least_weight=-0.1)
    with pytest.raises(ValueError, match="iterations must be at least 1"):
        peer_rank(*rows, contestant=np.arange(5), models=5, iterations=0)
    unknown: Any = "maximum"
    with pytest.raises(ValueError, match="weighting must be one of min-max, softmax, none, not 'maximum'"):
        peer_rank(*rows, contestant=np.arange(5), models=5, weighting=unknown)
    found = peer_rank(*rows, contestant=np.arange(5), models=5, votes=np.zeros(len(rows[0])))
    assert found.scores.tolist() == [0.5] * 5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_names_and_order_do_not_matter_and_a_vote_twice_is_two_votes(seed: int, order: list[int]) -> None:
    judge, first, second, points = reviews(seed, per_pair=2)
    found = peer_rank(judge, first, second, points, contestant=np.arange(5), models=5)
    names, back = np.argsort(order), np.random.default_rng(seed).permutation(len(judge))
    moved = peer_rank(
        judge[back], names[second[back]], names[first[back]], 1 - points[back], contestant=names, models=5
    )
    assert moved.scores == pytest.approx(found.scores[order])
    assert moved.judge_weights == pytest.approx(found.judge_weights)
    twice = peer_rank(judge, first, second, points, contestant=np.arange(5), models=5, votes=np.full(len(judge), 2.0))
    assert twice.scores == pytest.approx(found.scores)


def test_verdicts_are_weighted_and_have_a_dead_zone() -> None:
    weights = np.array([0.5, 0.3, 0.2, 0.0])
    question, judge = np.array([0, 0, 0, 1, 1, 2, 2, 3]), np.array([0, 1, 2, 0, 1, 0, 1, 3])
    points = np.array([1, 0, 0, 1, 0, 0.5, 0.5, 1])
    verdict, mean = peer_verdicts(question, judge, points, weights, questions=5)
    assert mean[:4] == pytest.approx([0.5, 0.625, 0.5, 1])
    assert verdict[:4].tolist() == [0.5, 1, 0.5, 1]
    assert np.isnan(verdict[4])
    assert np.isnan(mean[4])


@pytest.mark.parametrize(("share", "verdict"), [(0.504, 0.5), (0.506, 1.0), (0.494, 0.0)])
def test_the_dead_zone_reaches_one_hundredth_of_the_scale_from_minus_one_to_one(share: float, verdict: float) -> None:
    two = np.zeros(2, dtype=int)
    found, _ = peer_verdicts(two, np.arange(2), np.array([1.0, 0.0]), np.array([share, 1 - share]), questions=1)
    assert found.tolist() == [verdict]
    exactly, _ = peer_verdicts(
        two, np.arange(2), np.array([1.0, 0]), np.array([share, 1 - share]), questions=1, dead_zone=0
    )
    assert exactly.tolist() == [float(share > 0.5)]
