"""Votes on two candidates that count for more where they are clearer, or in part for either candidate."""

from dataclasses import replace

import numpy as np

from .comparisons import Ballots
from .tally import Floats

CLEARLY = 3.0
"""What "clearly better" counts, "slightly better" being 1.

Source: Arena-Hard (lm-sys/arena-hard-auto) enters a verdict `>>` three times into its comparisons, `>` once.
"""


def by_strength(ballots: Ballots, strength: Floats) -> Ballots:
    """Return the votes with the decided ones on pairs weighted by strength: 1 for slightly, `CLEARLY` for clearly.

    Args:
        ballots: The votes.
        strength: (V,) 1 or 2; a vote of unknown strength (NaN) counts 1, and so does a tie.
    """
    pairs = np.flatnonzero((ballots.sizes == 2) & (strength == 2))
    begins = ballots.offsets[pairs]
    clear = pairs[ballots.ranks[begins] != ballots.ranks[begins + 1]]
    weight = np.ones(len(ballots.prompt)) if ballots.weight is None else ballots.weight.copy()
    weight[clear] *= CLEARLY
    return replace(ballots, weight=weight)


def by_probability(ballots: Ballots, first: Floats, second: Floats) -> Ballots:
    """Return the votes with each vote on a pair split into a win for the first slot, one for the second, and a tie.

    The parts are weighted by their probabilities, so that together they weigh as much as the vote did. Except in models
    of ties, a tie is half a win for each.

    Args:
        ballots: The votes.
        first: (V,) the probability that the first slot is the better one; a vote of which it is not known (NaN), or
            that does not rank two candidates, stays whole.
        second: (V,) likewise of the second slot.
    """
    sizes = ballots.sizes
    begins = ballots.offsets[:-1]
    both = (sizes == 2) & ~np.isnan(first + second)
    both[both] = (ballots.ranks[begins[both]] > 0) & (ballots.ranks[begins[both] + 1] > 0)
    vote = np.repeat(np.arange(len(sizes)), np.where(both, 3, 1))
    outcome = np.arange(len(vote)) - np.repeat(np.cumsum(np.where(both, 3, 1)), np.where(both, 3, 1))
    parted = both[vote]
    ends = np.concatenate([[0], np.cumsum(sizes[vote])])
    slots = np.arange(ends[-1]) + np.repeat(begins[vote] - ends[:-1], sizes[vote])
    ranks = ballots.ranks[slots]
    for place, ranking in ((-3, (1, 2)), (-2, (2, 1)), (-1, (1, 1))):
        mine = ends[:-1][parted & (outcome == place)]
        ranks[mine], ranks[mine + 1] = ranking
    tied = np.maximum(1 - first - second, 0)
    share = np.where(parted, np.choose(outcome + 3, [first[vote], second[vote], tied[vote]]), 1.0)
    weight = share if ballots.weight is None else share * ballots.weight[vote]
    counted = weight > 0
    slot_counted = np.repeat(counted, sizes[vote])
    kept = vote[counted]
    return Ballots(
        ballots.prompt[kept],
        ballots.source[kept],
        ballots.placed[kept],
        np.concatenate([[0], np.cumsum(sizes[kept])]),
        ballots.items[slots][slot_counted],
        ranks[slot_counted],
        weight[counted],
    )
