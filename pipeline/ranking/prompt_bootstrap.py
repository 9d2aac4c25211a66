"""The Bayesian bootstrap over prompts: how far a leaderboard would move with other prompts of the same kind.

Each draw gives every prompt (or group of prompts) a random weight of mean 1, and every model random pseudo-votes, half
a win and half a loss on average. Unlike with resampling prompts with replacement, no model ever loses all its votes,
and none is certain merely because it never lost: if w wins and l losses come from as many prompts, the share of wins is
drawn from Beta(w + 1/2, l + 1/2), whose quantiles are Jeffreys' interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .prompt_groups import Grouped
from .pseudo_votes import HALF, with_pseudo_votes
from .tally import Floats, Tally

BLOCK = 1 << 16
"""Cells of the tallies that are fitted at a time: they fit into the processor's cache."""


@dataclass(frozen=True)
class Draws:
    """The tally of all prompts, and its bootstrap draws.

    Attributes:
        tally: (1, n, n), of all prompts.
        drawn: (D, n, n), of each draw, with its pseudo-votes; D is 0 if there is only one group of prompts.
        groups: How many groups of prompts were weighted.
    """

    tally: Tally
    drawn: Tally
    groups: int

    def estimated(self, estimate: Callable[[Tally], Floats]) -> Floats:
        """Return (D, k): the results of a function from tallies (B, n, n) to numbers (B, k)."""
        draws, models, _ = self.drawn.first_wins.shape
        width = max(1, BLOCK // max(models**2, 1))
        starts = range(0, max(draws, 1), width)
        return np.concatenate([estimate(_part(self.drawn, slice(start, start + width))) for start in starts])


def draw_prompts(grouped: Grouped, *, draws: int, seed: int) -> Draws:
    """Draw weights for the prompts, and recount with each draw.

    Weights are independent and follow the gamma distribution of mean 1 and variance G/(G-1), the variance that makes
    the variance over draws unbiased with G groups; for many groups that is Rubin's exponential distribution.

    Source:
        Rubin (1981), Annals of Statistics 9, 130-134; Brown, Cai and DasGupta (2001), Statistical Science 16, for
        Jeffreys' interval; Field and Welsh (2007), JRSS B 69, for drawing clusters.
    """
    random = np.random.default_rng(seed)
    groups = grouped.groups
    tally, drawn = grouped.drawn(prompt_weights(groups, draws if groups > 1 else 0, random))
    shape = (len(drawn.first_wins), grouped.models)
    wins, losses = random.gamma(HALF, size=shape), random.gamma(HALF, size=shape)
    return Draws(tally, with_pseudo_votes(drawn, wins, losses), groups)


def prompt_weights(groups: int, draws: int, random: np.random.Generator) -> Floats:
    """Return weights (D, G) of mean 1 and variance G/(G-1); G is at least two where anything is drawn."""
    if not draws:
        return np.zeros((0, groups))
    shape = (groups - 1) / groups
    return random.gamma(shape, 1 / shape, (draws, groups))


def _part(tally: Tally, part: slice) -> Tally:
    return Tally(tally.first_wins[part], tally.second_wins[part], tally.first_ties[part])
