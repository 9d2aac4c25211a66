"""What all tournaments share in a model with ties: how readily judges call a tie, and the effect of position."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .davidson import TieFit
from .pooled import DIGITS, estimate_shared
from .tally import Floats, Tally

CELLS = 4_000_000
"""Pairs of candidates that are looked at together; of more, every n-th tournament is."""

MOST_STRETCH = 10.0
"""How much wider the prior is made at most: where nine votes in ten are ties."""


@dataclass(frozen=True)
class SharedTies:
    """Parameters of a model with ties.

    Attributes:
        tie: nu, as the model has it.
        position_effect: β, in logits in favour of the earlier slot.
        position_error: Its standard error, taking votes as independent; 0 where β was given.
        prior_sd: The standard deviation of the prior of the scores.
    """

    tie: float
    position_effect: float
    position_error: float
    prior_sd: float


class Given(Protocol):
    """The same where the position effect is known, such as `davidson_given`."""

    def __call__(
        self, *tallies: Tally, tie: float | None, position: float | Sequence[float], prior_sd: float = ...
    ) -> TieFit: ...


@dataclass(frozen=True)
class TieModel:
    """A model with ties.

    Attributes:
        given: It with the position effect known.
        without_ties: Ways to make decisions of ties, or nothing, after which votes follow the model of Bradley and
            Terry, with position effects whose mean is that of this model.
        stretch: How many times further apart than in a model in which a tie is half a win for each its scores are, near
            equality, for a tie parameter.
    """

    given: Given
    without_ties: tuple[Callable[[Tally], Tally], ...]
    stretch: Callable[[float], float]


def dropped(tally: Tally) -> Tally:
    """Return comparisons without ties: where wins and losses of a model stand in the ratio e to the margin."""
    return Tally(tally.first_wins, tally.second_wins, np.zeros_like(tally.first_ties))


def lost_by_first(tally: Tally) -> Tally:
    """Return comparisons with ties lost by the earlier slot, as if it were less favoured by a model's threshold."""
    lost = tally.first_ties.transpose(0, 2, 1)
    return Tally(tally.first_wins, tally.second_wins + lost, np.zeros_like(tally.first_ties))


def won_by_first(tally: Tally) -> Tally:
    """Return comparisons with ties won by the earlier slot, as if it were more favoured by as much."""
    return Tally(tally.first_wins + tally.first_ties, tally.second_wins, np.zeros_like(tally.first_ties))


def estimate_ties(
    model: TieModel,
    as_voted: Iterable[Tally],
    as_scored: Iterable[Tally] | None,
    *,
    prior_sd: float,
    stretch: bool = False,
    position_effect: float | None = None,
) -> SharedTies:
    """Return what a model with ties finds in tournaments of any size, taken as one batch.

    Args:
        model: The model.
        as_voted: The tournaments, those of each size together. They tell of the position effect.
        as_scored: The same with conflicts resolved, which tell of ties but no longer of positions; None where that
            changes nothing.
        prior_sd: The standard deviation of the prior of the scores.
        stretch: Whether that is of scores in which a tie is half a win for each, which are nearer to each other.
        position_effect: β where it is known.
    """
    voted, error = list(as_voted), 0.0
    if position_effect is None:
        position_effect, error = position_of(model, voted)
    scored = padded(voted if as_scored is None else as_scored)
    spread = stretched(model, [scored], position_effect, prior_sd) if stretch else prior_sd
    tie = model.given(scored, tie=None, position=position_effect, prior_sd=spread).tie
    return SharedTies(round(tie, DIGITS), position_effect, error, spread)


def position_of(model: TieModel, tallies: Sequence[Tally]) -> tuple[float, float]:
    """Return the position effect that tournaments of any size share, and its standard error, which is no less.

    A joint fit with the scores would be biased, as `pooled` explains.
    """
    found = [estimate_shared([decided(tally) for tally in tallies]) for decided in model.without_ties]
    effect = sum(shared.position_effect for shared in found) / len(found)
    return round(effect, DIGITS), round(sum(shared.position_error for shared in found) / len(found), DIGITS)


def stretched(model: TieModel, tallies: Sequence[Tally], position: float | Sequence[float], prior_sd: float) -> float:
    """Return the prior's standard deviation on the model's scale, from that of scores in which a tie is half a win."""
    tie = model.given(*tallies, tie=None, position=position, prior_sd=prior_sd).tie
    return round(prior_sd * min(model.stretch(tie), MOST_STRETCH), DIGITS)


def padded(tournaments: Iterable[Tally]) -> Tally:
    """Return one tally of all tournaments, the smaller ones with items that were never compared and say nothing."""
    tallies = list(tournaments)
    most = max((tally.first_wins.shape[1] for tally in tallies), default=0)
    total = sum(len(tally.first_wins) for tally in tallies)
    every = max(math.ceil(total * most**2 / CELLS), 1)

    def joined(parts: list[Floats]) -> Floats:
        kept = [part[::every] for part in parts]
        whole = np.zeros((sum(map(len, kept)), most, most))
        start = 0
        for part in kept:
            whole[start : start + len(part), : part.shape[1], : part.shape[1]] = part
            start += len(part)
        return whole

    return Tally(
        joined([tally.first_wins for tally in tallies]),
        joined([tally.second_wins for tally in tallies]),
        joined([tally.first_ties for tally in tallies]),
    )
