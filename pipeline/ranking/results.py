"""The rankings of all prompts, assembled from portions."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batch import FLAGS, Measured
from .codes import Codes
from .plan import Portion
from .ranking_agreement import distinct_winners
from .tally import Floats

MEASURES = (
    "kendall_w",
    "consistency",
    "p_value",
    "repeat_consistency",
    "judge_consistency",
    "mean_tau",
    "top_agreement",
    "top_bottom_agreement",
    "distinct_winners",
    "position_consistency",
    "first_slot_share",
    "cyclic_triads",
    "zeta",
    "nontransitivity",
    "margin",
)
COUNTS = ("repeats", "incomplete", "both_orders", "consistent", "conflicts", "decisive", "first_won")


class Results:
    """Arrays over P prompts and their C candidates, filled portion by portion.

    Attributes:
        places: (C,) the candidate in each place, best first, counted within its prompt.
        ranks: (C,) the rank of each place; 0 where the candidate there has no score.
        scores: (C,) the score of each place.
        standard_errors: (C,) likewise.
        win_probabilities: (C,) likewise; NaN if unknown.
        voted: (P,) whether there was a valid vote.
        scored: (P,) whether any candidate has a score.
        flags: (P, len(FLAGS)).
        counts: `COUNTS` by name, (P,) each.
        measures: `MEASURES` by name, (P,) each, NaN where undefined.
    """

    def __init__(self, offsets: Codes) -> None:
        """Make room for prompts whose candidates are at `offsets[p]:offsets[p + 1]`."""
        prompts, candidates = len(offsets) - 1, int(offsets[-1])
        self._offsets = offsets
        self.places = np.zeros(candidates, np.int32)
        self.ranks = np.zeros(candidates, np.int32)
        self.scores = np.full(candidates, np.nan)
        self.standard_errors = np.full(candidates, np.nan)
        self.win_probabilities = np.full(candidates, np.nan)
        self.voted = np.zeros(prompts, bool)
        self.scored = np.zeros(prompts, bool)
        self.flags = np.zeros((prompts, len(FLAGS)), bool)
        self.counts: dict[str, NDArray[np.int32]] = {name: np.zeros(prompts, np.int32) for name in COUNTS}
        self.measures = {name: np.full(prompts, np.nan) for name in MEASURES}

    def add(self, portion: Portion, measured: Measured, win_probabilities: Floats) -> None:
        """Enter the measurements of a portion, and the win probabilities of each place (P, n).

        Several threads may do so at once, as portions share no prompt.
        """
        cells = self._offsets[portion.prompts][:, None] + np.arange(portion.items)
        self.places[cells] = measured.order
        self.ranks[cells] = np.where(np.isnan(measured.scores), 0, measured.ranks)
        self.scores[cells] = measured.scores
        self.standard_errors[cells] = measured.standard_errors
        self.win_probabilities[cells] = win_probabilities
        self.voted[portion.prompts] = measured.voted
        self.scored[portion.prompts] = ~np.isnan(measured.scores[:, 0])
        self.flags[portion.prompts] = measured.flags
        positions, repeats, concordance = measured.positions, measured.repeats, measured.concordance
        filled: dict[str, NDArray[Any]] = {
            "repeats": repeats.present.sum(1),
            "incomplete": repeats.incomplete,
            "both_orders": positions.both_orders,
            "consistent": positions.consistent,
            "conflicts": positions.conflicts,
            "decisive": positions.decisive,
            "first_won": positions.first_won,
        }
        for name, counts in self.counts.items():
            counts[portion.prompts] = filled[name]
        known: dict[str, NDArray[Any]] = {
            "kendall_w": concordance.w,
            "consistency": concordance.consistency,
            "p_value": concordance.p_value,
            "repeat_consistency": measured.repeat_consistency,
            "judge_consistency": measured.judge_consistency,
            "mean_tau": measured.agreement.mean_tau,
            "top_agreement": measured.agreement.top,
            "top_bottom_agreement": measured.agreement.top_bottom,
            "distinct_winners": distinct_winners(repeats.rankings, repeats.present),
            "position_consistency": positions.consistency,
            "first_slot_share": positions.first_slot_share,
            "cyclic_triads": np.where(measured.voted, measured.transitivity.cyclic_triads, np.nan),
            "zeta": measured.transitivity.zeta,
            "nontransitivity": measured.transitivity.nontransitivity,
            "margin": np.where(measured.voted, measured.margin, np.nan),
        }
        for name, values in self.measures.items():
            values[portion.prompts] = known[name]

    def mean(self, measure: str) -> float | None:
        """Return the mean of a measure over the prompts for which it is defined; None if there are none."""
        values = self.measures[measure]
        defined = values[~np.isnan(values)]
        return math.fsum(defined) / len(defined) if len(defined) else None
