"""The ways to turn votes into scores, by name."""

from .batch import Scorer
from .borda import borda
from .bradley_terry import bradley_terry
from .comparisons import Ballots
from .pooled import Shared
from .tally import Floats, Tally

METHODS = ("bradley-terry", "borda")

POSITION_BLIND = frozenset({"borda"})
"""Methods that take a win in the first slot for as much as one in the second, and have no shared parameters."""


def scorer_of(method: str, shared: Shared) -> Scorer:
    """Return the scorer of one of `METHODS`, given the parameters that all prompts share."""

    def by_bradley_terry(_ballots: Ballots, tally: Tally) -> tuple[Floats, Floats]:
        fit = bradley_terry(
            tally,
            prior_sd=shared.prior_sd,
            position_effect=shared.position_effect,
            position_error=shared.position_error,
        )
        return fit.scores, fit.standard_errors

    def by_borda(ballots: Ballots, tally: Tally) -> tuple[Floats, Floats]:
        prompts, items, _ = tally.first_wins.shape
        count = borda(ballots, prompts, items)
        return count.scores, count.standard_errors

    return {"bradley-terry": by_bradley_terry, "borda": by_borda}[method]
