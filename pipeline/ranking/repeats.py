"""One ranking of a prompt's candidates for each judge and repeat, whatever kind of votes it comes from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .codes import Codes, dense, position_in_group
from .comparisons import Ballots, Pairs, by_size
from .tally import Floats

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Repeats:
    """The complete rankings of each prompt, padded to the same number.

    Attributes:
        rankings: (P, m, n) twice the mid-rank of each candidate: integers from 2 (alone best) to 2n.
        present: (P, m) which of them exist.
        incomplete: (P,) how many judges and repeats gave valid votes that do not cover all pairs of candidates.
        source: (P, m) the judge and repeat that gave each ranking.
    """

    rankings: NDArray[np.signedinteger[Any]]
    present: NDArray[np.bool_]
    incomplete: Codes
    source: Codes


def rankings_of_repeats(ballots: Ballots, pairs: Pairs, prompts: int, items: int) -> Repeats:
    """Return the ranking that each judge gave at each repeat.

    One vote that ranks all candidates is taken as it stands. From several votes, such as all pairs in both orders, the
    outcomes of each pair are averaged, so that a pair whose two orders contradict each other is a tie, and a
    candidate's points are the sum over its pairs. A ranking is complete if every pair of candidates was compared.

    Args:
        ballots: The valid votes.
        pairs: The comparisons that they imply.
        prompts: P.
        items: n.
    """
    sources = int(ballots.source.max(initial=0)) + 1
    groups, keys = dense(ballots.prompt * np.int64(sources) + ballots.source, prompts * sources)
    votes = np.bincount(groups, minlength=len(keys))
    rankings = np.zeros((len(keys), items), small(items))
    complete = np.zeros(len(keys), bool)
    for members, shown, ranks in by_size(ballots):
        whole = (ranks > 0).all(1) & (votes[groups[members]] == 1) & (shown.shape[1] == items)
        if items > 1 and whole.any():
            target = groups[members[whole]]
            rankings[target[:, None], shown[whole]] = doubled_midranks(-ranks[whole])
            complete[target] = True
    share = None if ballots.placed.all() else np.where(ballots.placed, 1.0, 0.5)[pairs.vote]
    _add_pairwise(groups, pairs, share, rankings, complete)
    incomplete = np.bincount(keys[(votes > 0) & ~complete] // sources, minlength=prompts)
    chosen = np.flatnonzero(complete)
    return padded(rankings[chosen], keys[chosen] // sources, keys[chosen] % sources, incomplete)


def padded(rankings: NDArray[Any], prompt: Codes, source: Codes, incomplete: Codes) -> Repeats:
    """Return the complete rankings (R, n) by prompt (R,), in ascending order, and source (R,)."""
    prompts = len(incomplete)
    counts = np.bincount(prompt, minlength=prompts)
    slot = position_in_group(prompt)
    shape = prompts, int(counts.max(initial=0))
    found = Repeats(
        np.zeros((*shape, rankings.shape[1]), rankings.dtype),
        np.arange(shape[1]) < counts[:, None],
        incomplete,
        np.zeros(shape, np.int64),
    )
    found.rankings[prompt, slot] = rankings
    found.source[prompt, slot] = source
    return found


def small(items: int) -> type[np.signedinteger[Any]]:
    """Return the integer type that holds twice any mid-rank of the given number of candidates."""
    return np.int8 if items < 64 else np.int32


def _add_pairwise(
    groups: Codes, pairs: Pairs, share: Floats | None, rankings: NDArray[Any], complete: NDArray[np.bool_]
) -> None:
    """Fill in the rankings that follow from several votes together.

    A comparison that is entered in both orders, because its candidates were not shown together, counts half (M,) in
    each.
    """
    items = rankings.shape[1]
    group = groups[pairs.vote]
    enough = np.bincount(group, share, minlength=len(rankings)) >= items * (items - 1) / 2
    code = np.flatnonzero(enough & ~complete) if items > 1 else np.zeros(0, np.int64)
    row_of_group = np.full(len(rankings), -1)
    row_of_group[code] = np.arange(len(code))
    row = row_of_group[group]
    used = row >= 0
    forward = pairs.first < pairs.second
    low, high = np.where(forward, pairs.first, pairs.second), np.where(forward, pairs.second, pairs.first)
    cell = ((row * items + low) * items + high)[used]
    won = np.where(forward, pairs.outcome, -pairs.outcome)[used]
    part = None if share is None else share[used]
    shape, size = (len(code), items, items), len(code) * items * items
    met = np.bincount(cell, part, minlength=size).reshape(shape)
    total = np.bincount(cell, won if part is None else won * part, minlength=size).reshape(shape)
    lead = total / np.where(met > 0, met, 1)
    covered = (met > 0).sum((1, 2)) == items * (items - 1) // 2
    points = (lead.sum(2) - lead.sum(1))[covered]
    rankings[code[covered]] = doubled_midranks(points)
    complete[code[covered]] = True


def doubled_midranks(points: NDArray[Any]) -> Codes:
    """Return (G, n): twice the mid-rank of each candidate, the one with most points first."""
    ranks = np.full(points.shape, points.shape[1] + 1, small(points.shape[1]))
    for other in points.T:
        lead = other[:, None] - points
        ranks += (lead > _ROUNDING).astype(np.int8) - (lead < -_ROUNDING).astype(np.int8)
    return ranks
