"""Which tournaments have enough comparisons to rank all their items, and which rest on the prior alone."""

import numpy as np
from numpy.typing import NDArray

from .tally import Tally

Flags = NDArray[np.bool_]


def strongly_connected(beaten: Flags) -> Flags:
    """Return whether every item reaches every other, by tournament, from (P, n, n): i has beaten or tied with j.

    Exactly then the Bradley–Terry likelihood has a maximum.

    Source:
        Ford (1957), American Mathematical Monthly 64, 28–33.
    """
    connected: Flags = np.asarray(reachable(beaten).all(axis=(1, 2)))
    return connected


def reachable(linked: Flags) -> Flags:
    """Return (P, n, n): whether i reaches j, directly or through others; every item reaches itself."""
    items = linked.shape[1]
    reach = linked.transpose(1, 2, 0).copy()  # long rows: five times as fast as many short ones
    reach[range(items), range(items)] = True
    for middle in range(items):
        reach |= reach[:, middle, None] & reach[middle]
    return reach.transpose(2, 0, 1)


def shortcomings(tally: Tally) -> dict[str, Flags]:
    """Return, for each way in which comparisons can fall short, the tournaments (P,) in which they do.

    - "disconnected": the candidates fall into groups that were never compared with each other, so scores cannot be
      compared between groups.
    - "all-tied": every comparison was a tie.
    - "separable": some candidates never lost to any of the others, so that their lead depends on the prior (and would
      be infinite without one).
    """
    wins, points = tally.wins, tally.points
    met = (points + points.transpose(0, 2, 1)) > 0
    connected = strongly_connected(met)
    compared = np.asarray(met.any(axis=(1, 2)))
    decided = np.asarray((wins > 0).any(axis=(1, 2)))
    return {
        "disconnected": ~connected,
        "all-tied": compared & ~decided,
        "separable": connected & ~strongly_connected(points > 0),
    }
