"""What votes on two candidates say besides who won: strength, probabilities and perplexity."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..reading import display
from .vote_batches import Flags
from .votes import Votes

Floats = NDArray[np.float64]

STRENGTHS = (1, 2)
"""Slightly better, clearly better."""

_FROM_LOGPROBS = "Judge with `prefpipe judge --logprobs`, or leave the option that needs it out."
_ELSEWHERE = (
    "It comes with votes made elsewhere, by a judge who says how much better an answer is; leave the option that needs "
    "it out."
)
_ROUNDING = 1e-6


def evidence_of(votes: Votes, column: str, path: str | Path) -> Floats:
    """Return what one more column of a votes table says of votes on two candidates.

    Args:
        votes: The votes, read with this column.
        column: "strength" or "perplexity", which give (V,), or "scores", which gives (V, 2): the probability of either
            slot to be the better one.
        path: The file, for messages.

    Returns:
        The values of the column; NaN if missing, and for votes that do not show two candidates.

    Raises:
        UsageError: No vote on two candidates has the column, or one has an impossible value.
    """
    found = votes.evidence[column].copy()
    found[~(votes.valid & (votes.sizes == 2))] = np.nan
    known = ~np.isnan(found).any(-1) if column == "scores" else ~np.isnan(found)
    found[~known] = np.nan
    if not known.any():
        raise UsageError(
            f"No vote on two candidates in {display(path)} has '{column}'.",
            _ELSEWHERE if column == "strength" else _FROM_LOGPROBS,
        )
    if column == "strength":
        _refuse(path, column, known & ~np.isin(found, STRENGTHS), "It is 1 for slightly better, 2 for clearly better.")
    elif column == "perplexity":
        _refuse(path, column, known & ~((found > 0) & (found < np.inf)), "It is a positive number.")
    else:
        wrong = known & ((found < 0).any(1) | (found.sum(1) > 1 + _ROUNDING))
        _refuse(path, column, wrong, "There, they are the probability of either slot, at most 1 together.")
    return found


def _refuse(path: str | Path, column: str, wrong: Flags, hint: str) -> None:
    if wrong.any():
        count = int(wrong.sum())
        votes = "vote" if count == 1 else "votes"
        raise UsageError(f"{display(path)}: '{column}' of {count:,} {votes} on two candidates is no such thing.", hint)
