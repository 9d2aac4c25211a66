"""Borda's count: how many of the other candidates a candidate beats on an average ballot."""

from dataclasses import dataclass

import numpy as np

from .comparisons import Ballots, by_size
from .tally import Floats

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Borda:
    """Mean points and their standard errors.

    Attributes:
        scores: (P, n) mean points of a ballot, from 0 (last) to n-1 (first); NaN for a candidate on no ballot.
        standard_errors: (P, n) of the mean, from the spread between ballots; NaN if fewer than two ballots rank the
            candidate, or if all give it the same points: a spread of zero over a few ballots does not prove certainty.
    """

    scores: Floats
    standard_errors: Floats


def borda(ballots: Ballots, prompts: int, items: int) -> Borda:
    """Return the mean number of candidates beaten on a ballot.

    On a ballot of k ranked candidates each gets a point for every candidate it beats and half a point for every one it
    ties with, so that tied candidates share the mean of their points. The points are scaled by (n-1)/(k-1): a ballot
    over all n counts as it stands, from 0 to n-1 points; a vote on one pair gives n-1 or 0, so that the mean is n-1
    times the share of comparisons won. Means use the ballots' weights. Standard errors treat ballots as independent,
    and a weight as that many of them; with pairwise votes they are a little too wide, because part of the spread
    between ballots comes from the different opponents. Conflicting votes cancel. With missing pairs the mean is over
    fewer opponents, which is fair only if all candidates met similar ones.

    Source:
        Black (1976), Public Choice 28, 1–15, for partial ballots and ties.
    """
    moments = np.zeros((3, prompts * items))
    for votes, shown, ranks in by_size(ballots):
        ranked = ranks > 0
        others = ranked.sum(1, keepdims=True) - 1
        points = np.zeros(ranks.shape)
        for slot in range(ranks.shape[1]):
            beaten = np.sign(ranks[:, slot, None] - ranks) * ranked[:, slot, None]
            points += (1 + beaten) / 2 * ranked[:, slot, None]
        points -= 0.5
        valid = ranked & (others > 0)
        stretched = (points * (items - 1) / np.maximum(others, 1))[valid]
        cells = (ballots.prompt[votes][:, None] * items + shown)[valid]
        weight = np.ones(len(votes)) if ballots.weight is None else ballots.weight[votes]
        weight = np.broadcast_to(weight[:, None], ranks.shape)[valid]
        parts = weight, weight * stretched, weight * stretched**2
        moments += [np.bincount(cells, part, minlength=prompts * items) for part in parts]
    total, sums, squares = moments
    known = np.where(total > 0, total, 1)
    mean = sums / known
    several = total > 1 + _ROUNDING
    variance = np.maximum(squares / known - mean**2, 0) / np.where(several, known - 1, 1)
    mean[total == 0] = np.nan
    variance[(total == 0) | ~several | (variance < _ROUNDING)] = np.nan
    return Borda(mean.reshape(prompts, items), np.sqrt(variance).reshape(prompts, items))
