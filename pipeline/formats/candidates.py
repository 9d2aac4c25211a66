"""Each prompt's candidates, counted from 0 in order of their ids."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .codes import Coded, Codes, narrowed

PART = 1 << 16
"""Votes that are processed together."""

PREFIX = 8
"""Bytes of an id that are compared first, as one number; where those of two candidates are equal, whole ids are."""


def local_codes(
    prompt: Codes, sizes: Codes, response: Coded, prompts: int
) -> tuple[Codes, pa.Array, NDArray[np.int64]]:
    """Count each prompt's candidates from 0 in order of id; return slots, ids, and where each prompt's ids begin.

    Args:
        prompt: (V,) the prompt of each vote.
        sizes: (V,) how many slots it has.
        response: (S,) what stands in each slot.
        prompts: The number of prompts.
    """
    codes, ids = response.codes, response.names
    owner = np.empty(len(ids), np.int32)
    alone = True
    for votes, slots in _parts(sizes):
        owner[codes[slots]] = np.repeat(prompt[votes], sizes[votes])
    for votes, slots in _parts(sizes):
        alone = alone and bool((owner.take(codes[slots]) == np.repeat(prompt[votes], sizes[votes])).all())
    if alone:
        candidate, text = codes, np.arange(len(ids))
    else:
        keys = pa.array(np.repeat(prompt, sizes) * np.int64(len(ids)) + codes).dictionary_encode()
        candidate, distinct = keys.indices.to_numpy(), keys.dictionary.to_numpy()
        owner, text = (distinct // len(ids)).astype(np.int32), distinct % len(ids)
    order = _by_id(owner, text, ids)
    starts = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=prompts))])
    local = np.empty(len(order), np.int32)
    local[order] = np.arange(len(order)) - starts[owner[order]]
    local = narrowed(local)
    items = np.empty(len(codes), local.dtype)
    for _, slots in _parts(sizes):
        items[slots] = local.take(candidate[slots])
    return items, ids.take(pa.array(text[order])), starts


def _parts(sizes: Codes) -> Iterator[tuple[slice, slice]]:
    """Yield votes and their slots in parts, to save memory."""
    end = 0
    for start in range(0, len(sizes), PART):
        votes = slice(start, start + PART)
        begin, end = end, end + int(sizes[votes].sum())
        yield votes, slice(begin, end)


def _by_id(owner: Codes, text: Codes, responses: pa.Array) -> NDArray[np.int64]:
    """Return the order of candidates by prompt, and by id within it."""
    prefix = _prefixes(responses)
    order = _by_place(owner, text, np.argsort(prefix))
    owners, prefixes = owner[order], prefix[text[order]]
    if ((owners[1:] == owners[:-1]) & (prefixes[1:] == prefixes[:-1])).any():
        order = _by_place(owner, text, pc.array_sort_indices(responses).to_numpy())
    return order


def _by_place(owner: Codes, text: Codes, ascending: Codes) -> NDArray[np.int64]:
    place = np.empty(len(ascending), np.int64)
    place[ascending] = np.arange(len(ascending))
    order: NDArray[np.int64] = np.argsort(owner * np.int64(len(ascending)) + place[text])
    return order


def _prefixes(texts: pa.Array) -> NDArray[np.uint64]:
    """Return the first bytes of texts as numbers in the same order, shorter ones filled up with zeros."""
    filled = pc.binary_slice(pc.ascii_rpad(texts, PREFIX, "\0").cast(pa.binary()), 0, PREFIX)
    return np.frombuffer(b"" if not len(filled) else filled.buffers()[2], ">u8", len(filled)).astype(np.uint64)
