"""How far a judge agrees with itself: conflicts, intransitive verdicts, the consistency of two readings of a prompt."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .rank_correlation import kendall_tau, spearman
from .tally import Floats, Tally

Form = Literal["kendall", "spearman", "top"]


@dataclass(frozen=True)
class Conflicts:
    """How often the verdict on a pair contradicts the scores of its items.

    Attributes:
        conflicts: (P,), the pairs in conflict.
        pairs: (P,), the pairs with a verdict and two scores.
    """

    conflicts: Codes
    pairs: Codes

    @property
    def ratio(self) -> float | None:
        """The share of all pairs that are in conflict, 0 to 1; None where there are none."""
        return _share(self.conflicts, self.pairs)


@dataclass(frozen=True)
class NonTransitivity:
    """How many sets of k items have verdicts that no order, ties allowed, can explain.

    Attributes:
        violated: (P,), sets with at least one bad triple. circles: (P,), sets in which a triple goes round: i before j
        before k, yet k before i. equals: (P,), sets in which a triple has a wrong tie: i ties with j and j with k, but
        not i with k, and the like. sets: (P,), the sets of which every pair has a verdict. size: k.
    """

    violated: Codes
    circles: Codes
    equals: Codes
    sets: Codes
    size: int

    @property
    def ratio(self) -> float | None:
        """The share of all sets that are violated, 0 to 1; None where there are none."""
        return _share(self.violated, self.sets)


def verdicts_of(tally: Tally) -> Floats:
    """Return the verdicts (P, n, n): 1 where i has more points than j, -1 where fewer, 0 for a tie, nan where none."""
    points = tally.points
    other = points.transpose(0, 2, 1)
    return np.where(points + other > 0, np.sign(points - other), np.nan)


def score_conflicts(scores: Floats, verdicts: Floats, *, tolerance: float = 0.0) -> Conflicts:
    """Count the pairs whose verdict is not what the scores say.

    `scores` (P, n) are nan where missing, and `verdicts` (P, n, n) as from `verdicts_of`. Scores within `tolerance` of
    each other say "tie", so a verdict for either side is then a conflict, as is a tie where they differ by more.

    Source: "TrustJudge" (arXiv 2509.21117), the score-comparison inconsistency.
    """
    i, j = np.triu_indices(scores.shape[1], 1)
    ahead = scores[:, i] - scores[:, j]
    verdict = verdicts[:, i, j]
    known = ~np.isnan(ahead) & ~np.isnan(verdict)
    expected = np.where(np.abs(ahead) > tolerance, np.sign(ahead), 0.0)
    return Conflicts((known & (verdict != expected)).sum(axis=1), known.sum(axis=1))


def nontransitivity(verdicts: Floats, *, size: int = 3) -> NonTransitivity:
    """Count the sets of `size` items, 3 or more, whose verdicts (P, n, n) hold a triple that contradicts itself.

    Of the 27 ways in which a triple can come out 13 agree with some order with ties; 6 go round in a circle and 8 have
    a tie that the two other verdicts exclude, or lack one that they imply. Sets with a missing pair are not counted.

    Source: "TrustJudge" (arXiv 2509.21117), the pairwise transitivity inconsistency.

    Raises:
        ValueError: if `size` is below 3.
    """
    if size < 3:
        raise ValueError(f"size must be at least 3, not {size}")
    n = verdicts.shape[1]
    triples = list(combinations(range(n), 3))
    i, j, k = np.array(triples, dtype=np.intp).reshape(-1, 3).T
    one, two, across = verdicts[:, i, j], verdicts[:, j, k], verdicts[:, i, k]
    known = ~np.isnan(one + two + across)
    implied = np.sign(one + two)
    settled = known & (one * two >= 0)
    circle, equal = settled & (across * implied < 0), settled & (across * implied >= 0) & (across != implied)
    number = {triple: index for index, triple in enumerate(triples)}
    parts = [[number[triple] for triple in combinations(chosen, 3)] for chosen in combinations(range(n), size)]
    complete, circles, equals = (np.empty((len(verdicts), len(parts)), dtype=bool) for _ in range(3))
    for index, part in enumerate(parts):
        complete[:, index] = known[:, part].all(axis=1)
        circles[:, index], equals[:, index] = circle[:, part].any(axis=1), equal[:, part].any(axis=1)
    return NonTransitivity(
        violated=(complete & (circles | equals)).sum(axis=1),
        circles=(complete & circles).sum(axis=1),
        equals=(complete & equals).sum(axis=1),
        sets=complete.sum(axis=1),
        size=size,
    )


def top_choice_agreement(x: Floats, y: Floats) -> Floats:
    """Return 1.0 where two readings (P, n) of scores, higher is better, have the same best item, else 0.0.

    Where several items are best, both readings must name the same ones. Items that are nan in either are left out; nan
    where fewer than two are left.
    """
    ignored = np.isnan(x) | np.isnan(y)
    agree = (_best(x, ignored) == _best(y, ignored)).all(axis=1)
    return np.where((~ignored).sum(axis=1) > 1, agree.astype(float), np.nan)


def cream_consistency(x: Floats, y: Floats, *, form: Form = "kendall") -> Floats:
    """Return the consistency (P,), 0 to 1, of two readings (P, n) of scores, higher is better.

    "kendall" is (tau-b + 1) / 2, "spearman" is (rho + 1) / 2, and "top" is 1 where both the best and the worst item are
    the same, else 0. A pair's soft label is this number. nan where it is undefined: fewer than two items in common, or,
    for the correlations, a reading that ties them all; the source puts the mean of the others there.

    Source: "CREAM" (arXiv 2410.12735).

    Raises:
        ValueError: if `form` is none of the three.
    """
    if form not in get_args(Form):
        raise ValueError(f"form must be one of {', '.join(get_args(Form))}, not {form!r}")
    if form == "kendall":
        return (kendall_tau(x, y) + 1) / 2
    if form == "spearman":
        return (spearman(x, y) + 1) / 2
    return top_choice_agreement(x, y) * top_choice_agreement(-x, -y)


def score_variance(scores: Floats) -> Floats:
    """Return the variance (P,) of each prompt's scores (P, n), dividing by their number; nan are left out.

    A low variance over the responses of several models marks prompts that need fine distinctions; over repeats of one
    question it is the judge's noise. nan where there are fewer than two scores.

    Source: "AIR" (arXiv 2504.03612), for its use as a filter of prompts.
    """
    known = ~np.isnan(scores)
    count = known.sum(axis=1)
    share = np.maximum(count, 1)
    mean = np.where(known, scores, 0.0).sum(axis=1) / share
    spread = np.where(known, scores - mean[:, None], 0.0)
    return np.where(count > 1, (spread**2).sum(axis=1) / share, np.nan)


def permutation_inconsistency(winners: Codes) -> Floats:
    """Return how many different winners (P,) a prompt has over m orders of showing: `winners` (P, m), -1 for none.

    1 is a judge without position bias, and n one who names a slot whatever is in it; nan where no order has a winner.

    Source: "TransEvalnia" (arXiv 2507.12724).
    """
    if not winners.shape[1]:
        return np.full(len(winners), np.nan)
    ordered = np.sort(winners, axis=1)
    fresh = np.concatenate([np.ones((len(ordered), 1), dtype=bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    distinct = (fresh & (ordered >= 0)).sum(axis=1)
    return np.where(distinct > 0, distinct.astype(float), np.nan)


def _best(scores: Floats, ignored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    held = np.where(ignored, -np.inf, scores)
    best: NDArray[np.bool_] = ~ignored & (held == held.max(axis=1, initial=-np.inf, keepdims=True))
    return best


def _share(part: Codes, whole: Codes) -> float | None:
    total = int(whole.sum())
    return int(part.sum()) / total if total else None
