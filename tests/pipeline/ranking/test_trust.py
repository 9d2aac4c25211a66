from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from prefpipe.pipeline.ranking.tally import Floats, Tally
from prefpipe.pipeline.ranking.trust import (
    cream_consistency,
    nontransitivity,
    permutation_inconsistency,
    score_conflicts,
    score_variance,
    top_choice_agreement,
    verdicts_of,
)


def verdicts(seed: int, prompts: int = 3, n: int = 6, *, holes: float = 0.0) -> Floats:
    random = np.random.default_rng(seed)
    upper = np.triu(random.integers(-1, 2, (prompts, n, n)), 1).astype(float)
    upper[random.random(upper.shape) < holes] = np.nan
    found: Floats = np.triu(upper, 1) - np.triu(upper, 1).transpose(0, 2, 1)
    return found


def of_three(ab: int, bc: int, ac: int) -> Floats:
    return np.array([[[0.0, ab, ac], [-ab, 0, bc], [-ac, -bc, 0]]])


def kind(ab: int, bc: int, ac: int) -> str:
    """Whether some order with ties explains a triple; if not, whether it goes round."""
    for levels in product(range(3), repeat=3):
        a, b, c = levels
        if (np.sign(a - b), np.sign(b - c), np.sign(a - c)) == (ab, bc, ac):
            return "fine"
    return "circle" if ac * (ab + bc) < 0 else "equal"


def test_of_27_triples_13_are_fine_6_circles_and_8_wrong_ties() -> None:
    found = {"fine": 0, "circle": 0, "equal": 0}
    for triple in product((-1, 0, 1), repeat=3):
        counted = nontransitivity(of_three(*triple))
        named = "circle" if counted.circles[0] else "equal" if counted.equals[0] else "fine"
        assert named == kind(*triple)
        assert counted.violated[0] == (named != "fine")
        found[named] += 1
    assert found == {"fine": 13, "circle": 6, "equal": 8}


@pytest.mark.parametrize("size", [3, 4, 5])
@pytest.mark.parametrize("seed", range(3))
def test_nontransitivity_equals_a_count_of_sets(seed: int, size: int) -> None:
    given_verdicts = verdicts(seed, holes=0.05)
    found = nontransitivity(given_verdicts, size=size)
    for prompt, table in enumerate(given_verdicts):
        sets = violated = circles = equals = 0
        for chosen in combinations(range(6), size):
            triples = [(table[a, b], table[b, c], table[a, c]) for a, b, c in combinations(chosen, 3)]
            if np.isnan(triples).any():
                continue
            kinds = {kind(*(int(v) for v in triple)) for triple in triples}
            sets, violated = sets + 1, violated + (kinds != {"fine"})
            circles, equals = circles + ("circle" in kinds), equals + ("equal" in kinds)
        counted = (found.sets[prompt], found.violated[prompt], found.circles[prompt], found.equals[prompt])
        assert counted == (sets, violated, circles, equals)
    assert found.ratio == pytest.approx(found.violated.sum() / found.sets.sum())


def test_an_order_with_ties_is_transitive_at_every_size() -> None:
    levels = np.array([[3, 1, 1, 2, 0, 2]])
    for size in (3, 4, 5):
        found = nontransitivity(np.sign(levels[:, :, None] - levels[:, None, :]).astype(float), size=size)
        assert found.ratio == 0


def test_too_few_items_or_no_verdicts_give_no_ratio() -> None:
    assert nontransitivity(np.zeros((2, 2, 2))).ratio is None
    assert nontransitivity(np.zeros((0, 4, 4))).ratio is None
    assert nontransitivity(np.full((1, 4, 4), np.nan)).ratio is None
    assert nontransitivity(np.zeros((1, 4, 4)), size=5).sets.tolist() == [0]
    with pytest.raises(ValueError, match="size must be at least 3"):
        nontransitivity(np.zeros((1, 4, 4)), size=2)


def test_verdicts_come_from_points_and_missing_pairs_have_none() -> None:
    wins, ties = np.zeros((1, 3, 3)), np.zeros((1, 3, 3))
    wins[0, 0, 1], ties[0, 1, 2] = 2, 1
    found = verdicts_of(Tally(wins, wins * 0, ties))[0]
    assert (found[0, 1], found[1, 0], found[1, 2]) == (1, -1, 0)
    assert np.isnan(found[0, 2])


@pytest.mark.parametrize("tolerance", [0.0, 0.5])
def test_score_conflicts_follow_the_three_rules(tolerance: float) -> None:
    random = np.random.default_rng(1)
    scores = random.integers(1, 4, (5, 6)) + random.choice([0, 0.25], (5, 6))
    scores[0, 0] = np.nan
    table = verdicts(2, prompts=5, holes=0.1)
    found = score_conflicts(scores, table, tolerance=tolerance)
    for prompt in range(5):
        pairs = conflicts = 0
        for a, b in combinations(range(6), 2):
            sa, sb, c = scores[prompt, a], scores[prompt, b], table[prompt, a, b]
            if np.isnan([sa, sb, c]).any():
                continue
            pairs += 1
            above, below = sa - sb > tolerance, sb - sa > tolerance
            conflicts += bool((above and c <= 0) or (below and c >= 0) or (not above and not below and c != 0))
        assert (found.pairs[prompt], found.conflicts[prompt]) == (pairs, conflicts)
    assert found.ratio == pytest.approx(found.conflicts.sum() / found.pairs.sum())


