"""What votes on two candidates say besides who won: strength, probabilities and perplexity."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import UsageError
from ..reading import display, read
from ..tables import VOTES
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


def read_evidence(path: str | Path, votes: Votes, column: str, criterion: str | None = None) -> Floats:
    """Read one more column of a votes table, for votes that were read from it.

    Args:
        path: The file.
        votes: What `read_votes` found there.
        column: "strength" or "perplexity", which give (V,), or "scores", which gives (V, 2): the probability of either
            slot to be the better one.
        criterion: The criterion by which votes were kept.

    Returns:
        The values of the column; NaN if missing, and for votes that do not show two candidates.

    Raises:
        UsageError: No vote on two candidates has the column, or one has an impossible value.
    """
    found = np.concatenate(list(_read(path, column, criterion)))
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


def _read(path: str | Path, column: str, criterion: str | None) -> Iterator[Floats]:
    """Yield numbers, or the two entries of lists; NaN for null and for lists of another length."""
    kind = pa.list_(pa.float64()) if column == "scores" else pa.float64()
    fields = [pa.field("prompt_id", pa.string()), pa.field("criterion", pa.string()), pa.field(column, kind)]
    for table in read(path, replace(VOTES, schema=pa.schema(fields), needed=("prompt_id",))):
        values = table[column].combine_chunks()
        if column == "scores":
            numbers = np.full((len(values), 2), np.nan)
            two = pc.fill_null(pc.equal(values.value_lengths(), 2), False)
            entries = values.filter(two).flatten().fill_null(np.nan)
            numbers[two.to_numpy(zero_copy_only=False)] = entries.to_numpy().reshape(-1, 2)
        else:
            numbers = values.fill_null(np.nan).to_numpy()
        if criterion is not None:
            kept = pc.fill_null(pc.equal(table["criterion"].combine_chunks(), criterion), False)
            numbers = numbers[kept.to_numpy(zero_copy_only=False)]
        yield numbers
