"""The shared parameters of a model with ties: how readily judges call a tie, and the position effect."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .davidson import TieFit
from .pooled import DIGITS, estimate_shared
from .tally import Floats, Tally

CELLS = 4_000_000
"""The most pairs of candidates that are fitted together; if there are more, every n-th tournament is used."""

MOST_STRETCH = 10.0
"""The most by which the prior is widened: its value if nine votes in ten are ties."""


@dataclass(frozen=True)
class SharedTies:
    """Parameters of a model with ties.

    Attributes:
        tie: nu, as the model defines it.
        position_effect: β, in logits in favour of the earlier slot.
        position_error: Its standard error, treating votes as independent; 0 if β was given.
        prior_sd: The standard deviation of the prior of the scores.
    """

    tie: float
    position_effect: float
    position_error: float
    prior_sd: float


class Given(Protocol):
    """A fit with a known position effect, such as `davidson_given`."""

    def __call__(
        self, *tallies: Tally, tie: float | None, position: float | Sequence[float], prior_sd: float = ...
    ) -> TieFit: ...


@dataclass(frozen=True)
class TieModel:
    """A model with ties.

    Attributes:
        given: Fits it with a known position effect.
        without_ties: Ways to turn ties into decisive votes, or to drop them, after which votes follow the Bradley–Terry
            model, with position effects whose mean is that of this model.
        stretch: For a tie parameter, how many times further apart its scores are, near equality, than in a model in
            which a tie is half a win for each.
    """

    given: Given
    without_ties: tuple[Callable[[Tally], Tally], ...]
    stretch: Callable[[float], float]


def dropped(tally: Tally) -> Tally:
    """Return comparisons without ties, for models in which the odds of a win against a loss are e to the margin."""
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
    """Return the shared parameters of a model with ties from tournaments of any size, taken as one batch.

    Args:
        model: The model.
        as_voted: The tournaments, those of each size together. They determine the position effect.
        as_scored: The same with conflicts resolved, which determine the ties but no longer the position effect; None if
            that changes nothing.
        prior_sd: The standard deviation of the prior of the scores.
        stretch: Whether `prior_sd` refers to scores in which a tie is half a win for each, which are closer together.
        position_effect: β if it is known.
    """
    voted, error = list(as_voted), 0.0
    if position_effect is None:
        position_effect, error = position_of(model, voted)
    scored = padded(voted if as_scored is None else as_scored)
    spread = stretched(model, [scored], position_effect, prior_sd) if stretch else prior_sd
    tie = model.given(scored, tie=None, position=position_effect, prior_sd=spread).tie
    return SharedTies(round(tie, DIGITS), position_effect, error, spread)


def position_of(model: TieModel, tallies: Sequence[Tally]) -> tuple[float, float]:
    """Return the position effect that tournaments of any size share, and an upper bound of its standard error.

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
    """Return one tally of all tournaments, the smaller ones padded with items that were never compared."""
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
