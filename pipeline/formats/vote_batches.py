"""Rows of votes, made by prefpipe or elsewhere, read and checked some tens of thousands at a time."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import UsageError, did_you_mean
from ..reading import display, is_parquet, read
from ..tables import VOTES, Status
from .codes import Coded, Codes, by_size, condensed, narrowed
from .encoded import read_encoded

_READ = ("prompt_id", "judge", "repeat", "shown", "status", "ranks", "scores", "criterion")

_ENCODED = ("prompt_id", "judge", "shown", "status")
"""Columns whose strings stay the codes that a Parquet file has for them."""

BATCH_ROWS = 1 << 16
"""Rows of a Parquet file that are checked as one, at least."""

LOOKAHEAD = 3
"""Batches that are read before the oldest is checked."""

HIGHEST_RATING = 1e100
"""Beyond it the variance of ratings overflows."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class VoteBatch:
    """V rows with S slots, checked, their strings coded by dictionaries of their own.

    Attributes:
        prompt: (V,).
        judge: (V,).
        criterion: (V,); "" where there is none.
        response: (S,) what stands in each slot.
        repeat: (V,); -1 where there is none.
        valid: (V,) whether it is usable.
        sizes: (V,) how many slots it has.
        ranks: (S,) 1 is best; 0 was not ranked, or the vote is not valid.
        ratings: (V,) the score that a valid vote on one single candidate gave; NaN elsewhere.
        evidence: Further columns by name, (V,) each, or (V, 2) for lists of two; NaN where there is no value.
    """

    prompt: Coded
    judge: Coded
    criterion: Coded
    response: Coded
    repeat: Codes
    valid: Flags
    sizes: Codes
    ranks: Codes
    ratings: NDArray[np.float64]
    evidence: Mapping[str, NDArray[np.float64]]


def vote_batches(path: str | Path, evidence: Collection[str] = ()) -> Iterator[VoteBatch]:
    """Yield the rows of a file, with further columns of numbers as evidence, checked while the next rows are read."""
    fields = [VOTES.schema.field(name) for name in _READ]
    fields += [pa.field(name, pa.float64()) for name in evidence if name not in _READ]
    kind = replace(VOTES, schema=pa.schema(fields))
    row = 1
    with ThreadPoolExecutor(1) as checker:
        waiting: deque[Future[VoteBatch]] = deque()
        for table in _gathered(read_encoded(path, kind, _ENCODED)) if is_parquet(path) else read(path, kind):
            waiting.append(checker.submit(_checked, table, _Rows(display(path), row), evidence))
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
    """Which rows of which file are being checked, to name one in a message."""

    file: str
    first: int

    def refuse(self, bad: Flags, problem: str, hint: str | None) -> None:
        """Raise an error for the first bad row, if there is one."""
        if bad.any():
            raise UsageError(f"{self.file}, row {self.first + int(bad.argmax()):,}: {problem}.", hint)


def _checked(table: pa.Table, rows: _Rows, evidence: Collection[str]) -> VoteBatch:
    columns = {name: _whole(table[name]) for name in table.column_names}
    ranks, scores = columns["ranks"], columns["scores"]
    sizes = _lengths(columns["shown"])
    rows.refuse(sizes == 0, "'shown' is empty", "It lists the ids of the candidates that the judge saw.")
    response = columns["shown"].flatten()
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
        rows.refuse(
            np.abs(ratings) > HIGHEST_RATING,
            f"'scores' holds a number beyond {HIGHEST_RATING:g}",
            "Give ratings on a scale of a judge, such as 1 to 10.",
        )
    shown = response.dictionary_encode()
    _check_distinct(shown, sizes, rows)
    return VoteBatch(
        Coded.of(columns["prompt_id"].dictionary_encode()),
        Coded.of(columns["judge"].dictionary_encode()),
        _criteria(columns["criterion"]),
        Coded.of(shown),
        condensed(narrowed(_repeats(columns["repeat"], rows))),
        valid,
        condensed(sizes),
        narrowed(_places(ranks, valid & fits, sizes, rows)),
        ratings,
        {name: _numbers(columns[name]) for name in evidence},
    )


def _valid(status: pa.DictionaryArray, says_something: Flags, rows: _Rows) -> Flags:
    """Return which votes can be used, by their status; without a status, those that have ranks or a rating."""
    names = status.dictionary.to_pylist()
    kinds = np.array([name == Status.OK for name in names] + [False])
    known = np.array([name in set(Status) for name in names] + [True])
    code = status.indices.fill_null(len(names)).to_numpy()
    strange = ~known[code]
    if strange.any():
        name = status[int(strange.argmax())].as_py()
        rows.refuse(strange, f"the status '{name}' is unknown", did_you_mean(name, Status))
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


def _numbers(values: pa.Array) -> NDArray[np.float64]:
    """Return numbers, or the two entries of lists; NaN for null and for lists of another length."""
    if not pa.types.is_list(values.type):
        return np.asarray(values.fill_null(np.nan))
    numbers = np.full((len(values), 2), np.nan)
    two = pc.fill_null(pc.equal(values.value_lengths(), 2), False)
    entries = values.filter(two).flatten().fill_null(np.nan)
    numbers[_flags(two)] = entries.to_numpy().reshape(-1, 2)
    return numbers


def _criteria(criterion: pa.StringArray) -> Coded:
    if criterion.null_count == len(criterion):
        return Coded(np.broadcast_to(np.int8(0), len(criterion)), pa.array([""]))
    return Coded.of(criterion.fill_null("").dictionary_encode())


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


def _check_distinct(shown: pa.DictionaryArray, sizes: Codes, rows: _Rows) -> None:
    codes, offsets = shown.indices.to_numpy(), np.concatenate([[0], np.cumsum(sizes)])
    for votes, items in by_size(np.arange(len(sizes)), sizes, offsets, codes):
        ordered = (items if items.shape[1] == 2 else np.sort(items, axis=1)).T
        twice = np.logical_or.reduce(ordered[1:] == ordered[:-1])
        if not twice.any():
            continue
        vote = votes[int(twice.argmax())]
        seen = codes[offsets[vote] : offsets[vote + 1]].tolist()
        name = shown.dictionary[next(code for code in seen if seen.count(code) > 1)]
        rows.refuse(
            np.arange(len(sizes)) == vote, f"'shown' names the candidate '{name}' twice", "Show each candidate once."
        )


def check_criterion(file: str, found: list[str], wanted: str | None) -> None:
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
