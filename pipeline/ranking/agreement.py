"""Agreement beyond chance: the kappas of Cohen and of Fleiss, and Krippendorff's alpha.

Each is one minus the ratio of the observed disagreement to the disagreement expected by chance.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .tally import Floats

Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval", "ratio"]


@dataclass(frozen=True)
class Agreement:
    """A coefficient of agreement and the two disagreements that it is computed from.

    Attributes:
        value: 1 is perfect, 0 is what chance gives, below 0 is worse; None if chance could not disagree, because all
            values are the same, or if nothing can be compared.
        observed: The observed disagreement.
        expected: The disagreement expected by chance.
        units: How many units were compared.
    """

    value: float | None
    observed: float
    expected: float
    units: float


def cohen_kappa(table: Floats, *, weights: Weights = "none") -> Agreement:
    """Return Cohen's kappa of two raters from a table (C, C): one rated `table[a, b]` units a that the other rated b.

    With weights, a disagreement counts as the distance between the categories, which must be in order, or as its
    square; with linear weights, a "tie" between "worse" and "better" is half a disagreement from either. A unit that
    only one of them rated cannot be in the table.

    Source: Cohen (1960), Educ. Psychol. Meas. 20; Cohen (1968), Psychological Bulletin 70.

    Raises:
        ValueError: if `weights` is none of the three.
    """
    if weights not in get_args(Weights):
        raise ValueError(f"weights must be one of {', '.join(get_args(Weights))}, not {weights!r}")
    categories = len(table)
    distance = np.abs(np.arange(categories)[:, None] - np.arange(categories)).astype(float)
    cost = {"none": (distance > 0).astype(float), "linear": distance, "quadratic": distance**2}[weights]
    units = float(table.sum())
    if not units:
        return Agreement(None, 0.0, 0.0, 0.0)
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / units**2
    return _agreement(float((cost * table).sum() / units), float((cost * chance).sum()), units)


def fleiss_kappa(table: Floats) -> Agreement:
    """Return Fleiss' kappa from the table (U, C): how many raters put unit u into category c.

    Each unit has the same weight in the observed agreement, however many rated it; units with fewer than two ratings
    are left out. If all units have equally many ratings, this is the published formula.

    Source: Fleiss (1971), Psychological Bulletin 76.
    """
    table = np.asarray(table, np.float64)
    raters = table.sum(axis=1)
    table, raters = table[raters > 1], raters[raters > 1]
    if not len(table):
        return Agreement(None, 0.0, 0.0, 0.0)
    agreeing = ((table**2).sum(axis=1) - raters) / (raters * (raters - 1))
    shares = table.sum(axis=0) / table.sum()
    return _agreement(1 - float(agreeing.mean()), 1 - float((shares**2).sum()), float(len(table)))


def krippendorff_alpha(codings: Floats, *, level: Level = "nominal") -> Agreement:
    """Return Krippendorff's alpha from codings (R, U): the value that each of R raters gave to unit u, nan if none.

    The disagreement of two values is whether they differ ("nominal"), or the square of how many values lie between them
    ("ordinal"), of their difference ("interval"), or of their difference divided by their sum ("ratio", for
    non-negative values). Units with fewer than two values are left out.

    Source: Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability".

    Raises:
        ValueError: if `level` is none of the four.
    """
    if level not in get_args(Level):
        raise ValueError(f"level must be one of {', '.join(get_args(Level))}, not {level!r}")
    codings = np.asarray(codings, np.float64)
    codings = codings[:, (~np.isnan(codings)).sum(axis=0) > 1]
    if not codings.size:
        return Agreement(None, 0.0, 0.0, 0.0)
    rater, unit = np.nonzero(~np.isnan(codings))
    values, code = np.unique(codings[rater, unit], return_inverse=True)
    units = codings.shape[1]
    if level == "ordinal":
        total = np.bincount(code).astype(float)
        values = np.cumsum(total) - total / 2  # the square of their distances is what the ordinal level asks for
    if level in {"ordinal", "interval"}:
        observed, expected = _squared_distances(values[code] - values[code].mean(), unit, units)
    else:
        observed, expected = _categories(values, code, unit, units, level)
    return _agreement(observed, expected, float(units))


def nominal_alpha(counts: Floats) -> Agreement:
    """Return Krippendorff's nominal alpha from counts (U, C): how many raters put unit u into category c.

    It is `krippendorff_alpha` in closed form, for very many units and few categories. Units with fewer than two values
    are left out.
    """
    raters = counts.sum(1)
    counts, raters = counts[raters > 1], raters[raters > 1]
    if not len(counts):
        return Agreement(None, 0.0, 0.0, 0.0)
    total, size = counts.sum(0), float(raters.sum())
    observed = float(((raters**2 - (counts**2).sum(1)) / (raters - 1)).sum()) / size
    expected = (size**2 - float((total**2).sum())) / (size * (size - 1))
    return _agreement(observed, expected, float(len(counts)))


def _squared_distances(values: Floats, unit: NDArray[np.intp], units: int) -> tuple[float, float]:
    """Return the observed and expected squared distances of N values, in closed form."""
    raters, size = np.bincount(unit, minlength=units), len(values)
    sums, squares = np.bincount(unit, values, units), np.bincount(unit, values**2, units)
    within = ((raters * squares - sums**2) / (raters - 1)).sum()
    among = size * (values**2).sum() - values.sum() ** 2
    return 2 * float(within) / size, 2 * float(among) / (size * (size - 1))


def _categories(
    values: Floats, code: NDArray[np.intp], unit: NDArray[np.intp], units: int, level: Level
) -> tuple[float, float]:
    """Return the observed and expected disagreement of N values, from how often two categories meet in a unit."""
    width, size = len(values), len(code)
    counts = np.bincount(unit * width + code, minlength=units * width).reshape(units, width).astype(float)
    share = 1 / (counts.sum(axis=1) - 1)
    meetings = counts.T @ (share[:, None] * counts) - np.diag(share @ counts)
    total = counts.sum(axis=0)
    chance = (np.outer(total, total) - np.diag(total)) / (size - 1)
    apart, both = values[:, None] - values, values[:, None] + values
    cost = (apart != 0).astype(float) if level == "nominal" else (apart / np.where(both != 0, both, 1.0)) ** 2
    return float((cost * meetings).sum()) / size, float((cost * chance).sum()) / size


def _agreement(observed: float, expected: float, units: float) -> Agreement:
    return Agreement(1 - observed / expected if expected > 0 else None, observed, expected, units)


def agreement_table(one: Codes, other: Codes, categories: int) -> Floats:
    """Return the table (C, C) of two raters' codes for the same units, each (U,); a negative code means none."""
    both = (one >= 0) & (other >= 0)
    counts = np.bincount(one[both].astype(np.int64) * categories + other[both], minlength=categories**2)
    return counts.reshape(categories, categories).astype(float)
