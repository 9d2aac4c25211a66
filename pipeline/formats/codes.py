"""Integer codes in place of strings: what makes ten million rows fit into memory and count in seconds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Codes = NDArray[np.signedinteger[Any]]


def narrowed(codes: Codes) -> Codes:
    """Return a copy of codes as the narrowest signed integers that hold them."""
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    kinds = (np.int8, np.int16, np.int32, np.int64)
    return codes.astype(next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max))


def condensed(values: NDArray[Any]) -> NDArray[Any]:
    """Return values (N,) that take no memory, and cannot be written to, where all are the same."""
    return np.broadcast_to(values[:1], len(values)) if len(values) and (values == values[0]).all() else values


def joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return arrays one after another; where all have been condensed to the same value, so is the result."""
    if all(part.strides == (0,) for part in parts) and len({part[:1].tobytes() for part in parts}) == 1:
        return np.broadcast_to(parts[0][:1], sum(map(len, parts)))
    return np.concatenate(parts)


@dataclass(frozen=True)
class Coded:
    """Strings as codes.

    Attributes:
        codes: (N,), condensed where all strings are the same.
        names: What each code stands for, as an array of strings.
    """

    codes: Codes
    names: pa.Array

    @classmethod
    def of(cls, strings: pa.DictionaryArray) -> Self:
        """Return the codes of an array without nulls."""
        return cls(condensed(narrowed(strings.indices.to_numpy())), strings.dictionary)


def unified(parts: Sequence[Coded]) -> Coded:
    """Return all parts, one after another, coded in order of first appearance; unused names are left out."""
    names = pa.concat_arrays([part.names for part in parts]).dictionary_encode()
    meanings = np.split(names.indices.to_numpy(), np.cumsum([len(part.names) for part in parts])[:-1])
    if len(names.dictionary) == 1:
        return Coded(np.broadcast_to(np.int32(0), sum(len(part.codes) for part in parts)), names.dictionary)
    codes = np.empty(sum(len(part.codes) for part in parts), np.int32)
    end, highest, in_order = 0, -1, True
    for part, meaning in zip(parts, meanings, strict=True):
        start, end = end, end + len(part.codes)
        codes[start:end] = meaning.take(part.codes)
        reached = np.maximum.accumulate(np.concatenate([[highest], codes[start:end]]))
        in_order = in_order and bool((np.diff(reached) <= 1).all())
        highest = int(reached[-1])
    if in_order and highest == len(names.dictionary) - 1:
        return Coded(codes, names.dictionary)
    borne = pa.array(codes).dictionary_encode()
    return Coded(borne.indices.to_numpy(), names.dictionary.take(borne.dictionary))


def by_size(votes: Codes, sizes: Codes, offsets: Codes, items: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Yield, for each number k of candidates, the indices of the votes that show k, and their items (V, k)."""
    kinds = np.flatnonzero(np.bincount(sizes[votes]))
    if len(votes) == len(sizes) and len(kinds) == 1:
        yield votes, items.reshape(-1, kinds[0])
        return
    for size in kinds:
        chosen = np.flatnonzero(sizes[votes] == size)
        yield chosen, items[offsets[votes[chosen]][:, None] + np.arange(size)]


def occurrences(about: list[Codes], votes: Codes, sizes: Codes, offsets: Codes, items: Codes) -> Codes:
    """Return how many earlier votes answer the same question as each one."""
    asked = about[0].astype(np.int64)
    for part in about[1:]:
        asked = _paired(asked, part)
    repeat = np.empty(len(votes), np.int32)
    for chosen, shown in by_size(votes, sizes, offsets, items):
        question = asked[chosen]
        for column in (shown if shown.shape[1] == 2 else np.sort(shown, axis=1)).T:
            question = _paired(question, column)
        order = np.argsort(question, kind="stable")
        new = np.concatenate([[True], np.diff(question[order]) > 0])
        repeat[chosen[order]] = np.arange(len(order)) - np.flatnonzero(new)[np.cumsum(new) - 1]
    return repeat


def _paired(codes: Codes, others: Codes) -> Codes:
    """Return one code for each different pair of codes."""
    pairs = pa.array(codes * (np.int64(others.max(initial=0)) + 1) + others).dictionary_encode()
    result: Codes = pairs.indices.to_numpy().astype(np.int64)
    return result


def slots_of(kept: NDArray[np.bool_], offsets: Codes) -> tuple[NDArray[np.bool_], Codes]:
    """Return which slots (S,) belong to the votes (V,) that are kept, and where the slots of those then begin."""
    sizes = np.diff(offsets)
    return np.repeat(kept, sizes), np.concatenate([[0], np.cumsum(sizes[kept])])


def ends_of(sizes: Codes) -> Codes:
    """Return where (V+1,) the slots of votes that have so many begin, and where the last ones end."""
    total = int(sizes.sum())
    kind = np.int32 if total <= np.iinfo(np.int32).max else np.int64
    if sizes.strides == (0,):
        return np.arange(0, total + 1, int(sizes[0]), dtype=kind)
    offsets: Codes = np.zeros(len(sizes) + 1, kind)
    np.cumsum(sizes, out=offsets[1:])
    return offsets
