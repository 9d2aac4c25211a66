"""The methods that read the votes themselves, not counts of pairs: votes brought into the form that each one takes."""

from collections.abc import Callable, Iterator

import numpy as np

from .codes import Codes, position_in_group
from .comparisons import Ballots, pairs_of
from .elo import elo
from .fusion import Fusion
from .plackett_luce import plackett_luce
from .repeats import rankings_of_repeats
from .tally import Floats
from .weng_lin import Skills

CELLS = 1 << 22
"""Numbers held at a time, so that one prompt with very many votes does not make all others be padded to as many."""

Scored = tuple[Floats, Floats | None]
"""Scores and their standard errors, both (P, n); NaN is unknown, None means that all are unknown."""


def by_plackett_luce(ballots: Ballots, prompts: int, items: int, prior_sd: float) -> Scored:
    """Score by the Plackett-Luce model; a vote on a pair is a ranking of two."""
    scores, errors = np.zeros((prompts, items)), np.full((prompts, items), np.nan)
    slot_vote = np.repeat(np.arange(len(ballots.prompt)), ballots.sizes)
    ranked = ballots.ranks > 0
    said = np.bincount(slot_vote[ranked], minlength=len(ballots.prompt)) > 1
    counts = np.bincount(ballots.prompt[said], minlength=prompts)
    place = np.zeros(len(ballots.prompt), np.int64)
    place[said] = _place(ballots.prompt[said])
    ranked &= said[slot_vote]
    vote, item, rank = slot_vote[ranked], ballots.items[ranked], ballots.ranks[ranked]
    for chosen in _blocks(counts, items**2):
        row = np.full(prompts, -1)
        row[chosen] = np.arange(len(chosen))
        inside = row[ballots.prompt[vote]] >= 0
        mine = vote[inside]
        ranks = np.full((len(chosen), int(counts[chosen].max()), items), np.nan)
        ranks[row[ballots.prompt[mine]], place[mine], item[inside]] = rank[inside]
        weights = np.zeros(ranks.shape[:2])
        weights[row[ballots.prompt[mine]], place[mine]] = 1 if ballots.weight is None else ballots.weight[mine]
        fit = plackett_luce(ranks, weights=weights, prior_sd=prior_sd)
        scores[chosen], errors[chosen] = fit.scores, fit.standard_errors
    return scores, errors


def by_elo(ballots: Ballots, prompts: int, items: int) -> Scored:
    """Score by Elo ratings, averaged over orders of the votes; their spread over orders is not a sampling error."""
    pairs = pairs_of(ballots)
    counts = np.bincount(pairs.prompt, minlength=prompts)
    scores = np.zeros((prompts, items))
    for chosen in _blocks(counts, 1):
        row = np.full(prompts, -1)
        row[chosen] = np.arange(len(chosen))
        mine = pairs.where(row[pairs.prompt] >= 0)
        shape = len(chosen), items
        points = (mine.outcome + 1) / 2
        rated = elo(row[mine.prompt], mine.first, mine.second, points, shape=shape, weights=mine.weight)
        scores[chosen] = rated.scores
    return scores, None


def by_skills(rate: Callable[..., Skills], ballots: Ballots, prompts: int, items: int) -> Scored:
    """Score by ratings updated match by match in the order given; each vote is a match of all the items that it ranks.

    The deviations of such a filter are not standard errors.
    """
    votes, sizes = len(ballots.prompt), ballots.sizes
    seats, ranks = (np.zeros((votes, int(sizes.max(initial=0)))) for _ in range(2))
    vote = np.repeat(np.arange(votes), sizes)
    seat = np.arange(len(vote)) - np.repeat(ballots.offsets[:-1] - ballots.offsets[0], sizes)
    seats[vote, seat], ranks[vote, seat] = ballots.items, ballots.ranks
    played = (ranks > 0).sum(1) > 1
    places = np.where(ranks > 0, ranks, np.nan)[played]
    found = rate(ballots.prompt[played], seats[played].astype(np.int64), places, shape=(prompts, items))
    return found.scores, None


def by_fusion(fuse: Callable[..., Fusion], ballots: Ballots, prompts: int, items: int) -> Scored:
    """Score by fusing the complete rankings of judges and repeats; NaN if a prompt has none."""
    repeats = rankings_of_repeats(ballots, pairs_of(ballots), prompts, items)
    ranks = np.where(repeats.present[:, :, None], repeats.rankings / 2, np.nan)
    weights = np.ones(int(ballots.source.max(initial=0)) + 1)
    if ballots.weight is not None:
        weights[ballots.source] = ballots.weight
    fused = fuse(ranks, weights=weights[repeats.source])
    return np.where(fused.ballots > 0, fused.scores, np.nan if items > 1 else 0.0), None


def _place(prompt: Codes) -> Codes:
    """Return how many votes on the same prompt come before each."""
    order = np.argsort(prompt, kind="stable")
    place = np.empty(len(prompt), np.int64)
    place[order] = position_in_group(prompt[order])
    return place


def _blocks(counts: Codes, width: int) -> Iterator[Codes]:
    """Yield prompts with similar numbers of votes, in blocks that fit into memory when padded to the largest number."""
    order = np.argsort(counts, kind="stable")
    start = 0
    while start < len(order):
        # As counts ascend, the last of a block has the most: the block grows while all of it, at that size, fits.
        cost = np.arange(1, len(order) - start + 1) * np.maximum(counts[order[start:]], 1) * width
        end = start + max(int(np.searchsorted(cost, CELLS, side="right")), 1)
        yield order[start:end]
        start = end
