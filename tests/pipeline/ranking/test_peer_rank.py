import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prefpipe.pipeline.ranking import prompt_groups
from prefpipe.pipeline.ranking.peer_rank import estimate_by_peers, peer_rank
from prefpipe.pipeline.ranking.prompt_groups import Comparisons, Grouped
from prefpipe.pipeline.ranking.tally import Floats

Codes = NDArray[np.int64]
ABILITY = np.array([1.5, 0.8, 0.2, -0.4, -2.0])
SHARPNESS = np.array([3.0, 2.0, 1.5, 1.0, -1.5])
"""Of five judges, each as sharp as it is able; the last one says the opposite."""


def reviews(seed: int, per_pair: int = 16) -> tuple[Codes, Codes, Codes, Floats]:
    """Every judge on every ordered pair: judge, the earlier model, the later one, points of the earlier."""
    random = np.random.default_rng(seed)
    judge, first, second, _ = np.unravel_index(np.arange(5 * 5 * 5 * per_pair), (5, 5, 5, per_pair))
    judge, first, second = (column[first != second] for column in (judge, first, second))
    chance = 1 / (1 + np.exp(-SHARPNESS[judge] * (ABILITY[first] - ABILITY[second])))
    return judge, first, second, (random.random(len(judge)) < chance).astype(float)


def counted(judge: Codes, first: Codes, second: Codes, points: Floats, models: int = 5) -> tuple[Floats, Floats]:
    """Points and comparisons of each model by each judge, as one draw."""
    won, met = np.zeros((2, 1, int(judge.max()) + 1, models))
    np.add.at(won[0], (judge, first), points)
    np.add.at(won[0], (judge, second), 1 - points)
    np.add.at(met[0], (judge, first), 1)
    np.add.at(met[0], (judge, second), 1)
    return won, met


def written_out(judge: Codes, first: Codes, second: Codes, points: Floats) -> tuple[Floats, Floats]:
    """The loop of PRD's notebook, on dictionaries: score, then weigh by own score."""
    weights = dict.fromkeys(range(5), 1.0)
    scores: dict[int, float] = {}
    for _ in range(5):
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
    scores, weights = peer_rank(*counted(*rows), np.arange(5))
    expected, shares = written_out(*rows)
    assert scores[0] == pytest.approx(expected)
    assert weights[0] == pytest.approx(5 * shares)


def test_finds_the_bad_judge_and_ranks_better_without_it() -> None:
    won, met = counted(*reviews(1))
    scores, weights = peer_rank(won, met, np.arange(5))
    plain = (won.sum(1) / met.sum(1))[0]
    assert weights[0, 4] == 0
    assert weights[0].argmax() == 0
    assert weights.mean() == pytest.approx(1)
    assert (np.diff(scores[0]) < 0).all()
    assert np.ptp(scores) > np.ptp(plain)


def test_a_judge_who_does_not_compete_or_was_never_compared_gets_the_mean_weight() -> None:
    judge, first, second, points = reviews(2)
    won, met = counted(np.append(judge, 5), np.append(first, 0), np.append(second, 1), np.append(points, 1.0))
    _, weights = peer_rank(won, met, np.array([0, 1, 2, 3, 4, -1]))
    assert weights[0, 5] == pytest.approx(weights[0, :5].mean()) == pytest.approx(1)
    scores, weights = peer_rank(*counted(judge, first, second, points, models=6), np.array([0, 1, 2, 3, 5]))
    assert scores[0, 5] == 0.5
    assert weights[0, 4] == pytest.approx(weights[0, :4].mean()) == pytest.approx(1)


def test_equally_good_judges_weigh_the_same() -> None:
    judge, first, second, points = reviews(2)
    scores, weights = peer_rank(*counted(judge, first, second, np.full_like(points, 0.5)), np.arange(5))
    assert scores[0] == pytest.approx(np.full(5, 0.5))
    assert weights[0] == pytest.approx(np.ones(5))


