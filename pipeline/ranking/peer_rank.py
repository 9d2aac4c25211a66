"""Peer rank: models judge models, and a judge's vote weighs as much as the judge is worth as a contestant."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .tally import Floats

Weighting = Literal["min-max", "softmax", "none"]

DEAD_ZONE = 0.01
SETTLED = 1e-9


@dataclass(frozen=True)
class PeerRank:
    """What the judges found of each other.

    Attributes:
        scores: (n,), the weighted share of battles won, 0 to 1; 0.5 for a model that was in none.
        judge_weights: (J,), their sum is 1.
        iterations: How many were done.
        converged: Whether the last one left the weights as they were.
    """

    scores: Floats
    judge_weights: Floats
    iterations: int
    converged: bool


def peer_rank(
    judge: Codes,
    first: Codes,
    second: Codes,
    points: Floats,
    *,
    contestant: Codes,
    models: int,
    votes: Floats | None = None,
    iterations: int = 5,
    weighting: Weighting = "min-max",
    least_weight: float = 0.0,
) -> PeerRank:
    """Score models by the votes of judges who are models too, and weigh the judges by those scores.

    Row v, one of (V,), says that `judge[v]` gave `points[v]` (1, 1/2 for a tie, 0) to model `first[v]` against model
    `second[v]`; `votes` (V,) counts a row several times. `contestant` (J,) names the model that each judge is, or -1
    for a judge who does not compete. Starting from equal weights, a model's score is the weighted mean of the points it
    got, and a contestant's weight is its score moved and scaled to reach from `least_weight` to 1 over the judges
    ("min-max", where the weakest judge has no say at all by default), or e to the power of its score ("softmax"). A
    judge who does not compete, or was never compared, gets the mean of the others' weights. So one judge has weight 1,
    and equally good judges weigh the same.

    Conflicting votes are averaged, and pairs without votes leave a mean over fewer battles, which is fair only where
    models met like opponents. A model judged only by judges of weight 0 is scored by their plain mean. The source
    divides by the number of battles rather than by their weights, which is the same when every judge judged every
    battle. Votes of a
    judge on itself count like others; leave the rows out to exclude them.

    Source: "PRD" (arXiv 2307.02762), with its five iterations.

    Raises:
        ValueError: if `least_weight` is not within 0 and 1, `iterations` below 1, or `weighting` none of the three.
    """
    if not 0 <= least_weight <= 1:
        raise ValueError(f"least_weight must be within 0 and 1, not {least_weight}")
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, not {iterations}")
    if weighting not in get_args(Weighting):
        raise ValueError(f"weighting must be one of {', '.join(get_args(Weighting))}, not {weighting!r}")
    votes = np.ones(len(judge)) if votes is None else votes
    met = np.bincount(first, votes, models) + np.bincount(second, votes, models) > 0
    competes = contestant >= 0
    competes[competes] &= met[contestant[competes]]
    weights = np.full(len(contestant), 1 / max(len(contestant), 1))
    plain = _scores(votes, first, second, points, models, np.full(models, 0.5))
    change = np.inf
    for _ in range(iterations):
        scores = _scores(votes * weights[judge], first, second, points, models, plain)
        renewed = _weights(scores, contestant, competes, weighting, least_weight)
        change = float(np.abs(renewed - weights).max(initial=0.0))
        weights = renewed
    return PeerRank(scores, weights, iterations, change < SETTLED)


def peer_verdicts(
    question: Codes,
    judge: Codes,
    points: Floats,
    judge_weights: Floats,
    *,
    questions: int,
    dead_zone: float = DEAD_ZONE,
) -> tuple[Floats, Floats]:
    """Return the judges' common verdict on each of Q questions, and the weighted mean of the points behind it.

    Row v says that `judge[v]` gave `points[v]` (1, 1/2, 0) to the one item of `question[v]` that all its rows name
    first. The mean on the scale from -1 to 1 is a tie within +-`dead_zone`. The verdict is 1, 1/2 or 0; where only
    judges of weight 0 voted, their plain mean decides, and both are nan for a question without votes.

    Source: "PRD" (arXiv 2307.02762).
    """
    count = np.bincount(question, minlength=questions)
    weights = np.bincount(question, judge_weights[judge], questions)
    share = np.where(weights > 0, weights, 1.0)
    weighted = np.bincount(question, judge_weights[judge] * points, questions) / share
    plain = np.bincount(question, points, questions) / np.maximum(count, 1)
    mean = np.where(weights > 0, weighted, np.where(count > 0, plain, np.nan))
    lead = 2 * mean - 1
    verdict = np.where(np.abs(lead) <= dead_zone, 0.5, (lead > 0).astype(float))
    return np.where(count > 0, verdict, np.nan), mean


def _scores(weights: Floats, first: Codes, second: Codes, points: Floats, models: int, otherwise: Floats) -> Floats:
    won = np.bincount(first, weights * points, models) + np.bincount(second, weights * (1 - points), models)
    total = np.bincount(first, weights, models) + np.bincount(second, weights, models)
    return np.where(total > 0, won / np.where(total > 0, total, 1.0), otherwise)


def _weights(
    scores: Floats, contestant: Codes, competes: NDArray[np.bool_], weighting: Weighting, least: float
) -> Floats:
    weights = np.ones(len(contestant))
    own = scores[contestant[competes]]
    if own.size and weighting == "min-max" and np.ptp(own) > 0:
        weights[competes] = least + (1 - least) * (own - own.min()) / np.ptp(own)
    elif own.size and weighting == "softmax":
        weights[competes] = np.exp(own)
    if own.size:
        weights[~competes] = weights[competes].mean()
    shares: Floats = weights / max(weights.sum(), 1e-300)
    return shares
