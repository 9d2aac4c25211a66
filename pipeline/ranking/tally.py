"""Counted comparisons: what every aggregator reads, for a batch of tournaments of the same size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tally:
    """The comparisons of P independent tournaments (prompts) over n items (candidates) each.

    The slot in which an item stood is kept, so that a position effect can be estimated. Entries are sums of weights;
    a comparison of weight 1 is one judge's answer about one pair.

    Attributes:
        first_wins: (P, n, n); `[p, i, j]` is how often i, shown before j, beat j.
        second_wins: (P, n, n); `[p, i, j]` is how often i, shown after j, beat j.
        first_ties: (P, n, n); `[p, i, j]` is how often i, shown before j, tied with j.
    """

    first_wins: Floats
    second_wins: Floats
    first_ties: Floats

    @property
    def wins(self) -> Floats:
        """(P, n, n): how often i beat j, in whichever slot it stood."""
        return self.first_wins + self.second_wins

    @property
    def ties(self) -> Floats:
        """(P, n, n), symmetric: how often i and j tied."""
        return self.first_ties + self.first_ties.transpose(0, 2, 1)

    @property
    def points(self) -> Floats:
        """(P, n, n): wins of i over j plus half of their ties."""
        return self.wins + self.ties / 2
