"""Copeland, minimax and Schulze: rankings from pairwise majorities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tally import Floats, Tally

ROUNDING = 1e-9
"""Margins below this share of a pair's votes are ties: sums of fractional weights are not exact."""


@dataclass(frozen=True)
class Condorcet:
    """The result of a rule on pairwise majorities.

    Attributes:
        scores: (P, n), higher is better; the unit depends on the rule.
        winners: (P, n), true for the items that the rule puts first; several if they tie.
        condorcet_winner: (P,), the item that beats every other one; -1 if there is none.
    """

    scores: Floats
    winners: NDArray[np.bool_]
    condorcet_winner: NDArray[np.intp]


def copeland(tally: Tally) -> Condorcet:
    """Score each item by the number of items it beats, plus half the number it ties with: 0 to n - 1.

    i beats j when it has more points against j, a tied vote being half a point for each; so conflicting votes cancel.
    A pair that was never compared is a tie. All-tied items and those of an empty prompt all have (n - 1) / 2.

    Source: Copeland (1951); Brandt et al. (2016), Handbook of Computational Social Choice, chapter 3.
    """
    margins = _margins(tally)
    scores = _beaten_and_half_of_tied(margins)
    return Condorcet(scores, _first(scores), _condorcet_winner(margins))


def minimax(tally: Tally) -> Condorcet:
    """Score each item by its worst result against any other: its points minus those of the other, in votes.

    Only a Condorcet winner has a positive score. Tied votes count half a point each way, so they and conflicts leave
    the margin as it is; a pair that was never compared has margin 0. A single item has score 0, and so have all-tied
    items and those of an empty prompt.

    Source: Simpson (1969); Kramer (1977), in its margins form.
    """
    margins = _margins(tally)
    n = margins.shape[1]
    others = np.where(np.eye(n, dtype=bool), np.inf, margins)
    scores = others.min(axis=2, initial=np.inf) if n > 1 else np.zeros(margins.shape[:2])
    return Condorcet(scores, _first(scores), _condorcet_winner(margins))


def schulze(tally: Tally) -> Condorcet:
    """Score each item by the number of items it beats by the strongest paths, plus half the number it ties with.

    A path is a chain of items each of which beats the next, as strong as its weakest link; a link's strength is the
    winner's points. i comes before j if its strongest path to j is stronger than j's to i, which is a transitive order;
    the scores, 0 to n - 1, agree with it. Ties, conflicts and missing pairs are as in `copeland`.

    Source: Schulze (2011), Social Choice and Welfare 36.
    """
    points, margins = tally.points, _margins(tally)
    paths = np.where(margins > 0, points, 0.0)
    for k in range(points.shape[1]):
        np.maximum(paths, np.minimum(paths[:, :, k, None], paths[:, None, k, :]), out=paths)
    lead = _without_rounding(paths - paths.transpose(0, 2, 1), paths)
    scores = _beaten_and_half_of_tied(lead)
    unbeaten = np.asarray((lead >= 0).all(axis=2))
    return Condorcet(scores, unbeaten, _condorcet_winner(margins))


def _margins(tally: Tally) -> Floats:
    points = tally.points
    return _without_rounding(points - points.transpose(0, 2, 1), points)


def _without_rounding(difference: Floats, size: Floats) -> Floats:
    return np.where(np.abs(difference) > ROUNDING * (size + size.transpose(0, 2, 1)), difference, 0.0)


def _beaten_and_half_of_tied(lead: Floats) -> Floats:
    found: Floats = ((lead.shape[1] - 1) + np.sign(lead).sum(axis=2)) / 2
    return found


def _first(scores: Floats) -> NDArray[np.bool_]:
    if not scores.size:
        return np.zeros(scores.shape, dtype=bool)
    best = scores.max(axis=1, keepdims=True)
    found: NDArray[np.bool_] = scores >= best - ROUNDING * (1 + np.abs(best))
    return found


def _condorcet_winner(margins: Floats) -> NDArray[np.intp]:
    if not margins.size:
        return np.full(len(margins), -1, dtype=np.intp)
    beats_all = (margins > 0).sum(axis=2) == margins.shape[1] - 1
    return np.where(beats_all.any(axis=1), beats_all.argmax(axis=1), -1)
