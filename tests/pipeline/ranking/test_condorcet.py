from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.condorcet import Condorcet, copeland, minimax, schulze
from prefpipe.pipeline.ranking.tally import Floats, Tally

Rule = Callable[[Tally], Condorcet]
RULES: list[Rule] = [copeland, minimax, schulze]


def counts(seed: int, prompts: int = 1, n: int = 5, most: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    off = ~np.eye(n, dtype=bool)
    return Tally(*(random.integers(0, most, (3, prompts, n, n)) * off * 1.0))


def of_points(points: Floats) -> Tally:
    return Tally(points, np.zeros_like(points), np.zeros_like(points))


def of_ballots(ballots: list[tuple[int, list[int]]]) -> Tally:
    n = len(ballots[0][1])
    points = np.zeros((1, n, n))
    for votes, order in ballots:
        for place, winner in enumerate(order):
            points[0, winner, order[place + 1 :]] += votes
    return of_points(points)


TENNESSEE = of_ballots([(42, [0, 1, 2, 3]), (26, [1, 2, 3, 0]), (15, [2, 3, 1, 0]), (17, [3, 2, 1, 0])])
"""Wikipedia, "Condorcet method": Memphis, Nashville, Chattanooga, Knoxville."""


def worst_margin(points: Floats, i: int) -> float:
    return float(min(points[i, j] - points[j, i] for j in range(len(points)) if j != i))


def strongest_path(points: Floats, i: int, j: int) -> float:
    """The best over all simple paths, by trying them."""
    best = 0.0
    others = [k for k in range(len(points)) if k not in {i, j}]
    for length in range(len(others) + 1):
        for middle in permutations(others, length):
            links = list(zip((i, *middle), (*middle, j), strict=True))
            if all(points[a, b] > points[b, a] for a, b in links):
                best = max(best, min(float(points[a, b]) for a, b in links))
    return best


def test_golden_tennessee() -> None:
    assert copeland(TENNESSEE).scores.tolist() == [[0, 3, 2, 1]]
    for rule in RULES:
        found = rule(TENNESSEE)
        assert found.winners.tolist() == [[False, True, False, False]]
        assert found.condorcet_winner.tolist() == [1]
        assert found.scores[0].argmax() == 1


@pytest.mark.parametrize("rule", RULES)
def test_golden_cycle_has_no_winner_but_all(rule: Rule) -> None:
    """pref_voting, test_other_methods: one voter each for 012, 120, 201."""
    found = rule(of_ballots([(1, [0, 1, 2]), (1, [1, 2, 0]), (1, [2, 0, 1])]))
    assert found.winners.all()
    assert np.ptp(found.scores) == 0
    assert found.condorcet_winner.tolist() == [-1]


@pytest.mark.parametrize("rule", [minimax, schulze])
def test_golden_cycle_of_margins_one_three_five(rule: Rule) -> None:
    """pref_voting, test_margin_based_methods, 'cycle'."""
    assert rule(of_points(np.array([[[0.0, 1, 0], [0, 0, 3], [5, 0, 0]]]))).winners.tolist() == [[False, True, False]]


@pytest.mark.parametrize("seed", range(20))
def test_equal_the_definitions(seed: int) -> None:
    tally = counts(seed)
    points = tally.points[0]
    n = len(points)
    beats = [[points[i, j] > points[j, i] for j in range(n)] for i in range(n)]
    level = [[i != j and points[i, j] == points[j, i] for j in range(n)] for i in range(n)]
    assert copeland(tally).scores[0] == pytest.approx([sum(beats[i]) + sum(level[i]) / 2 for i in range(n)])
    assert minimax(tally).scores[0] == pytest.approx([worst_margin(points, i) for i in range(n)])
    paths = [[strongest_path(points, i, j) if i != j else 0.0 for j in range(n)] for i in range(n)]
    ahead = [sum(paths[i][j] > paths[j][i] for j in range(n)) for i in range(n)]
    behind = [sum(paths[i][j] < paths[j][i] for j in range(n)) for i in range(n)]
    found = schulze(tally)
    assert found.scores[0] == pytest.approx([(n - 1 + a - b) / 2 for a, b in zip(ahead, behind, strict=True)])
    assert found.winners[0].tolist() == [b == 0 for b in behind]
    champion = [i for i in range(n) if sum(beats[i]) == n - 1]
    assert found.condorcet_winner.tolist() == (champion or [-1])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("shape", "score"), [((0, 3), 0), ((2, 0), 0), ((2, 1), 0), ((2, 3), 1)])
