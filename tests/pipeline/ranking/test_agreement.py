from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.agreement import (
    Level,
    agreement_table,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    nominal_alpha,
)
from prefpipe.pipeline.ranking.tally import Floats

LEVELS: list[Level] = ["nominal", "ordinal", "interval", "ratio"]
NAN = float("nan")
CODINGS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def drawn(seed: int) -> Floats:
    random = np.random.default_rng(seed)
    codings = random.integers(1, 5, (4, 12)).astype(float)
    codings[random.random(codings.shape) < 0.3] = np.nan
    return codings


def alpha_by_pairs(codings: Floats, level: Level) -> float:
    """Krippendorff's alpha over all pairs of values, within units and over all."""
    units = [unit[~np.isnan(unit)] for unit in codings.T]
    units = [unit for unit in units if len(unit) > 1]
    values = np.concatenate(units)

    def apart(a: float, b: float) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return (a - b) ** 2
        if level == "ratio":
            return ((a - b) / (a + b)) ** 2
        low, high = min(a, b), max(a, b)
        between = ((values >= low) & (values <= high)).sum()
        return float((between - ((values == a).sum() + (values == b).sum()) / 2) ** 2)

    seen = sum(apart(a, b) / (len(unit) - 1) for unit in units for a, b in permutations(unit, 2)) / len(values)
    chance = sum(apart(a, b) for a, b in permutations(values, 2)) / len(values) / (len(values) - 1)
    return float(1 - seen / chance)


@pytest.mark.parametrize(
    ("level", "alpha", "within"),
    [
        ("nominal", 0.743421052631579, 1e-12),
        ("ordinal", 0.815, 6e-4),
        ("interval", 0.849, 6e-4),
        ("ratio", 0.797, 6e-4),
    ],
)
def test_golden_alpha_of_krippendorff(level: Level, alpha: float, within: float) -> None:
    """Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability"; nominal digits from evalica."""
    assert krippendorff_alpha(CODINGS, level=level).value == pytest.approx(alpha, abs=within)


def test_golden_fleiss_of_wikipedia() -> None:
    """Wikipedia, "Fleiss' kappa": ten subjects, fourteen raters, five categories."""
    rows = "0000E 02642 00356 03920 22811 77000 32630 25322 65210 02237"
    table = np.array([[14.0 if digit == "E" else float(digit) for digit in row] for row in rows.split()])
    assert fleiss_kappa(table).value == pytest.approx(0.21, abs=6e-4)


