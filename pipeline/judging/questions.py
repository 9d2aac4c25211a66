"""A question to a judge: which candidates it shows, in which order, and which time it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from ..ids import seed_of

LABELS = ascii_uppercase


@dataclass(frozen=True)
class Question:
    """One question about the candidates of one prompt.

    Attributes:
        shown: Indices of the candidates, in slot order.
        repeat: Which time this is asked, from 0.
        comment_order: Slots in the order in which the judge is to comment on them; only where a protocol asks for it.
    """

    shown: tuple[int, ...]
    repeat: int
    comment_order: tuple[int, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What a judge's answer says of the slots it was shown.

    Attributes:
        ranks: Rank of each slot, 1 for the best, equal for a tie; nothing where the answer cannot be read.
        reason: Why it cannot be read.
        rationale: The judge's own reasons, where the answer keeps them apart from the verdict.
        tail: What the judge said from the opening of its verdict on, where one word gives the verdict.
    """

    ranks: tuple[int, ...] | None
    reason: str | None = None
    rationale: str | None = None
    tail: str = ""


def shuffled(count: int, *stream: object) -> tuple[int, ...]:
    """Return a permutation of `count` slots that depends on nothing but the stream's parts.

    A Fisher–Yates shuffle driven by a hash, so that it is the same with every version of Python.
    """
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = seed_of(*stream, last) % (last + 1)
        order[last], order[other] = order[other], order[last]
    return tuple(order)


def ranks_of(places: Sequence[float]) -> tuple[int, ...]:
    """Return competition ranks of places (lower is better): equal places share the better rank.

    >>> ranks_of([2, 0, 1, 1])
    (4, 1, 2, 2)
    """
    return tuple(1 + sum(other < place for other in places) for place in places)