def test_a_model_judged_by_a_judge_of_weight_zero_alone_is_still_scored() -> None:
    judge, first, second, points = reviews(2)
    rows = np.append(judge, [4, 4]), np.append(first, [5, 5]), np.append(second, [0, 0]), np.append(points, [1.0, 0.5])
    scores, weights = peer_rank(*counted(*rows, models=6), np.arange(5))
    assert weights[0, 4] == 0
    assert scores[0, 5] == 0.75


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_names_do_not_matter_and_a_vote_twice_is_two_votes(seed: int, order: list[int]) -> None:
    won, met = counted(*reviews(seed, per_pair=2))
    scores, weights = peer_rank(won, met, np.arange(5))
    moved, weighed = peer_rank(won[:, order][:, :, order], met[:, order][:, :, order], np.arange(5))
    assert moved[0] == pytest.approx(scores[0, order])
    assert weighed[0] == pytest.approx(weights[0, order])
    assert peer_rank(2 * won, 2 * met, np.arange(5))[0] == pytest.approx(scores)


def on_prompts(random: np.random.Generator, prompts: int, spread: float = 0.8) -> Comparisons:
    """Each of the five and two who do not compete judges two pairs of each prompt, which suits one more than another.

    The outsiders, judges 5 and 6, are as sharp as the best.
    """
    prompt, judge = np.repeat(np.arange(prompts), 14), np.tile(np.repeat(np.arange(7), 2), prompts)
    ability = ABILITY + random.normal(0, spread, (prompts, 5))
    first = random.integers(0, 5, len(prompt))
    second = (first + random.integers(1, 5, len(prompt))) % 5
    lead = ability[prompt, first] - ability[prompt, second]
    lost = random.random(len(prompt)) > 1 / (1 + np.exp(-np.append(SHARPNESS, [3.0, 3.0])[judge] * lead))
    kind = np.where(random.random(len(prompt)) < 0.1, 2, lost)
    winner, loser = np.where(kind == 1, second, first), np.where(kind == 1, first, second)
    return Comparisons(5, prompt, (kind * 5 + winner) * 5 + loser, judge=judge)


CONTESTANT = np.array([0, 1, 2, 3, 4, -1, -1])


def test_judges_who_do_not_compete_are_told_apart_in_nothing() -> None:
    comparisons = on_prompts(np.random.default_rng(0), 100)
    found, peers = estimate_by_peers(Grouped.of(comparisons), CONTESTANT, draws=50, seed=0)
    assert comparisons.judge is not None
    kind, one, other = np.unravel_index(comparisons.cell, (3, 5, 5))
    scores, weights = peer_rank(*counted(comparisons.judge, one, other, np.where(kind == 2, 0.5, 1.0)), CONTESTANT)
    assert found.scores == pytest.approx(scores[0])
    assert peers.weights == pytest.approx(weights[0])
    assert peers.weights[:5].argmin() == 4
    assert peers.weights[5] == peers.weights[6] == pytest.approx(1)
    assert (peers.errors[1:4] > 0).all()
    assert peers.votes.all()


def test_counted_in_parts_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    comparisons = on_prompts(np.random.default_rng(0), 60)
    whole, peers = estimate_by_peers(Grouped.of(comparisons), CONTESTANT, draws=20, seed=0)
    monkeypatch.setattr(prompt_groups, "BLOCK", 500)
    parts, same = estimate_by_peers(Grouped.of(comparisons), CONTESTANT, draws=20, seed=0)
    assert parts.drawn == pytest.approx(whole.drawn)
    assert same.errors == pytest.approx(peers.errors)


def test_errors_are_how_far_scores_vary_over_prompts() -> None:
    random = np.random.default_rng(3)
    runs = [
        estimate_by_peers(Grouped.of(on_prompts(random, 60)), CONTESTANT, draws=40, seed=number) for number in range(60)
    ]
    varied = np.array([found.scores for found, _ in runs]).std(0)
    claimed = np.sqrt(np.mean([found.drawn.var(0) for found, _ in runs], 0))
    assert claimed == pytest.approx(varied, rel=0.3)
    weights = np.array([peers.weights for _, peers in runs])
    assert np.sqrt(np.mean([peers.errors**2 for _, peers in runs], 0))[:4] == pytest.approx(
        weights.std(0)[:4], rel=0.35
    )