def test_golden_cohen_of_sas() -> None:
    """SAS, PROC FREQ, as in statsmodels' test_inter_rater."""
    table = np.array([[0.0, 4, 1], [0, 8, 0], [0, 1, 5]])
    assert cohen_kappa(table).value == pytest.approx(0.4842, abs=6e-5)
    assert cohen_kappa(table, weights="linear").value == pytest.approx(0.4701, abs=6e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("level", LEVELS)
def test_alpha_equals_a_sum_over_pairs_of_values(level: Level, seed: int) -> None:
    assert krippendorff_alpha(drawn(seed), level=level).value == pytest.approx(alpha_by_pairs(drawn(seed), level))


@pytest.mark.parametrize("seed", range(5))
def test_kappas_equal_their_definitions(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 6, (3, 3)).astype(float)
    chance = np.outer(table.sum(1), table.sum(0)) / table.sum() ** 2
    seen, expected = np.trace(table) / table.sum(), np.trace(chance)
    assert cohen_kappa(table).value == pytest.approx((seen - expected) / (1 - expected))
    square = (np.arange(3)[:, None] - np.arange(3)) ** 2
    share = table / table.sum()
    assert cohen_kappa(table, weights="quadratic").value == pytest.approx(
        1 - (square * share).sum() / (square * chance).sum()
    )
    counts = np.random.default_rng(seed).multinomial(5, [0.5, 0.3, 0.2], 20).astype(np.float64)
    agreeing = [sum(c * (c - 1) for c in unit) / 20 for unit in counts]
    overall = (counts.sum(0) / counts.sum()) ** 2
    assert fleiss_kappa(counts).value == pytest.approx((np.mean(agreeing) - overall.sum()) / (1 - overall.sum()))


def test_perfect_agreement_is_one_and_its_opposite_below_zero() -> None:
    assert cohen_kappa(np.diag([3.0, 4])).value == 1
    assert cohen_kappa(np.array([[0.0, 4], [4, 0]])).value == -1
    assert fleiss_kappa(np.array([[3, 0], [0, 3]])).value == 1
    for level in LEVELS:
        assert krippendorff_alpha(np.array([[1.0, 2], [1, 2]]), level=level).value == 1


def test_where_chance_cannot_disagree_there_is_no_value() -> None:
    assert cohen_kappa(np.diag([5.0, 0])).value is None
    assert cohen_kappa(np.zeros((2, 2))).value is None
    assert fleiss_kappa(np.array([[3, 0], [2, 0]])).value is None
    assert fleiss_kappa(np.zeros((0, 2))).value is None
    assert fleiss_kappa(np.array([[1, 0], [0, 1]])).value is None
    for level in LEVELS:
        assert krippendorff_alpha(np.full((2, 3), 4.0), level=level).value is None
        assert krippendorff_alpha(np.array([[1.0, NAN], [NAN, 2]]), level=level).value is None
        assert krippendorff_alpha(np.zeros((0, 0)), level=level).value is None


def test_a_value_of_zero_is_a_value() -> None:
    for level in LEVELS:
        shifted = krippendorff_alpha(np.array([[0.0, 1, 0, 2], [0, 1, 1, 2]]), level=level)
        assert shifted.units == 4
        assert shifted.value == pytest.approx(
            alpha_by_pairs(np.array([[0.0, 1, 0, 2], [0, 1, 1, 2]]) + 1e-12, level), abs=1e-6
        )


def test_many_different_values_need_no_table_of_them_all() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=50_000)
    codings = truth + random.normal(size=(2, 50_000)) * 0.5
    assert krippendorff_alpha(codings, level="interval").value == pytest.approx(0.8, abs=0.01)
    assert krippendorff_alpha(codings, level="ordinal").value == pytest.approx(0.79, abs=0.02)


def test_the_table_counts_units_that_both_rated() -> None:
    table = agreement_table(np.array([0, 1, 1, -1, 2]), np.array([0, 1, 2, 1, -1]), 3)
    assert table.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(4)), st.permutations(range(12)))
def test_order_of_raters_and_units_does_not_matter(seed: int, raters: list[int], units: list[int]) -> None:
    codings = drawn(seed)
    for level in LEVELS:
        moved = krippendorff_alpha(codings[raters][:, units], level=level)
        assert moved.value == pytest.approx(krippendorff_alpha(codings, level=level).value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(3)))
def test_names_of_categories_do_not_matter_unless_weighted(seed: int, order: list[int]) -> None:
    table = np.random.default_rng(seed).integers(1, 6, (3, 3)).astype(float)
    assert cohen_kappa(table[order][:, order]).value == pytest.approx(cohen_kappa(table).value)
    assert cohen_kappa(table.T, weights="linear").value == pytest.approx(cohen_kappa(table, weights="linear").value)
    assert fleiss_kappa(table[:, order]).value == pytest.approx(fleiss_kappa(table).value)


def test_unknown_levels_and_weights_are_refused() -> None:
    unknown: Any = "cubic"
    with pytest.raises(ValueError, match="level must be one of nominal, ordinal, interval, ratio, not 'cubic'"):
        krippendorff_alpha(CODINGS, level=unknown)
    with pytest.raises(ValueError, match="weights must be one of none, linear, quadratic, not 'cubic'"):
        cohen_kappa(np.eye(2), weights=unknown)


@given(st.integers(0, 10**6))
def test_nominal_alpha_of_counts_is_that_of_the_codings(seed: int) -> None:
    random = np.random.default_rng(seed)
    codings = random.integers(1, 4, (4, 12)).astype(float)
    codings[random.random(codings.shape) < 0.3] = np.nan
    counts = np.stack([(codings == value).sum(0) for value in range(1, 4)], 1).astype(float)
    one, other = nominal_alpha(counts), krippendorff_alpha(codings)
    assert (one.observed, one.expected) == pytest.approx((other.observed, other.expected))
    assert one.units == other.units


def test_nominal_alpha_of_nothing_is_unknown() -> None:
    assert nominal_alpha(np.zeros((0, 3))).value is None
