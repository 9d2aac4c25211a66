"""The methods of turning votes into scores, by name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .baldwin import baldwin
from .ballot_methods import Scored, by_elo, by_fusion, by_plackett_luce, by_skills
from .batch import DIGITS, Scorer
from .borda import borda
from .bradley_terry import bradley_terry, logistic
from .comparisons import Ballots
from .condorcet import copeland, minimax, schulze
from .davidson import davidson_given, davidson_stretch
from .eigenvector import eigenvector
from .firth import firth
from .fusion import borda_fusion, reciprocal_rank_fusion
from .judge_effects import tallies_of_judges
from .kemeny import kemeny
from .pooled import Shared
from .rao_kupper import rao_kupper_given, rao_kupper_stretch
from .shared_ties import TieModel, dropped, lost_by_first, won_by_first
from .sorting import greedy, kwiksort
from .spectral import luce_spectral, pagerank, rank_centrality
from .tally import Floats, Tally
from .weng_lin import trueskill, weng_lin
from .win_chances import chances_against_others, elo_link, rao_kupper_link, trueskill_link, weng_lin_link
from .win_rate import win_rate


@dataclass(frozen=True)
class Method:
    """One way to score candidates.

    Attributes:
        score: Turns the valid votes, their tally and the shared parameters into scores and standard errors.
        corrects_position: Whether it corrects for the position effect; other methods count a win in the first slot as
            much as one in the second.
        has_prior: Whether it needs the standard deviation of a prior on the scores.
        ties: The model that estimates how readily judges call a tie, if the method needs that.
        takes_weights: Whether judges can be weighted.
        fuses_rankings: Whether it reads whole rankings by judges and repeats, in which single votes cannot be weighted.
        link: Turns leads in score and the shared parameters into probabilities of winning a comparison that is not a
            tie; None if scores do not imply such probabilities.
    """

    score: Callable[[Ballots, Tally, Shared], Scored]
    corrects_position: bool = False
    has_prior: bool = False
    ties: TieModel | None = None
    takes_weights: bool = True
    fuses_rankings: bool = False
    link: Callable[[Floats, Shared], Floats] | None = None


def _bradley_terry(ballots: Ballots, tally: Tally, shared: Shared) -> Scored:
    tallies, effects, errors = _with_effects(ballots, tally, shared)
    fit = bradley_terry(*tallies, prior_sd=shared.prior_sd, position_effect=effects, position_error=errors)
    return fit.scores, fit.standard_errors


def _with_effects(
    ballots: Ballots, tally: Tally, shared: Shared
) -> tuple[list[Tally], Sequence[float], Sequence[float]]:
    """Return the comparisons, separate for judges with their own position effects, the effects and their errors."""
    own = shared.of_judges
    if own is None:
        return [tally], [shared.position_effect], [shared.position_error]
    return tallies_of_judges(ballots, own.of_source, len(own.effects), *_shape(tally)), own.effects, own.errors


def _borda(ballots: Ballots, tally: Tally, _: Shared) -> Scored:
    count = borda(ballots, *_shape(tally))
    return count.scores, count.standard_errors


def _davidson(ballots: Ballots, tally: Tally, shared: Shared) -> Scored:
    tallies, effects, _ = _with_effects(ballots, tally, shared)
    fit = davidson_given(*tallies, tie=shared.tie, position=effects, prior_sd=shared.prior_sd)
    return fit.scores, fit.standard_errors


def _rao_kupper(ballots: Ballots, tally: Tally, shared: Shared) -> Scored:
    tallies, effects, _ = _with_effects(ballots, tally, shared)
    fit = rao_kupper_given(*tallies, tie=shared.tie, position=effects, prior_sd=shared.prior_sd)
    return fit.scores, fit.standard_errors


def _firth(_: Ballots, tally: Tally, __: Shared) -> Scored:
    fit = firth(tally)
    return fit.scores, fit.standard_errors


def _win_rate(_: Ballots, tally: Tally, __: Shared) -> Scored:
    rate = win_rate(tally)
    return rate.scores, rate.standard_errors


def _plackett_luce(ballots: Ballots, tally: Tally, shared: Shared) -> Scored:
    return by_plackett_luce(ballots, *_shape(tally), shared.prior_sd)


def _elo(ballots: Ballots, tally: Tally, _: Shared) -> Scored:
    return by_elo(ballots, *_shape(tally))


def _weng_lin(ballots: Ballots, tally: Tally, _: Shared) -> Scored:
    return by_skills(weng_lin, ballots, *_shape(tally))


def _trueskill(ballots: Ballots, tally: Tally, _: Shared) -> Scored:
    return by_skills(trueskill, ballots, *_shape(tally))


def _reciprocal_rank(ballots: Ballots, tally: Tally, _: Shared) -> Scored:
    return by_fusion(reciprocal_rank_fusion, ballots, *_shape(tally))


def _borda_fusion(ballots: Ballots, tally: Tally, _: Shared) -> Scored:
    return by_fusion(borda_fusion, ballots, *_shape(tally))


def _without_errors(rule: Callable[[Tally], Any]) -> Callable[[Ballots, Tally, Shared], Scored]:
    """Return the scores of a rule without standard errors.

    A candidate that was never compared, while others were, has no score: such rules would put it anywhere, some of them
    first.
    """

    def score(_: Ballots, tally: Tally, __: Shared) -> Scored:
        met = tally.points.sum(2) + tally.points.sum(1) > 0
        return np.where(met | ~met.any(1, keepdims=True), rule(tally).scores, np.nan), None

    return score


def _logits(lead: Floats, _: Shared) -> Floats:
    return logistic(lead)


METHODS = {
    "bradley-terry": Method(_bradley_terry, corrects_position=True, has_prior=True, link=_logits),
    "borda": Method(_borda),
    "davidson": Method(
        _davidson,
        corrects_position=True,
        has_prior=True,
        ties=TieModel(davidson_given, (dropped,), davidson_stretch),
        link=_logits,
    ),
    "rao-kupper": Method(
        _rao_kupper,
        corrects_position=True,
        has_prior=True,
        ties=TieModel(rao_kupper_given, (lost_by_first, won_by_first), rao_kupper_stretch),
        link=lambda lead, shared: rao_kupper_link(lead, shared.tie),
    ),
    "firth": Method(_firth, link=_logits),
    "plackett-luce": Method(_plackett_luce, has_prior=True, link=_logits),
    "win-rate": Method(_win_rate),
    "copeland": Method(_without_errors(copeland)),
    "minimax": Method(_without_errors(minimax)),
    "schulze": Method(_without_errors(schulze)),
    "kemeny": Method(_without_errors(kemeny)),
    "baldwin": Method(_without_errors(baldwin)),
    "pagerank": Method(_without_errors(pagerank)),
    "rank-centrality": Method(_without_errors(rank_centrality), link=_logits),
    "luce-spectral": Method(_without_errors(luce_spectral), link=_logits),
    "eigenvector": Method(_without_errors(eigenvector)),
    "greedy": Method(_without_errors(greedy)),
    "kwiksort": Method(_without_errors(kwiksort)),
    "elo": Method(_elo, link=lambda lead, _: elo_link(lead)),
    "weng-lin": Method(_weng_lin, takes_weights=False, link=lambda lead, _: weng_lin_link(lead)),
    "trueskill": Method(_trueskill, takes_weights=False, link=lambda lead, _: trueskill_link(lead)),
    "reciprocal-rank": Method(_reciprocal_rank, fuses_rankings=True),
    "borda-fusion": Method(_borda_fusion, fuses_rankings=True),
}


def scorer_of(method: str, shared: Shared) -> Scorer:
    """Return the scorer of one of `METHODS`, given the parameters that all prompts share."""

    def scored(ballots: Ballots, tally: Tally) -> tuple[Floats, Floats]:
        scores, errors = METHODS[method].score(ballots, tally, shared)
        if errors is None:
            return scores, np.full(scores.shape, np.nan)
        return scores, np.where(errors < math.inf, errors, np.nan)

    return scored


def chances_of(method: str, shared: Shared) -> Callable[[Floats], Floats]:
    """Return the function from scores (P, n) to chances of beating another candidate (P, n); NaN if a method has none.

    The chances are those of `win_chances.chances_against_others`.
    """
    link = METHODS[method].link

    def chances(scores: Floats) -> Floats:
        if link is None:
            return np.full(scores.shape, np.nan)
        return np.round(chances_against_others(scores, lambda lead: link(lead, shared)), DIGITS)

    return chances


def _shape(tally: Tally) -> tuple[int, int]:
    prompts, items, _ = tally.first_wins.shape
    return prompts, items
