"""Peer rank: models judge models, and a judge's weight follows from its own score as a contestant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .leaderboards import Estimate, plain
from .prompt_bootstrap import prompt_weights
from .prompt_groups import Grouped
from .pseudo_votes import HALF
from .tally import Floats

ITERATIONS = 5


@dataclass(frozen=True)
class Peers:
    """The weights of J judges.

    Attributes:
        weights: (J,) the weight of one vote, scaled so that competing judges have a mean of 1.
        errors: (J,) standard errors over draws of the prompts; NaN with fewer than two groups of them.
        competes: (J,) whether the judge is one of the models.
        votes: (J,) whether it compared any of them.
    """

    weights: Floats
    errors: Floats
    competes: NDArray[np.bool_]
    votes: NDArray[np.bool_]


def peer_rank(points: Floats, met: Floats, contestant: Codes) -> tuple[Floats, Floats]:
    """Score models by the votes of judges that are models too, and weight the judges by those scores.

    Starting from equal weights, a model's score is the weighted share of its comparisons that it won, a tie being half
    a win. Then a contestant's weight is its score, shifted and scaled to range from 0 to 1 over the competing judges,
    so that the weakest of them has no say. A judge that does not compete, or was never compared, gets the mean of the
    others' weights. If all competing judges are equally good, all have the same weight. A model that was judged only by
    judges of weight 0 is scored with equal weights, and one that was never judged scores 1/2.

    The assumption is that a model that answers well judges well. The source divides by the number of comparisons rather
    than by their weights, which is the same if every judge judged every pair.

    Args:
        points: (D, J, n) the points that each judge gave to each model.
        met: (D, J, n) the number of comparisons that it made of the model.
        contestant: (J,) the model that each judge is; -1 for a judge who does not compete.

    Returns:
        The scores (D, n), 0 to 1, and the weights (D, J), with a mean of 1 over competing judges.

    Source:
        "PRD" (arXiv 2307.02762), with its five iterations.
    """
    draws, judges, _ = points.shape
    compared = met.sum(1) > 0
    competes = np.zeros((draws, judges), bool)
    competes[:, contestant >= 0] = compared[:, contestant[contestant >= 0]]
    weights = np.ones((draws, judges))
    equal = _scores(points, met, weights, np.full(compared.shape, 0.5))
    scores = equal
    for _ in range(ITERATIONS):
        scores = _scores(points, met, weights, equal)
        weights = _weights(scores[:, contestant], competes)
    return scores, weights


def _scores(points: Floats, met: Floats, weights: Floats, otherwise: Floats) -> Floats:
    won, total = ((weights[:, None] @ part)[:, 0] for part in (points, met))
    return np.divide(won, total, out=otherwise.copy(), where=total > 0)


def _weights(own: Floats, competes: NDArray[np.bool_]) -> Floats:
    """Return the weights (D, J) of judges from their own scores (D, J)."""
    low = np.where(competes, own, np.inf).min(1, initial=np.inf, keepdims=True)
    high = np.where(competes, own, -np.inf).max(1, initial=-np.inf, keepdims=True)
    raw = np.where(competes & (high > low), own - np.where(high > low, low, 0.0), 1.0)
    mean = np.where(competes, raw, 0.0).sum(1, keepdims=True) / np.maximum(competes.sum(1, keepdims=True), 1)
    weights: Floats = np.where(competes, raw / np.where(mean > 0, mean, 1.0), 1.0)
    return weights


def estimate_by_peers(grouped: Grouped, contestant: Codes, *, draws: int, seed: int) -> tuple[Estimate, Peers]:
    """Return the scores from all prompts and from each draw of them, and the weights of the judges.

    A draw weights prompts, and gives every model half a win and half a loss on average, as in `draw_prompts`, spread
    evenly over the judges. Judges that do not compete are counted as one, since they have the same weight.

    Args:
        grouped: The comparisons, with their judges.
        contestant: (J,) the model that each judge is; -1 for a judge who does not compete.
        draws: The number of bootstrap draws of the prompts.
        seed: The seed of the draws.
    """
    kinds = np.unique(contestant)
    of_judge = np.searchsorted(kinds, contestant)
    random = np.random.default_rng(seed)
    weights = prompt_weights(grouped.groups, draws if grouped.groups > 1 else 0, random)
    shape = (len(kinds), grouped.models)
    total, drawn = np.zeros((2, *shape)), np.zeros((len(weights), 2, *shape))
    votes = np.zeros(len(contestant), bool)
    for part, rows in grouped.portions():
        counts = _counts(grouped, rows, of_judge, len(kinds), part)
        total += counts.sum(0)
        drawn += np.tensordot(weights[:, part], counts, 1)
        votes[_judges(grouped, rows)] = True
    wins, losses = random.gamma(HALF, size=(2, len(weights), 1, grouped.models)) / len(kinds)
    scores, found = peer_rank(total[None, 0], total[None, 1], kinds)
    moved, varied = peer_rank(drawn[:, 0] + wins, drawn[:, 1] + wins + losses, kinds)
    errors = varied.std(0, ddof=1) if len(varied) > 1 else np.full(len(kinds), np.nan)
    return plain(scores[0], moved), Peers(found[0, of_judge], errors[of_judge], contestant >= 0, votes)


def _judges(grouped: Grouped, rows: slice) -> Codes:
    return np.zeros(len(grouped.cell[rows]), np.int64) if grouped.judge is None else grouped.judge[rows]


def _counts(grouped: Grouped, rows: slice, of_judge: Codes, judges: int, part: slice) -> Floats:
    """Return (B, 2, J, n): the points and comparisons of each model by each judge, in each of B groups of prompts."""
    models, groups, cell = grouped.models, part.stop - part.start, grouped.cell[rows]
    weight = np.ones(len(cell)) if grouped.weight is None else grouped.weight[rows]
    by = (grouped.group[rows].astype(np.int64) - part.start) * judges + of_judge[_judges(grouped, rows)]
    better, worse = by * models + cell // models % models, by * models + cell % models
    tied = np.where(cell >= 2 * models**2, weight / 2, 0.0)
    size = groups * judges * models
    points = np.bincount(better, weight - tied, size) + np.bincount(worse, tied, size)
    met = np.bincount(better, weight, size) + np.bincount(worse, weight, size)
    return np.stack([part.reshape(groups, judges, models) for part in (points, met)], 1)
