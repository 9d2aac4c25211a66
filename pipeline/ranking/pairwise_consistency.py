"""How far pairwise verdicts can be believed: do both orders agree, does one slot win, do candidates form circles?"""

from dataclasses import dataclass

import numpy as np

from .codes import Codes, dense
from .comparisons import Ballots, by_size
from .tally import Floats, Tally

_ROUNDING = 1e-9


@dataclass(frozen=True)
class PositionCounts:
    """What the two orders of pairs say, by prompt (P,).

    A pair that the same judge judged at the same repeat in both orders is *consistent* if both name the same winner or
    both are ties, and in *conflict* if they name different winners. A winner in one order and a tie in the other is
    neither: the judge wavered, but did not contradict itself.

    Attributes:
        both_orders: Pairs with a valid vote in both orders.
        consistent: Those on which both orders agree.
        conflicts: Those on which they name different winners.
        decisive: Pairwise votes that name a winner.
        first_won: Those that name the candidate in the first slot.
    """

    both_orders: Codes
    consistent: Codes
    conflicts: Codes
    decisive: Codes
    first_won: Codes

    @property
    def consistency(self) -> Floats:
        """(P,): the share of pairs judged in both orders that are consistent; NaN without any."""
        return _share(self.consistent, self.both_orders)

    @property
    def first_slot_share(self) -> Floats:
        """(P,): the share of decisive votes that the first slot won; NaN without any."""
        return _share(self.first_won, self.decisive)


def position_counts(ballots: Ballots, prompts: int, items: int) -> PositionCounts:
    """Count agreements between orders, from the valid votes that show two candidates."""
    empty = np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64)
    votes, shown, ranks = next((block for block in by_size(ballots) if block[1].shape[1] == 2), empty)
    ranked = (ranks > 0).all(1) & ballots.placed[votes]
    if not ranked.all():
        votes, shown, ranks = votes[ranked], shown[ranked], ranks[ranked]
    prompt, first, second = ballots.prompt[votes], shown[:, 0], shown[:, 1]
    outcome = np.sign(ranks[:, 1] - ranks[:, 0])
    decided = outcome != 0
    return PositionCounts(
        *_orders(prompt, ballots.source[votes], first, second, outcome, prompts, items),
        np.bincount(prompt[decided], minlength=prompts),
        np.bincount(prompt[outcome > 0], minlength=prompts),
    )


def _orders(
    prompt: Codes, source: Codes, first: Codes, second: Codes, outcome: Codes, prompts: int, items: int
) -> tuple[Codes, Codes, Codes]:
    """Return, for each prompt, pairs met in both orders, those that agree, and those in conflict."""
    forward = first < second
    low, high = np.where(forward, first, second), np.where(forward, second, first)
    per_prompt = (int(source.max(initial=0)) + 1) * items * items
    keys = ((prompt * np.int64(per_prompt // items**2) + source) * items + low) * items + high
    pair, values = dense(keys, prompts * per_prompt)
    cell = pair * 2 + forward
    met = np.bincount(cell, minlength=2 * len(values)).reshape(-1, 2) > 0
    lead = np.bincount(cell, np.where(forward, outcome, -outcome), minlength=2 * len(values)).reshape(-1, 2)
    winner = np.sign(lead)
    both = met.all(1)
    product = winner[:, 0] * winner[:, 1]
    kinds = both, both & (winner[:, 0] == winner[:, 1]), both & (product < 0)
    counted = tuple(np.bincount(values[kind] // per_prompt, minlength=prompts) for kind in kinds)
    return counted[0], counted[1], counted[2]


def cyclic_triads(tally: Tally) -> Codes:
    """Return (P,): how many sets of three candidates form a circle, each beaten by the next by a majority of points.

    A pair whose points are equal has no majority, and a triad that contains one is no circle. Each circle is one
    closed walk of three steps in the graph of majorities, met from each of its three corners.
    """
    points = tally.points
    beats = (points - points.transpose(0, 2, 1) > _ROUNDING).astype(np.float64)
    walks = np.einsum("pij,pji->p", beats @ beats, beats)
    circles: Codes = np.rint(walks / 3).astype(np.int64)
    return circles


def _share(part: Codes, whole: Codes) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return share
