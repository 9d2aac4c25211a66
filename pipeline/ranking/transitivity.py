"""Are majorities transitive? Cyclic triads, Kendall's zeta, and triples that no order with ties can explain."""

from dataclasses import dataclass

import numpy as np

from .codes import Codes
from .pairwise_consistency import ROUNDING
from .tally import Floats, Tally


@dataclass(frozen=True)
class Transitivity:
    """Measures of the pairwise majorities of each prompt, (P,) each.

    Attributes:
        cyclic_triads: How many sets of three candidates form a cycle, each beaten by the next.
        zeta: Kendall's coefficient of consistence, 1 without cycles, 0 with as many as possible; NaN with fewer than
            three candidates, or if a pair has no majority.
        nontransitivity: The share of fully compared sets of three that no order with ties explains: a cycle, or a tie
            that the two other verdicts exclude. NaN if no set was fully compared.
    """

    cyclic_triads: Codes
    zeta: Floats
    nontransitivity: Floats


def transitivity(tally: Tally) -> Transitivity:
    """Count triads by products of matrices, so that the cost does not grow with the number of triples.

    With B[i, j] where i beats j, and T where they tie, the sets of three that contradict themselves are cycles (closed
    walks of three steps in B, counted from each of three corners), those with i beating j beating k yet tied with k (B²
    and T), and those with i tied with j tied with k yet beating k (T² and B).

    Source:
        Kendall and Babington Smith (1940), Biometrika 31, for zeta; "TrustJudge" (arXiv 2509.21117) for the ratio.
    """
    points = tally.points
    lead = points - points.transpose(0, 2, 1)
    beats = (lead > ROUNDING).astype(np.float64)
    met = (points + points.transpose(0, 2, 1)) > 0
    ties = (met & (np.abs(lead) <= ROUNDING)).astype(np.float64)
    items = points.shape[1]
    chains = beats @ beats
    circles = _common(chains, beats.transpose(0, 2, 1)) / 3
    broken = circles + (_common(chains, ties) + _common(ties @ ties, beats) if ties.any() else 0.0)
    pairs, complete = met.sum((1, 2)), items * (items - 1)
    triples = np.full(len(points), items * (items - 1) * (items - 2) / 6)
    if (partly := pairs < complete).any():
        known = met[partly].astype(np.float64)
        triples[partly] = _common(known @ known, known) / 6
    most = (items**3 - (items if items % 2 else 4 * items)) / 24
    untied = beats.sum((1, 2)) == complete / 2
    zeta = np.where(untied, 1 - circles / most, np.nan) if items > 2 else np.full(len(points), np.nan)
    ratio = np.divide(broken, triples, out=np.full(len(points), np.nan), where=triples > 0)
    return Transitivity(np.rint(circles).astype(np.int64), zeta, ratio)


def _common(one: Floats, other: Floats) -> Floats:
    found: Floats = np.einsum("pij,pij->p", one, other)
    return found
