"""What all tournaments share in a model with ties: how readily judges call a tie, and the effect of position."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .davidson import TieFit
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


class Fit(Protocol):
    """A model with ties whose parameters are all estimated, such as `davidson`."""

    def __call__(self, tally: Tally, *, prior_sd: float = ..., position: bool = ...) -> TieFit: ...


class Given(Protocol):
    """The same where the position effect is known, such as `davidson_given`."""

    def __call__(
        self, *tallies: Tally, tie: float | None, position: float | Sequence[float], prior_sd: float = ...
    ) -> TieFit: ...


@dataclass(frozen=True)
class TieModel:
    """A model with ties.

    Attributes:
        fit: It with all parameters estimated.
        given: It with the position effect known.
        stretch: How many times further apart than in a model in which a tie is half a win for each its scores are, near
            equality, for a tie parameter.
    """

    fit: Fit
    given: Given
    stretch: Callable[[float], float]


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
    voted = padded(as_voted)
    error, spread = 0.0, stretched(model, [voted], position_effect or 0.0, prior_sd) if stretch else prior_sd
    if position_effect is None:
        found = model.fit(voted, prior_sd=spread, position=True)
        position_effect, error = found.position or 0.0, found.position_error or 0.0
        if as_scored is None:
            return SharedTies(found.tie, position_effect, error, spread)
    if as_scored is not None:
        voted = padded(as_scored)
        spread = stretched(model, [voted], position_effect, prior_sd) if stretch else prior_sd
    tie = model.given(voted, tie=None, position=position_effect, prior_sd=spread).tie
    return SharedTies(tie, position_effect, error, spread)


def stretched(model: TieModel, tallies: Sequence[Tally], position: float | Sequence[float], prior_sd: float) -> float:
    """Return the prior's standard deviation on the model's scale, from that of scores in which a tie is half a win."""
    tie = model.given(*tallies, tie=None, position=position, prior_sd=prior_sd).tie
    return prior_sd * min(model.stretch(tie), MOST_STRETCH)


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
