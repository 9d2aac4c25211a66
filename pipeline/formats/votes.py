"""Votes, made by prefpipe or elsewhere, as integer codes: ten million of them in half a gigabyte."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import UsageError, did_you_mean
from ..reading import display, is_parquet, read
from ..tables import VOTES, Status
from .candidates import local_codes
from .codes import Codes, by_size, occurrences, slots_of, unified
from .encoded import read_encoded

_READ = ("prompt_id", "judge", "repeat", "shown", "status", "ranks", "scores", "criterion")
_KIND = replace(VOTES, schema=pa.schema([VOTES.schema.field(name) for name in _READ]))

_ENCODED = ("prompt_id", "judge", "shown", "status")
"""Columns whose strings stay the codes that a Parquet file has for them."""

BATCH_ROWS = 1 << 16
"""Rows of a Parquet file that are checked as one, at least."""

LOOKAHEAD = 3
"""Batches that are read before the oldest is checked."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Votes:
    """V votes on P prompts with C candidates; the S slots of all votes lie one after another.

    Attributes:
        prompt_ids: (P,) in order of first appearance.
        judges: The judges' names.
        response_ids: (C,) the candidates of each prompt, in order of id; those of prompt p stand at
            `candidates[p]:candidates[p + 1]`.
        candidates: (P+1,).
        prompt: (V,) each vote's prompt.
        judge: (V,) its judge.
        repeat: (V,) the number of its repeat.
        valid: (V,) whether it says anything.
        offsets: (V+1,) the slots of vote v are `offsets[v]:offsets[v + 1]`.
        items: (S,) the candidate in each slot, counted within its prompt.
        ranks: (S,) 1 is best; 0 was not ranked, or the vote is not valid.
        ratings: (V,) the score that a valid vote on one single candidate gave; NaN elsewhere.
    """

    prompt_ids: pa.Array
    judges: list[str]
    response_ids: pa.Array
    candidates: Codes
    prompt: Codes
    judge: Codes
    repeat: Codes
    valid: Flags
    offsets: Codes
    items: Codes
    ranks: Codes
    ratings: NDArray[np.float64]

    @cached_property
    def sizes(self) -> Codes:
        """(V,) how many candidates each vote shows."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class _Batch:
    """Some rows, checked, their strings coded by dictionaries of their own."""

    prompt: pa.DictionaryArray
    judge: pa.DictionaryArray
    criterion: pa.DictionaryArray
    response: pa.DictionaryArray
    repeat: Codes
    valid: Flags
    sizes: Codes
    ranks: Codes
    ratings: NDArray[np.float64]


def read_votes(path: str | Path, criterion: str | None = None) -> Votes:
    """Read votes, deriving what a file made elsewhere leaves out.

    `prompt_id`, `judge`, `shown` and `ranks` are needed. A vote without status is "ok" if it has ranks
    (or a score, where it shows one candidate), else "invalid".
    A vote without repeat takes the number of earlier votes by the same judge on the same question: the same two
    candidates in the same order, or the same set of candidates where one or more than two are shown.

    Args:
        path: The file.
        criterion: Which votes to keep, where they are by several criteria; prompts without any such vote stay.

    Raises:
        UsageError: The file is no table of votes, a row contradicts itself, votes are by several criteria and none is
            named, or there is no vote by the one that is.
    """
    batches = list(_batches(path))
    by_criterion, criteria = _unified([batch.criterion for batch in batches])
    _check_criterion(display(path), criteria.to_pylist(), criterion)
    with ThreadPoolExecutor(1) as beside:
        shown = beside.submit(unified, [batch.response for batch in batches])
        prompt, prompt_ids = _unified([batch.prompt for batch in batches])
        judge, judges = _unified([batch.judge for batch in batches])
        sizes, valid, ranks, repeat = (
            np.concatenate([getattr(batch, name) for batch in batches])
            for name in ("sizes", "valid", "ranks", "repeat")
        )
        ratings = _ratings_of(batches)
        offsets = np.zeros(len(sizes) + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        response, responses = shown.result()
    del batches
    _check_distinct(response, sizes, offsets, response, responses, _Rows(display(path), 1))
    items, response_ids, candidates = local_codes(prompt, sizes, response, len(prompt_ids), responses)
    if (missing := repeat < 0).any():
        repeat[missing] = occurrences(
            [prompt[missing], judge[missing], by_criterion[missing]], np.flatnonzero(missing), sizes, offsets, items
        )
    votes = Votes(
        prompt_ids,
        judges.to_pylist(),
        response_ids,
        candidates,
        prompt,
        judge,
        repeat,
        valid,
        offsets,
        items,
        ranks,
        ratings,
    )
    return votes if len(criteria) < 2 else _some(votes, by_criterion == criteria.index(criterion or "").as_py())


def _unified(arrays: list[pa.DictionaryArray]) -> tuple[Codes, pa.Array]:
    """Return codes by one dictionary, as `unified` does; where there is one value in all, they take no memory."""
    names = arrays[0].dictionary
    if len(names) == 1 and all(array.dictionary.equals(names) for array in arrays):
        return np.broadcast_to(np.int32(0), sum(map(len, arrays))), names
    return unified(arrays)


def _ratings_of(batches: list[_Batch]) -> NDArray[np.float64]:
    """Return the ratings (V,); where there are none, they take no memory."""
    if any(batch.ratings.strides[0] for batch in batches):
        return np.concatenate([batch.ratings for batch in batches])
    return np.broadcast_to(np.nan, sum(len(batch.ratings) for batch in batches))


def _check_criterion(file: str, found: list[str], wanted: str | None) -> None:
    named = sorted(name for name in found if name)
    if wanted is None and len(found) > 1:
        without = ", and some by none" if "" in found else ""
        raise UsageError(
            f"{file} has votes by several criteria ({', '.join(named)}{without}), which are not one ranking.",
            f"Keep one of them: --criterion {named[0]}.",
        )
    if wanted is not None and wanted not in named:
        hint = did_you_mean(wanted, named) or "Its votes name no criterion: leave the option out."
        raise UsageError(f"{file} has no vote by the criterion '{wanted}'.", hint)


def _some(votes: Votes, kept: Flags) -> Votes:
    """Return some of the votes, on the same prompts and candidates."""
    slots, offsets = slots_of(kept, votes.offsets)
    return replace(
        votes,
        prompt=votes.prompt[kept],
        judge=votes.judge[kept],
        repeat=votes.repeat[kept],
        valid=votes.valid[kept],
        offsets=offsets,
        items=votes.items[slots],
        ranks=votes.ranks[slots],
        ratings=votes.ratings[kept],
    )


def _batches(path: str | Path) -> Iterator[_Batch]:
    """Yield the rows of a file, checked; while some are checked, the next are read."""
    row = 1
    with ThreadPoolExecutor(1) as checker:
        waiting: deque[Future[_Batch]] = deque()
        for table in _gathered(read_encoded(path, _KIND, _ENCODED)) if is_parquet(path) else read(path, _KIND):
            waiting.append(checker.submit(_checked, table, _Rows(display(path), row)))
            row += table.num_rows
            if len(waiting) > LOOKAHEAD:
                yield waiting.popleft().result()
        for batch in waiting:
            yield batch.result()


def _gathered(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield small tables put together."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(part.num_rows for part in held) >= BATCH_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


@dataclass(frozen=True)
class _Rows:
    """Which rows of which file are being looked at, to name one in a message."""

    file: str
    first: int

    def refuse(self, bad: Flags, problem: str, hint: str) -> None:
        """Raise an error for the first bad row, if there is one."""
        if bad.any():
            raise UsageError(f"{self.file}, row {self.first + int(bad.argmax()):,}: {problem}.", hint)


def _checked(table: pa.Table, rows: _Rows) -> _Batch:
    columns = {name: _whole(table[name]) for name in _READ}
    shown, ranks, scores = columns["shown"], columns["ranks"], columns["scores"]
    sizes = _lengths(shown)
    rows.refuse(sizes == 0, "'shown' is empty", "It lists the ids of the candidates that the judge saw.")
    response = shown.flatten()
    if response.null_count:
        rows.refuse(_any(_flags(response.is_null()), sizes), "'shown' holds null", "It lists ids only.")
    ranked = _lengths(ranks)
    one_rating = (sizes == 1) & (_lengths(scores) == 1)
    valid = _valid(columns["status"].dictionary_encode(), (ranked >= 0) | one_rating, rows)
    rated = valid & one_rating
    fits = ranked == sizes
    rows.refuse(
        valid & ~fits & ~(rated & (ranked < 0)),
        "'ranks' has not as many entries as 'shown'",
        "Give each candidate shown a rank: 1 for the best, equal for a tie, null for not ranked.",
    )
    ratings = np.broadcast_to(np.nan, len(sizes))
    if rated.any():
        ratings = ratings.copy()
        given = scores.filter(pa.array(rated)).flatten()
        ratings[rated] = given.fill_null(np.nan).to_numpy(zero_copy_only=False)
        rows.refuse(np.isinf(ratings), "'scores' holds an infinite number", "A rating is a finite number.")
    return _Batch(
        columns["prompt_id"].dictionary_encode(),
        columns["judge"].dictionary_encode(),
        _criteria(columns["criterion"]),
        response.dictionary_encode(),
        _repeats(columns["repeat"], rows),
        valid,
        sizes,
        _places(ranks, valid & fits, sizes, rows),
        ratings,
    )


def _valid(status: pa.DictionaryArray, says_something: Flags, rows: _Rows) -> Flags:
    """Return which votes can be used, by their status; where there is none, those that say something."""
    names = status.dictionary.to_pylist()
    kinds = np.array([name == Status.OK for name in names] + [False])
    known = np.array([name in set(Status) for name in names] + [True])
    code = status.indices.fill_null(len(names)).to_numpy()
    strange = ~known[code]
    if strange.any():
        rows.refuse(strange, f"the status '{status[int(strange.argmax())]}' is unknown", f"Known: {', '.join(Status)}.")
    return np.where(code == len(names), says_something, kinds[code]) if status.null_count else kinds[code]


def _places(ranks: pa.ListArray, used: Flags, sizes: Codes, rows: _Rows) -> Codes:
    """Return the rank of each slot (S,), 0 where there is none or the vote is not used."""
    every = bool(used.all())
    given = (ranks if every else ranks.filter(pa.array(used))).flatten()
    places = (given.fill_null(0) if given.null_count else given).to_numpy()
    wrong = _flags(pc.fill_null(pc.less(given, 1), False)) if given.null_count else places < 1
    slots = None if every else np.repeat(used, sizes)
    if wrong.any():
        rows.refuse(_any(_placed(wrong, slots), sizes), "'ranks' holds a number below 1", "The best rank is 1.")
    return _placed(places, slots)


def _placed(values: NDArray[Any], slots: Flags | None) -> NDArray[Any]:
    """Return values in the slots that have one, and 0 elsewhere."""
    if slots is None:
        return values
    placed = np.zeros(len(slots), values.dtype)
    placed[slots] = values
    return placed


def _criteria(criterion: pa.StringArray) -> pa.DictionaryArray:
    if criterion.null_count == len(criterion):
        return pa.DictionaryArray.from_arrays(np.zeros(len(criterion), np.int32), [""])
    return criterion.fill_null("").dictionary_encode()


def _repeats(repeat: pa.Array, rows: _Rows) -> Codes:
    """Return the repeats (V,), -1 where there is none."""
    given: Codes = repeat.fill_null(-1).to_numpy()
    negative = given < 0
    if negative.any():
        wrong = negative & _flags(repeat.is_valid())
        rows.refuse(wrong, "'repeat' is negative", "Repeats are counted from 0.")
    return given


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _flags(array: pa.Array) -> Flags:
    flags: Flags = array.to_numpy(zero_copy_only=False)
    return flags


def _lengths(lists: pa.Array) -> Codes:
    """Return how many entries each list has, -1 for null."""
    if lists.null_count == len(lists):
        return np.full(len(lists), -1, np.int32)
    lengths: Codes = np.diff(lists.offsets.to_numpy())
    if lists.null_count:
        lengths[_flags(lists.is_null())] = -1
    return lengths


def _any(slots: Flags, sizes: Codes) -> Flags:
    """Return which votes have such a slot; no vote is without slots."""
    if not slots.any():
        return np.zeros(len(sizes), bool)
    result: Flags = np.logical_or.reduceat(slots, np.cumsum(sizes) - sizes)
    return result


def _check_distinct(
    items: Codes, sizes: Codes, offsets: Codes, response: Codes, responses: pa.Array, rows: _Rows
) -> None:
    for votes, shown in by_size(np.arange(len(sizes)), sizes, offsets, items):
        ordered = shown if shown.shape[1] == 2 else np.sort(shown, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]).any(1)
        if not twice.any():
            continue
        vote = votes[int(twice.argmax())]
        codes = response[offsets[vote] : offsets[vote + 1]].tolist()
        name = responses[next(code for code in codes if codes.count(code) > 1)]
        rows.refuse(
            np.arange(len(sizes)) == vote, f"'shown' names the candidate '{name}' twice", "Show each candidate once."
        )
