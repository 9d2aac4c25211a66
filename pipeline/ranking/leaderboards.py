"""The methods of ranking models over all prompts, by name, each with its draws."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from .codes import Codes
from .condorcet import copeland
from .davidson import TieFit, davidson
from .eigenvector import eigenvector
from .elo_limit import elo_limit
from .global_bradley_terry import fit_leaderboards, refit
from .prompt_bootstrap import Draws
from .prompt_groups import Grouped
from .pseudo_votes import with_pseudo_votes
from .rao_kupper import rao_kupper
from .sandwich import clustered_covariance
from .spectral import luce_spectral, pagerank, rank_centrality
from .tally import Floats, Tally
from .win_rate import win_rate

SCORERS: dict[str, Callable[[Tally], Floats]] = {
    "copeland": lambda tally: copeland(tally).scores,
    "pagerank": lambda tally: pagerank(tally).scores,
    "rank-centrality": lambda tally: rank_centrality(tally).scores,
    "luce-spectral": lambda tally: luce_spectral(tally).scores,
    "eigenvector": lambda tally: eigenvector(tally).scores,
}
"""Methods that turn a tally into scores, and need nothing else."""

METHODS = ("bradley-terry", "robust", "davidson", "rao-kupper", "elo", "win-rate", "borda", *SCORERS)

IN_LOGITS = frozenset({"bradley-terry", "robust", "davidson", "rao-kupper", "elo", "rank-centrality", "luce-spectral"})
"""Methods whose scores are logits, of which only differences are meaningful."""

WITH_OTHERS_BEATEN = frozenset({"borda", "copeland"})
"""Methods whose scores are numbers of other models; those of the rest, except logits, are shares of one."""

WITH_POSITION = frozenset({"bradley-terry", "robust", "davidson", "rao-kupper"})
"""Methods that estimate how much the earlier slot is favoured; the others do not tell slots apart."""

RESOLUTION = {"copeland": 0.5}
"""The step size of the scores, if they are discrete."""

FLAT = 1e4
"""The standard deviation of a prior so wide that only the votes and the pseudo-votes matter."""


@dataclass(frozen=True)
class Estimate:
    """A method's estimate from all prompts, and from each draw.

    Attributes:
        scores: (n,) higher is better; those in logits have sum zero.
        drawn: (D, n) the scores from each draw.
        by_vote: (n, n) the covariance of the scores if votes were independent; NaN if the method has none.
        by_prompt: (n, n) the sandwich covariance, which allows votes on one prompt to be correlated; NaN likewise.
        position: The position effect in logits; NaN if the method has none.
        drawn_position: (D,) the position effect from each draw.
        tie: nu of a model with ties; NaN for other methods.
    """

    scores: Floats
    drawn: Floats
    by_vote: Floats
    by_prompt: Floats
    position: float
    drawn_position: Floats
    tie: float

    def against(self, anchor: int) -> Self:
        """Return the same estimate with one model's score as zero."""

        def contrast(covariance: Floats) -> Floats:
            row = covariance[anchor]
            moved: Floats = covariance - row - row[:, None] + row[anchor]
            return moved

        return replace(
            self,
            scores=self.scores - self.scores[anchor],
            drawn=self.drawn - self.drawn[:, anchor, None],
            by_vote=contrast(self.by_vote),
            by_prompt=contrast(self.by_prompt),
        )

    def scaled(self, unit: float, zero: float) -> Self:
        """Return the same estimate in another unit, with another zero."""
        return replace(
            self,
            scores=self.scores * unit + zero,
            drawn=self.drawn * unit + zero,
            by_vote=self.by_vote * unit**2,
            by_prompt=self.by_prompt * unit**2,
        )

    def reordered(self, order: Codes) -> Self:
        """Return the same estimate with the models in another order."""
        square = np.ix_(order, order)
        return replace(
            self,
            scores=self.scores[order],
            drawn=self.drawn[:, order],
            by_vote=self.by_vote[square],
            by_prompt=self.by_prompt[square],
        )


def estimate(method: str, grouped: Grouped, draws: Draws, *, position: float | None) -> Estimate:
    """Return the estimate by one of `METHODS`.

    Models are fitted to the votes and the pseudo-votes, as in each draw; the other methods use the votes alone.

    Args:
        method: One of `METHODS`; "robust" is "bradley-terry" on comparisons that `suspects` has cleared.
        grouped: The comparisons. For "borda" they must be weighted so that each ballot counts once for a model.
        draws: The same comparisons, counted and drawn.
        position: The position effect where it is known; None estimates it.
    """
    if method in {"bradley-terry", "robust"}:
        return _bradley_terry(grouped, draws, position)
    if method in WITH_POSITION:
        return _with_ties({"davidson": davidson, "rao-kupper": rao_kupper}[method], draws, position)
    if method in {"win-rate", "borda"}:
        unit = grouped.models - 1 if method == "borda" else 1
        rate = win_rate(draws.tally)
        drawn = draws.estimated(lambda tally: win_rate(tally).scores)
        return plain(rate.scores[0], drawn, np.diag(rate.standard_errors[0] ** 2)).scaled(unit, 0.0)

    def elo(tally: Tally) -> Floats:
        return elo_limit(tally, like=draws.tally)

    scorer = SCORERS.get(method, elo)
    return plain(scorer(draws.tally)[0], draws.estimated(scorer))


def plain(scores: Floats, drawn: Floats, covariance: Floats | None = None) -> Estimate:
    """Return the estimate of a method that has no position effect, and perhaps no covariance."""
    unknown = np.full((len(scores), len(scores)), np.nan)
    by_vote = unknown if covariance is None else covariance
    return Estimate(scores, drawn, by_vote, unknown, math.nan, np.full(len(drawn), np.nan), math.nan)


def _bradley_terry(grouped: Grouped, draws: Draws, position: float | None) -> Estimate:
    models = grouped.models
    fit = fit_leaderboards(with_pseudo_votes(draws.tally), position=position)
    by_prompt = clustered_covariance(fit, grouped, draws.tally, position_known=position is not None)

    drawn = draws.estimated(lambda tally: refit(tally, fit, position=position))
    return Estimate(
        fit.scores[0],
        drawn[:, :models],
        fit.covariance[0, :models, :models],
        by_prompt[:models, :models],
        float(fit.position[0]),
        drawn[:, -1],
        math.nan,
    )


def _with_ties(model: Callable[..., TieFit], draws: Draws, position: float | None) -> Estimate:
    def fitted(tally: Tally) -> TieFit:
        return model(tally, prior_sd=FLAT, position=position is None)

    def each(tally: Tally) -> Floats:
        parts = zip(tally.first_wins, tally.second_wins, tally.first_ties, strict=True)
        fits = [fitted(Tally(*(part[None] for part in one))) for one in parts]
        rows = [np.append(fit.scores[0], _known(fit.position)) for fit in fits]
        return np.reshape(rows, (len(fits), draws.tally.first_wins.shape[1] + 1))

    fit = fitted(with_pseudo_votes(draws.tally))
    models = len(fit.scores[0])
    drawn = draws.estimated(each)
    return Estimate(
        fit.scores[0],
        drawn[:, :models],
        fit.covariance[0],
        np.full((models, models), np.nan),
        _known(fit.position),
        drawn[:, -1],
        fit.tie,
    )


def _known(position: float | None) -> float:
    return math.nan if position is None else position
