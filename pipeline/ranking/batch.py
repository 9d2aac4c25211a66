"""All results for one batch of prompts with the same number of candidates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .codes import Codes
from .comparisons import Ballots
from .connectivity import shortcomings
from .duels import facts_of, tally_of
from .judge_consistency import consistency_within_and_between_judges
from .kendall_w import Concordance, kendall_w
from .pairwise_consistency import PositionCounts
from .places import places
from .ranking_agreement import RankingAgreement, ranking_agreement
from .repeats import Repeats
from .tally import Floats, Tally
from .transitivity import Transitivity, transitivity

DIGITS = 9
"""Decimals of scores and their errors; further ones depend on the order in which votes were summed."""

FLAGS = ("no-valid-votes", "single-candidate", "disconnected", "all-tied", "separable")
"""The possible shortcomings of a ranking; `connectivity.shortcomings` explains the last three."""

Scorer = Callable[[Ballots, Tally], tuple[Floats, Floats]]
"""Turns comparisons into scores and their standard errors, both (P, n); higher is better, NaN is unknown."""


@dataclass(frozen=True)
class Measured:
    """The rankings of P prompts with n candidates each, and how far to trust them.

    Attributes:
        order: (P, n) the candidate in each place, best first.
        ranks: (P, n) the rank of each place, 1, 2, 2, 4.
        scores: (P, n) the score of the candidate in each place.
        standard_errors: (P, n) likewise; NaN if unknown.
        voted: (P,) whether there is any valid vote; without one, ranks and scores are meaningless.
        flags: (P, len(FLAGS)).
        repeats: The complete rankings behind the concordance.
        concordance: How far they agree.
        agreement: How far they agree in pairs.
        positions: What pairs judged in both orders say.
        transitivity: Whether the majorities form an order.
        repeat_consistency: (P,) how far rankings by the same judge agree; NaN if there are fewer than two.
        judge_consistency: (P,) how far rankings by different judges agree; NaN likewise.
    """

    order: NDArray[np.signedinteger]
    ranks: NDArray[np.signedinteger]
    scores: Floats
    standard_errors: Floats
    voted: NDArray[np.bool_]
    flags: NDArray[np.bool_]
    repeats: Repeats
    concordance: Concordance
    agreement: RankingAgreement
    positions: PositionCounts
    transitivity: Transitivity
    repeat_consistency: Floats
    judge_consistency: Floats

    @property
    def margin(self) -> Floats:
        """(P,): the lead of the best candidate over the worst; NaN if no score is known."""
        lead: Floats = self.scores[:, 0] - np.fmin.reduce(self.scores, axis=1)
        return lead


def measure(
    ballots: Ballots, prompts: int, items: int, scorer: Scorer, judge: Codes, scored: Ballots | None = None
) -> Measured:
    """Rank each prompt's candidates and say how far the votes agree.

    Scores and shortcomings are computed from the votes as they should count, consistency from the original votes.

    Args:
        ballots: The original valid votes.
        prompts: P.
        items: n.
        scorer: Turns comparisons into scores.
        judge: (S,) the judge of each source of votes.
        scored: The votes as they should count, weighted and with conflicts resolved; the original votes if left out.
    """
    facts = facts_of(ballots, prompts, items)
    counted = facts.tally if scored is None else tally_of(scored, prompts, items)
    scores, errors = scorer(ballots if scored is None else scored, counted)
    order, ranks = places(scores)
    repeats = facts.repeats
    voted = np.bincount(ballots.prompt, minlength=prompts) > 0
    flags = {"no-valid-votes": ~voted, "single-candidate": voted & (items == 1)}
    flags |= {name: voted & (items > 1) & short for name, short in shortcomings(counted).items()}
    concordance = kendall_w(repeats.rankings, repeats.present)
    within, between = concordance.consistency, np.full(prompts, np.nan)
    if len(judge) and judge.max() > 0:
        within, between = consistency_within_and_between_judges(
            repeats.rankings, repeats.present, judge[repeats.source]
        )
    return Measured(
        order=order,
        ranks=ranks,
        scores=_in_order(scores, order),
        standard_errors=_in_order(errors, order) if items > 1 else np.full(scores.shape, np.nan),
        voted=voted,
        flags=np.stack([flags[name] for name in FLAGS], axis=1),
        repeats=repeats,
        concordance=concordance,
        agreement=ranking_agreement(repeats.rankings, repeats.present),
        positions=facts.positions,
        transitivity=transitivity(facts.tally),
        repeat_consistency=within,
        judge_consistency=between,
    )


def _in_order(values: Floats, order: NDArray[np.signedinteger]) -> Floats:
    return np.round(np.take_along_axis(values, order, axis=1), DIGITS) + 0.0  # no minus zero
