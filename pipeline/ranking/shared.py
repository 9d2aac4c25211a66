"""Parameters that all prompts share, estimated from a sample of them: position effects, spread of scores, and ties."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from .codes import Codes
from .judge_effects import JudgeEffects, all_judges, drawn_together
from .methods import Method
from .pooled import DIGITS, Shared, estimate_prior_sd, estimate_shared
from .shared_ties import TieModel, estimate_ties, padded, position_of, stretched
from .tally import Tally

Batch = Sequence[Tally]
"""Tournaments of the same size: the comparisons by the judges who share a position effect, apart."""


def find_shared(
    method: Method,
    voted: Sequence[Batch],
    scored: Sequence[Batch] | None,
    of_source: Codes,
    *,
    position_effect: float | None = None,
    prior_sd: float | None = None,
) -> Shared:
    """Return the shared parameters that a method with a prior on the scores needs.

    Args:
        method: The method.
        voted: The prompts in batches.
        scored: The same with conflicts resolved; None if that changes nothing. These determine the ties, the original
            votes the position effect.
        of_source: (S,) the tally in each batch to which the votes of a judge at a repeat belong.
        position_effect: The position effect if it is known; None estimates it, for each judge if they differ.
        prior_sd: The standard deviation of the prior on the scores; None estimates it.
    """
    known = position_effect if method.corrects_position else 0.0
    together = [all_judges(batch) for batch in voted]
    shared = estimate_shared(together, position_effect=known, prior_sd=prior_sd)

    def alone(tallies: list[Tally]) -> tuple[float, float]:
        found = estimate_shared(tallies, prior_sd=prior_sd)
        return found.position_effect, found.position_error

    own = _own_effects(alone, voted, of_source) if known is None else None
    if own is not None:
        spread = prior_sd or estimate_prior_sd(voted, own.effects)
        shared = replace(shared, prior_sd=spread, of_judges=own)
    if method.ties is None:
        return shared
    return _with_ties(method.ties, shared, voted, scored, of_source, known=known, stretch=prior_sd is None)


def _with_ties(
    model: TieModel,
    shared: Shared,
    voted: Sequence[Batch],
    scored: Sequence[Batch] | None,
    of_source: Codes,
    *,
    known: float | None,
    stretch: bool,
) -> Shared:
    """Return the parameters of a model with ties from those that count a tie as half a win."""
    together = [all_judges(batch) for batch in voted]
    resolved = None if scored is None else [all_judges(batch) for batch in scored]
    found = estimate_ties(model, together, resolved, prior_sd=shared.prior_sd, stretch=stretch, position_effect=known)
    of_all = Shared(found.position_effect, found.position_error, found.prior_sd, found.tie)

    own = _own_effects(partial(position_of, model), voted, of_source) if known is None else None
    if own is None:
        return of_all
    apart = [padded(tallies) for tallies in zip(*(scored or voted), strict=True)]
    spread = stretched(model, apart, own.effects, shared.prior_sd) if stretch else shared.prior_sd
    tie = model.given(*apart, tie=None, position=own.effects, prior_sd=spread).tie
    return replace(of_all, prior_sd=spread, tie=round(tie, DIGITS), of_judges=own)


def _own_effects(
    find: Callable[[list[Tally]], tuple[float, float]], batches: Sequence[Batch], of_source: Codes
) -> JudgeEffects | None:
    """Return the position effect of each judge; None if all share one."""
    found = np.array([find(list(tallies)) for tallies in zip(*batches, strict=True)])
    drawn = drawn_together(*found.T) if len(found) > 1 else None
    if drawn is None:
        return None
    effects, errors = (tuple(np.round(values, DIGITS).tolist()) for values in drawn)
    return JudgeEffects(effects, errors, of_source)
