"""How votes count in scores: how conflicts are resolved, and the weight of each vote."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .codes import Codes
from .comparisons import Ballots
from .conflicts import by_likelihood, by_perplexity, in_conflict, resolved
from .soft_votes import by_probability, by_strength
from .tally import Floats

VOTE_WEIGHTS = ("none", "strength", "probability")

NEEDED = {"strength": "strength", "probability": "scores", "likelihood": "scores", "perplexity": "perplexity"}
"""The column of the votes table that each option needs."""


@dataclass(frozen=True)
class Counting:
    """How V votes count.

    Attributes:
        source: (V,) one code for each combination of judge and repeat, which gives one ranking of a prompt.
        judge: The judge of each code.
        weight: The weight of each code; None for 1 each.
        conflicts: One of `CONFLICTS`.
        vote_weight: One of `VOTE_WEIGHTS`.
        evidence: The columns that these options need, by name: (V,), or (V, 2) if the column has an entry for each
            slot. NaN if unknown.
    """

    source: Codes
    judge: Codes
    weight: Floats | None
    conflicts: str
    vote_weight: str
    evidence: Mapping[str, Floats]

    def scored(
        self, ballots: Ballots, rows: Codes, prompts: int, items: int, conflicts: str | None = None
    ) -> Ballots | None:
        """Return votes as they should count; None if that changes nothing.

        Votes whose conflict has been resolved count in full, as slight preferences.

        Args:
            ballots: The original votes.
            rows: The index of each among the V votes; -1 for a ranking that is not a single vote.
            prompts: P.
            items: n.
            conflicts: How conflicts count here, instead of `self.conflicts`.
        """
        conflicts = conflicts or self.conflicts
        if conflicts == "both" and self.weight is None and self.vote_weight == "none":
            return None
        scored = ballots if self.weight is None else replace(ballots, weight=self.weight[ballots.source])
        if conflicts == "likelihood":
            scored = by_likelihood(scored, prompts, items, *self._known(conflicts, rows).T)
        elif conflicts == "perplexity":
            scored = by_perplexity(scored, prompts, items, self._known(conflicts, rows))
        else:
            scored = resolved(scored, prompts, items, conflicts)
        if self.vote_weight == "none":
            return scored
        known = self._known(self.vote_weight, rows)
        if conflicts != "both":
            known[in_conflict(ballots, prompts, items)] = np.nan
        return by_strength(scored, known) if self.vote_weight == "strength" else by_probability(scored, *known.T)

    def _known(self, option: str, rows: Codes) -> Floats:
        known = self.evidence[option][rows]
        known[rows < 0] = np.nan
        return known
