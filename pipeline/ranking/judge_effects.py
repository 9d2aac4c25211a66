"""How much each judge favours the earlier slot: estimated separately, then shrunk towards the mean of all judges.

The apparent effect of a judge with few votes is mostly chance. The judges' effects are therefore treated as draws from
one normal distribution, whose variance follows from how much further apart they are than their errors explain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .codes import Codes
from .comparisons import Ballots
from .duels import tally_of
from .tally import Floats, Tally

MOST_EFFECTS = 16
"""The most position effects; if there are more judges, all but those with the most votes share the last one."""


@dataclass(frozen=True)
class JudgeEffects:
    """The position effects of judges.

    Attributes:
        effects: (E,) in logits in favour of the earlier slot.
        errors: (E,) their standard errors.
        of_source: (S,) the index of the effect of each source, a judge at a repeat.
    """

    effects: tuple[float, ...]
    errors: tuple[float, ...]
    of_source: Codes


def drawn_together(effects: Floats, errors: Floats) -> tuple[Floats, Floats] | None:
    """Return the judges' effects (J,) and their standard errors, each shrunk towards the mean by its uncertainty.

    None if the effects differ no more than their errors explain: then judges are best treated as alike.

    Args:
        effects: (J,) estimated from each judge's own votes.
        errors: (J,) their standard errors; infinite if a judge's votes carry no information.

    Source:
        DerSimonian and Laird (1986), Controlled Clinical Trials 7, for the variance; Morris (1983), JASA 78, 47–55.
    """
    weight = errors**-2.0
    known, total = np.count_nonzero(weight), weight.sum()
    if known < 2:
        return None
    mean = (weight * effects).sum() / total
    excess = (weight * (effects - mean) ** 2).sum() - (known - 1)
    if excess <= 0:
        return None
    variance = excess / (total - (weight**2).sum() / total)
    share = weight * variance / (1 + weight * variance)
    mean = (share * effects).sum() / share.sum()
    moved = mean + share * (effects - mean)
    return moved, np.sqrt((1 - share) * variance + (1 - share) ** 2 * variance / share.sum())


def effects_of_judges(names: Sequence[str], votes: Codes) -> Codes:
    """Return the index (J,) of each judge's effect, from the judges' names and numbers of votes (J,)."""
    place = np.empty(len(votes), np.int64)
    place[np.lexsort([np.argsort(np.argsort(names)), -votes])] = np.arange(len(votes))
    return np.minimum(place, MOST_EFFECTS - 1)


def tallies_of_judges(ballots: Ballots, effect: Codes, effects: int, prompts: int, items: int) -> list[Tally]:
    """Return the comparisons of each prompt, a tally for each position effect; `effect` (S,) is by source."""
    if effects == 1:
        return [tally_of(ballots, prompts, items)]
    apart = replace(ballots, prompt=effect[ballots.source] * prompts + ballots.prompt)
    counted = tally_of(apart, effects * prompts, items)
    parts = [slice(prompts * number, prompts * (number + 1)) for number in range(effects)]
    return [Tally(counted.first_wins[part], counted.second_wins[part], counted.first_ties[part]) for part in parts]


def all_judges(tallies: Sequence[Tally]) -> Tally:
    """Return the comparisons of all judges together."""
    if len(tallies) == 1:
        return tallies[0]
    return Tally(
        sum((tally.first_wins for tally in tallies), np.zeros(())),
        sum((tally.second_wins for tally in tallies), np.zeros(())),
        sum((tally.first_ties for tally in tallies), np.zeros(())),
    )
