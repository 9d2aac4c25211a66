"""The position effect estimated from pairs that were shown in both orders, whatever the scores are.

Candidate i beats j with odds e^(θ_i - θ_j + β) if it is shown first, and e^(θ_i - θ_j - β) if it is shown second. The
ratio of the two is e^(2β): the scores cancel, so nothing need be assumed about them. The common odds ratio of all pairs
is estimated by the Mantel–Haenszel method, which is consistent however few votes each pair has. With one vote in each
order it is the number of conflicts won by the first slot divided by the number won by the second.

Source:
    Mantel and Haenszel (1959), JNCI 22; Robins, Breslow and Greenland (1986), Biometrics 42, for the variance.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .tally import Floats

CONTINUITY = 0.25
"""Half a conflict in favour of each slot, so that a judge without conflicts has an effect of 0 ± 1."""


@dataclass(frozen=True)
class Swaps:
    """The estimate from swapped pairs.

    Attributes:
        effect: β, in logits in favour of the earlier slot.
        error: Its standard error.
        share: The share of comparisons that have a counterpart in the other order.
    """

    effect: float
    error: float
    share: float


def effect_of_swaps(points: Iterable[tuple[Floats, Floats]], continuity: float = CONTINUITY) -> Swaps:
    """Return the position effect that pairs shown in both orders reveal.

    Args:
        points: For each batch of tournaments, points of i against j and of j against i, both (n, n, P), with i in the
            earlier slot.
        continuity: What is added to each side, in halves of a conflict.
    """
    first = second = continuity
    first_variance = second_variance = continuity
    mixed = swapped = compared = 0.0
    for wins, losses in points:
        both = wins + losses
        counts = both + both.transpose(1, 0, 2)
        known = np.maximum(counts, 1e-300)
        for_first = wins * wins.transpose(1, 0, 2) / known / 2
        for_second = losses * losses.transpose(1, 0, 2) / known / 2
        share_of_first = (wins + wins.transpose(1, 0, 2)) / known
        first += float(for_first.sum())
        second += float(for_second.sum())
        first_variance += float((share_of_first * for_first).sum())
        second_variance += float(((1 - share_of_first) * for_second).sum())
        mixed += float((share_of_first * for_second + (1 - share_of_first) * for_first).sum())
        swapped += float(np.minimum(both, both.transpose(1, 0, 2)).sum())
        compared += float(both.sum())
    if not first or not second:
        return Swaps(0.0, math.inf, 0.0)
    variance = first_variance / first**2 + mixed / (first * second) + second_variance / second**2
    return Swaps(math.log(first / second) / 2, math.sqrt(variance / 2) / 2, swapped / compared if compared else 0.0)