def test_nothing_to_compare_is_the_same_score_for_all(rule: Rule, shape: tuple[int, int], score: float) -> None:
    found = rule(of_points(np.zeros((*shape, shape[1]))))
    assert found.scores.shape == found.winners.shape == shape
    assert (found.scores == (0 if rule is minimax else score)).all()
    assert found.winners.all()
    assert (found.condorcet_winner == (0 if shape[1] == 1 else -1)).all()


@pytest.mark.parametrize("rule", RULES)
def test_ties_and_conflicts_cancel(rule: Rule) -> None:
    none = np.zeros((1, 2, 2))
    tied = Tally(none, none, np.array([[[0.0, 3], [1, 0]]]))
    conflict = Tally(np.array([[[0.0, 1], [1, 0]]]), none, none)
    assert rule(tied).winners.all()
    assert rule(conflict).winners.all()


def test_an_item_that_never_won_is_last_even_where_it_was_hardly_compared() -> None:
    tally = of_points(np.array([[[0.0, 2, 1], [1, 0, 0], [0, 0, 0]]]))
    assert copeland(tally).scores.tolist() == [[2, 0.5, 0.5]]
    assert minimax(tally).scores.tolist() == [[1, -1, -1]]
    assert schulze(tally).scores.tolist() == [[2, 0.5, 0.5]]


@pytest.mark.parametrize("rule", RULES)
def test_sums_of_fractional_weights_tie_although_they_are_not_exact(rule: Rule) -> None:
    found = rule(of_points(np.array([[[0.0, 0.1 + 0.2], [0.3, 0]]])))
    assert found.winners.all()
    assert found.condorcet_winner.tolist() == [-1]


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)))
def test_names_of_items_and_other_prompts_do_not_matter(rule: Rule, seed: int, order: list[int]) -> None:
    tally = counts(seed, prompts=3)
    found = rule(tally)
    parts = (tally.first_wins, tally.second_wins, tally.first_ties)
    moved = rule(Tally(*(part[1:2][:, order][:, :, order] for part in parts)))
    assert moved.scores == pytest.approx(found.scores[1:2][:, order])
    assert moved.winners.tolist() == found.winners[1:2][:, order].tolist()


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_vote_twice_changes_no_order(rule: Rule, seed: int) -> None:
    tally = counts(seed)
    once, twice = rule(tally).scores, rule(of_points(2 * tally.points)).scores
    assert twice == pytest.approx(once * (2 if rule is minimax else 1))


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), pair=st.permutations(range(5)))
def test_an_extra_win_never_makes_a_winner_lose(rule: Rule, seed: int, pair: list[int]) -> None:
    points = counts(seed).points
    before = rule(of_points(points))
    more = points.copy()
    more[0, pair[0], pair[1]] += 1
    after = rule(of_points(more))
    assert after.scores[0, pair[0]] >= before.scores[0, pair[0]]
    assert after.winners[0, pair[0]] or not before.winners[0, pair[0]]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_condorcet_winner_wins_by_every_rule(seed: int) -> None:
    tally = counts(seed, prompts=8, n=4)
    for rule in RULES:
        found = rule(tally)
        champion = found.condorcet_winner
        known = champion >= 0
        assert found.winners[known, champion[known]].all()
        assert (found.winners[known].sum(axis=1) == 1).all()
