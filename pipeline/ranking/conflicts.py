"""Conflicts: pairs whose two orders name different winners, and what to make of them before candidates are scored."""

from dataclasses import replace

from .codes import Codes
from .comparisons import Ballots
from .pairwise_consistency import orders_of, pair_votes

CONFLICTS = ("both", "tie", "drop")


def resolved(ballots: Ballots, prompts: int, items: int, conflicts: str) -> Ballots:
    """Return the votes with those in conflict as they should count: as they stand ("both"), as ties, or not at all.

    A conflict is between the votes of one judge at one repeat on one pair. As two opposite wins or as two ties they
    give the same points, but a model with ties sees ties. Dropped, they rank nothing any more.
    """
    if conflicts == "both":
        return ballots
    votes = in_conflict(ballots, prompts, items)
    ranks = ballots.ranks.copy()
    for slot in (0, 1):
        ranks[ballots.offsets[votes] + slot] = 1 if conflicts == "tie" else 0
    return replace(ballots, ranks=ranks)


def in_conflict(ballots: Ballots, prompts: int, items: int) -> Codes:
    """Return which votes are in conflict, ascending."""
    votes = pair_votes(ballots)
    orders = orders_of(votes, prompts, items)
    found: Codes = votes.vote[orders.conflict[orders.pair]]
    return found
