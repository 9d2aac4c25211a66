from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.sorting import greedy, kwiksort
from prefpipe.pipeline.ranking.tally import Floats, Tally


def counts(seed: int, prompts: int = 1, n: int = 5, most: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    return Tally(*(random.integers(0, most, (3, prompts, n, n)) * ~np.eye(n, dtype=bool) * 1.0))


def of_points(points: Floats) -> Tally:
    return Tally(points, np.zeros_like(points), np.zeros_like(points))


def picked(points: Floats) -> list[float]:
    """The greedy rule by its definition, with sets and fractions of votes."""
    left, scores, place = set(range(len(points))), [0.0] * len(points), 0

    def lead(i: int, j: int) -> float:
        votes = points[i, j] + points[j, i]
        return float((points[i, j] - points[j, i]) / votes) if votes else 0.0

    while left:
        potential = {i: sum(lead(i, j) for j in left) for i in left}
        best = {i for i in left if potential[i] > max(potential.values()) - 1e-9}
        for i in best:
            scores[i] = len(points) - 1 - place - (len(best) - 1) / 2
        place += len(best)
        left -= best
    return scores


def expected_places(points: Floats) -> list[float]:
    """The exact mean of KwikSort over all pivots and coins."""
    n = len(points)

    @cache
    def below(items: frozenset[int]) -> tuple[float, ...]:
        scores = [0.0] * n
        for pivot in items:
            others = sorted(items - {pivot})
            coins = [j for j in others if points[j, pivot] == points[pivot, j]]
            sure = {j for j in others if points[j, pivot] > points[pivot, j]}
            for heads in range(2 ** len(coins)):
                before = frozenset(sure | {j for bit, j in enumerate(coins) if heads >> bit & 1})
                after = items - before - {pivot}
                share = 1 / len(items) / 2 ** len(coins)
                top, bottom = below(before), below(after)
                for j in items:
                    scores[j] += share * (
                        top[j] + (j in before) * (1 + len(after)) + bottom[j] + (j == pivot) * len(after)
                    )
        return tuple(scores)

    return list(below(frozenset(range(n))))


@pytest.mark.parametrize("seed", range(30))
def test_greedy_equals_its_definition(seed: int) -> None:
    tally = counts(seed)
    assert greedy(tally).scores[0].tolist() == picked(tally.points[0])


@pytest.mark.parametrize("seed", range(6))
def test_kwiksort_averages_to_its_expectation(seed: int) -> None:
    tally = counts(seed)
    found = kwiksort(tally, draws=4000, seed=seed)
    exact = np.array(expected_places(tally.points[0]))
    assert (np.abs(found.scores[0] - exact) <= 4.5 * found.draw_errors[0] + 1e-9).all()


def test_the_error_over_draws_covers_the_expectation() -> None:
    tally = counts(3)
    exact = np.array(expected_places(tally.points[0]))
    found = [kwiksort(tally, draws=64, seed=seed) for seed in range(500)]
    scores, errors = np.array([f.scores[0] for f in found]), np.array([f.draw_errors[0] for f in found])
    moving = errors.min(axis=0) > 0
    assert moving.any()
    assert 0.93 <= (np.abs(scores - exact) < 1.96 * errors)[:, moving].mean() <= 0.97


def test_transitive_majorities_give_their_order_without_chance() -> None:
    points = np.triu(np.ones((1, 6, 6)), 1)
    found = kwiksort(of_points(points), draws=7)
    assert found.scores.tolist() == greedy(of_points(points)).scores.tolist() == [[5, 4, 3, 2, 1, 0]]
    assert not found.draw_errors.any()


def test_the_same_seed_gives_the_same_scores_and_seed_zero_is_a_seed() -> None:
    tally = counts(5, prompts=3)
    assert kwiksort(tally, seed=0).scores.tolist() == kwiksort(tally).scores.tolist()
    assert kwiksort(tally, seed=0).scores.tolist() != kwiksort(tally, seed=1).scores.tolist()


def test_the_chance_of_a_prompt_does_not_depend_on_the_others() -> None:
    tally = counts(5, prompts=3)
    alone = of_points(tally.points[2:])
    assert kwiksort(alone).scores.tolist() == kwiksort(tally).scores[2:].tolist()


@pytest.mark.parametrize(("shape", "score"), [((0, 3), 0), ((2, 0), 0), ((2, 1), 0), ((2, 3), 1)])
def test_nothing_to_compare_is_the_same_score_for_all(shape: tuple[int, int], score: float) -> None:
    none = of_points(np.zeros((*shape, shape[1])))
    assert greedy(none).scores.tolist() == np.full(shape, score).tolist()
    found = kwiksort(none, draws=400)
    assert found.scores == pytest.approx(np.full(shape, score), abs=0.2)


def test_ties_and_conflicts_add_nothing() -> None:
    none = np.zeros((1, 2, 2))
    assert greedy(Tally(none, none, np.array([[[0.0, 3], [0, 0]]]))).scores.tolist() == [[0.5, 0.5]]
    assert greedy(Tally(np.array([[[0.0, 1], [1, 0]]]), none, none)).scores.tolist() == [[0.5, 0.5]]


def test_one_draw_has_no_known_error_and_none_is_refused() -> None:
    assert np.isinf(kwiksort(counts(0), draws=1).draw_errors).all()
    with pytest.raises(ValueError, match="draws must be at least 1"):
        kwiksort(counts(0), draws=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(5)))
def test_names_do_not_matter_and_votes_twice_change_nothing(seed: int, order: list[int]) -> None:
    points = counts(seed, prompts=3).points
    moved = greedy(of_points(2 * points[1:2][:, order][:, :, order]))
    assert moved.scores.tolist() == greedy(of_points(points)).scores[1:2][:, order].tolist()
    assert kwiksort(of_points(2 * points)).scores.tolist() == kwiksort(of_points(points)).scores.tolist()
