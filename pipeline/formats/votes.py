"""Votes, made by prefpipe or elsewhere, as integer codes: ten million of them in half a gigabyte."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import UsageError, did_you_mean
from ..reading import display, read
from ..tables import VOTES, Status
from .codes import Codes, by_size, local_codes, occurrences, unified

_READ = ("prompt_id", "judge", "repeat", "shown", "status", "ranks", "scores", "criterion")
_KIND = replace(VOTES, schema=pa.schema([VOTES.schema.field(name) for name in _READ]))

LOOKAHEAD = 8
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
    by_criterion, criteria = unified([batch.criterion for batch in batches])
    _check_criterion(display(path), criteria.to_pylist(), criterion)
    prompt, prompt_ids = unified([batch.prompt for batch in batches])
    judge, judges = unified([batch.judge for batch in batches])
    response, responses = unified([batch.response for batch in batches])
    sizes = np.concatenate([batch.sizes for batch in batches])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    items, response_ids, candidates = local_codes(np.repeat(prompt, sizes), response, prompt_ids, responses)
    _check_distinct(items, sizes, offsets, response, responses, _Rows(display(path), 1))
    repeat = np.concatenate([batch.repeat for batch in batches])
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
        np.concatenate([batch.valid for batch in batches]),
        offsets,
        items,
        np.concatenate([batch.ranks for batch in batches]),
        np.concatenate([batch.ratings for batch in batches]),
    )
    return votes if len(criteria) < 2 else _some(votes, by_criterion == criteria.index(criterion or "").as_py())


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
    sizes = np.diff(votes.offsets)
    slots = np.repeat(kept, sizes)
    return replace(
        votes,
        prompt=votes.prompt[kept],
        judge=votes.judge[kept],
        repeat=votes.repeat[kept],
        valid=votes.valid[kept],
        offsets=np.concatenate([[0], np.cumsum(sizes[kept])]),
        items=votes.items[slots],
        ranks=votes.ranks[slots],
        ratings=votes.ratings[kept],
    )


def _batches(path: str | Path) -> Iterator[_Batch]:
    """Yield the rows of a file, checked; while some are checked, the next are read."""
    row = 1
    with ThreadPoolExecutor(1) as checker:
        waiting: deque[Future[_Batch]] = deque()
        for table in read(path, _KIND):
            waiting.append(checker.submit(_checked, table, _Rows(display(path), row)))
            row += table.num_rows
            if len(waiting) > LOOKAHEAD:
                yield waiting.popleft().result()
        for batch in waiting:
            yield batch.result()


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
    columns = {name: table[name].combine_chunks() for name in _READ}
    sizes = columns["shown"].value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    rows.refuse(sizes == 0, "'shown' is empty", "It lists the ids of the candidates that the judge saw.")
    response = columns["shown"].flatten()
    rows.refuse(_any(_flags(response.is_null()), sizes), "'shown' holds null", "It lists ids only.")
    known = pa.array([status.value for status in Status])
    status, ranks, scores = columns["status"], columns["ranks"], columns["scores"]
    strange = _flags(pc.and_(status.is_valid(), pc.invert(pc.is_in(status, known))))
    if strange.any():
        rows.refuse(strange, f"the status '{status[int(strange.argmax())]}' is unknown", f"Known: {', '.join(Status)}.")
    one_rating = (sizes == 1) & (_lengths(scores) == 1)
    says_something = pc.or_(ranks.is_valid(), pa.array(one_rating))
    valid = _flags(pc.fill_null(pc.equal(status, Status.OK.value), says_something))
    rated = valid & one_rating
    fits = _lengths(ranks) == sizes
    rows.refuse(
        valid & ~fits & ~(rated & _flags(ranks.is_null())),
        "'ranks' has not as many entries as 'shown'",
        "Give each candidate shown a rank: 1 for the best, equal for a tie, null for not ranked.",
    )
    places = np.zeros(len(response), np.int32)
    every = bool((valid & fits).all())
    slots = slice(None) if every else np.repeat(valid & fits, sizes)
    given = (ranks if every else ranks.filter(pa.array(valid & fits))).flatten()
    lowest = pc.min(given).as_py()
    if lowest is not None and lowest < 1:
        wrong = np.zeros(len(response), bool)
        wrong[slots] = _flags(pc.fill_null(pc.less(given, 1), False))
        rows.refuse(_any(wrong, sizes), "'ranks' holds a number below 1", "The best rank is 1.")
    places[slots] = given.fill_null(0).to_numpy()
    repeat = columns["repeat"].fill_null(-1).to_numpy()
    negative = (repeat < 0) & _flags(columns["repeat"].is_valid())
    rows.refuse(negative, "'repeat' is negative", "Repeats are counted from 0.")
    ratings = np.full(len(sizes), np.nan)
    ratings[rated] = scores.filter(pa.array(rated)).flatten().fill_null(np.nan).to_numpy(zero_copy_only=False)
    rows.refuse(np.isinf(ratings), "'scores' holds an infinite number", "A rating is a finite number.")
    return _Batch(
        columns["prompt_id"].dictionary_encode(),
        columns["judge"].dictionary_encode(),
        columns["criterion"].fill_null("").dictionary_encode(),
        response.dictionary_encode(),
        repeat.astype(np.int32),
        valid,
        sizes,
        places,
        ratings,
    )


def _flags(array: pa.Array) -> Flags:
    flags: Flags = array.to_numpy(zero_copy_only=False)
    return flags


def _lengths(lists: pa.Array) -> Codes:
    lengths: Codes = lists.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
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
