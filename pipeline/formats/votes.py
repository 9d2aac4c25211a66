"""Votes, made by prefpipe or elsewhere, as integer codes: ten million of them in half a gigabyte."""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..reading import display
from .candidates import local_codes
from .codes import Codes, ends_of, joined, occurrences, slots_of, unified
from .vote_batches import Flags, check_criterion, vote_batches


@dataclass(frozen=True)
class Votes:
    """V votes on P prompts with C candidates; the S slots of all votes lie one after another.

    Numbers are as narrow as they can be, so they may overflow unless they are widened before they are multiplied; what
    is the same for all votes takes no memory.

    Attributes:
        prompt_ids: (P,) in order of first appearance.
        judges: The judges' names.
        response_ids: (C,) the candidates of each prompt, in order of id; those of prompt p stand at
            `candidates[p]:candidates[p + 1]`.
        candidates: (P+1,).
        prompt: (V,) each vote's prompt.
        judge: (V,) its judge.
        repeat: (V,) the number of its repeat.
        valid: (V,) whether it is usable.
        sizes: (V,) how many candidates it shows.
        offsets: (V+1,) the slots of vote v are `offsets[v]:offsets[v + 1]`.
        items: (S,) the candidate in each slot, counted within its prompt.
        ranks: (S,) 1 is best; 0 was not ranked, or the vote is not valid.
        ratings: (V,) the score that a valid vote on one single candidate gave; NaN elsewhere.
        evidence: Further columns by name, (V,) each, or (V, 2) for lists of two; NaN where there is no value.
    """

    prompt_ids: pa.Array
    judges: list[str]
    response_ids: pa.Array
    candidates: Codes
    prompt: Codes
    judge: Codes
    repeat: Codes
    valid: Flags
    sizes: Codes
    offsets: Codes
    items: Codes
    ranks: Codes
    ratings: NDArray[np.float64]
    evidence: Mapping[str, NDArray[np.float64]]


def read_votes(path: str | Path, criterion: str | None = None, evidence: Collection[str] = ()) -> Votes:
    """Read votes, deriving what a file made elsewhere leaves out.

    `prompt_id`, `judge`, `shown` and `ranks` are needed. A vote without status is "ok" if it has ranks
    (or a score, where it shows one candidate), else "invalid".
    A vote without repeat takes the number of earlier votes by the same judge on the same question: the same two
    candidates in the same order, or the same set of candidates where one or more than two are shown.

    Args:
        path: The file.
        criterion: The criterion whose votes to keep, if there are several; prompts without any such vote stay.
        evidence: Further columns to read: "strength", "scores", "perplexity".

    Raises:
        UsageError: The file is not a table of votes, a row contradicts itself, votes are by several criteria and none
            is named, or there is no vote by the named one.
    """
    batches = list(vote_batches(path, evidence))
    criteria = unified([batch.criterion for batch in batches])
    check_criterion(display(path), criteria.names.to_pylist(), criterion)
    with ThreadPoolExecutor(1) as beside:
        shown = beside.submit(unified, [batch.response for batch in batches])
        prompt = unified([batch.prompt for batch in batches])
        judge = unified([batch.judge for batch in batches])
        sizes, valid, ranks, repeat, ratings = (
            joined([getattr(batch, name) for batch in batches])
            for name in ("sizes", "valid", "ranks", "repeat", "ratings")
        )
        response = shown.result()
        further = {name: np.concatenate([batch.evidence[name] for batch in batches]) for name in evidence}
    del batches, shown
    items, response_ids, candidates = local_codes(prompt.codes, sizes, response, len(prompt.names))
    offsets = ends_of(sizes)
    if (missing := repeat < 0).any():
        about = [codes[missing] for codes in (prompt.codes, judge.codes, criteria.codes)]
        repeat = repeat.astype(np.int32)
        repeat[missing] = occurrences(about, np.flatnonzero(missing), sizes, offsets, items)
    votes = Votes(
        prompt.names,
        judge.names.to_pylist(),
        response_ids,
        candidates,
        prompt.codes,
        judge.codes,
        repeat,
        valid,
        sizes,
        offsets,
        items,
        ranks,
        ratings,
        further,
    )
    if len(criteria.names) < 2:
        return votes
    return some(votes, criteria.codes == criteria.names.index(criterion or "").as_py())


def some(votes: Votes, kept: Flags) -> Votes:
    """Return some of the votes, on the same prompts and candidates."""
    slots, offsets = slots_of(kept, votes.offsets)
    return replace(
        votes,
        prompt=votes.prompt[kept],
        judge=votes.judge[kept],
        repeat=votes.repeat[kept],
        valid=votes.valid[kept],
        sizes=votes.sizes[kept],
        offsets=offsets,
        items=votes.items[slots],
        ranks=votes.ranks[slots],
        ratings=votes.ratings[kept],
        evidence={name: values[kept] for name, values in votes.evidence.items()},
    )