def test_scores_just_within_the_tolerance_are_a_tie() -> None:
    tie, ahead = np.zeros((1, 2, 2)), np.array([[[0.0, 1], [-1, 0]]])
    assert score_conflicts(np.array([[3.0, 2.5]]), tie, tolerance=0.5).ratio == 0
    assert score_conflicts(np.array([[3.0, 2.5]]), ahead, tolerance=0.5).ratio == 1


def test_scores_that_agree_with_every_verdict_have_no_conflict_and_none_have_no_ratio() -> None:
    scores = np.array([[3.0, 2, 2]])
    table = np.sign(scores[:, :, None] - scores[:, None, :])
    assert score_conflicts(scores, table).ratio == 0
    assert score_conflicts(scores, -table).conflicts.tolist() == [2]
    assert score_conflicts(scores[:, :1], table[:, :1, :1]).ratio is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(6)))
def test_names_of_items_do_not_matter(seed: int, order: list[int]) -> None:
    table = verdicts(seed, holes=0.1)
    moved = table[:, order][:, :, order]
    assert nontransitivity(moved, size=4).violated.tolist() == nontransitivity(table, size=4).violated.tolist()
    scores = np.random.default_rng(seed).integers(0, 3, (3, 6)).astype(float)
    ours, theirs = score_conflicts(scores, table), score_conflicts(scores[:, order], moved)
    assert ours.conflicts.tolist() == theirs.conflicts.tolist()


def test_cream_has_three_forms() -> None:
    x, y = np.array([[5.0, 3, 2, 1]]), np.array([[4.0, 1, 3, 0]])
    assert cream_consistency(x, y) == pytest.approx([(kendalltau(x[0], y[0]).statistic + 1) / 2])
    assert cream_consistency(x, y, form="spearman") == pytest.approx([(spearmanr(x[0], y[0]).statistic + 1) / 2])
    assert cream_consistency(x, y, form="top").tolist() == [1]
    assert cream_consistency(x, -x, form="top").tolist() == [0]
    assert cream_consistency(x, -x).tolist() == [0]


def test_the_top_form_looks_at_the_best_and_worst_item_not_at_places_in_the_list() -> None:
    x, y = np.array([[2.0, 9, 1, 4]]), np.array([[3.0, 8, 0, 7]])
    assert cream_consistency(x, y, form="top").tolist() == [1]
    swapped = np.array([[0.0, 8, 3, 7]])
    assert top_choice_agreement(x, swapped).tolist() == [1]
    assert cream_consistency(x, swapped, form="top").tolist() == [0]


def test_top_choices_must_name_the_same_items_among_those_in_common() -> None:
    x = np.array([[2.0, 2, 1], [2, 1, 0], [np.nan, 2, 1], [np.nan, 2, np.nan]])
    y = np.array([[2.0, 2, 0], [2, 2, 0], [9.0, 3, 1], [1, 2, 3]])
    assert top_choice_agreement(x, y)[:3].tolist() == [1, 0, 1]
    assert np.isnan(top_choice_agreement(x, y)[3])


def test_an_undefined_consistency_is_nan() -> None:
    tied, strict = np.ones((1, 3)), np.array([[1.0, 2, 3]])
    assert np.isnan(cream_consistency(tied, strict)).all()
    assert np.isnan(cream_consistency(tied[:, :1], strict[:, :1], form="top")).all()
    assert cream_consistency(tied, tied, form="top").tolist() == [1]
    assert top_choice_agreement(np.ones((0, 3)), np.ones((0, 3))).shape == (0,)
    assert np.isnan(top_choice_agreement(np.ones((2, 0)), np.ones((2, 0)))).all()


def test_score_variance_leaves_out_what_is_missing() -> None:
    scores = np.array([[1.0, 2, 3], [2, np.nan, 4], [5, np.nan, np.nan], [np.nan] * 3, [0, 0, 0]])
    found = score_variance(scores)
    assert found[[0, 1, 4]] == pytest.approx([2 / 3, 1, 0])
    assert np.isnan(found[2:4]).all()


def test_permutation_inconsistency_counts_different_winners() -> None:
    winners = np.array([[0, 0, 0], [0, 1, 2], [1, -1, 1], [2, -1, 0], [-1, -1, -1]])
    found = permutation_inconsistency(winners)
    assert found[:4].tolist() == [1, 3, 1, 2]
    assert np.isnan(found[4])
    assert np.isnan(permutation_inconsistency(np.zeros((2, 0), dtype=int))).all()


def test_an_unknown_form_of_consistency_is_refused() -> None:
    unknown: Any = "footrule"
    with pytest.raises(ValueError, match="form must be one of kendall, spearman, top, not 'footrule'"):
        cream_consistency(np.ones((1, 2)), np.ones((1, 2)), form=unknown)
