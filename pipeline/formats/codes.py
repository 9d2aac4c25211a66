"""Integer codes in place of strings: what makes ten million rows fit into memory and count in seconds."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.signedinteger[Any]]


def unified(arrays: Sequence[pa.DictionaryArray]) -> tuple[Codes, pa.Array]:
    """Return the codes of all batches by one dictionary, in order of first appearance, and the dictionary."""
    chunks = pa.chunked_array(arrays).unify_dictionaries().chunks
    return np.concatenate([chunk.indices.to_numpy() for chunk in chunks]), chunks[0].dictionary


def local_codes(
    prompt: Codes, response: Codes, prompt_ids: pa.Array, responses: pa.Array
) -> tuple[Codes, pa.Array, Codes]:
    """Count each prompt's candidates from 0 in order of id; return slots, ids, and where each prompt's ids begin."""
    owner = np.empty(len(responses), np.int32)
    owner[response] = prompt
    if (owner[response] == prompt).all():
        candidate, text = response, np.arange(len(responses))
    else:
        keys = pa.array(prompt * np.int64(len(responses)) + response).dictionary_encode()
        candidate, distinct = keys.indices.to_numpy(), keys.dictionary.to_numpy()
        owner, text = distinct // len(responses), distinct % len(responses)
    place = np.empty(len(responses), np.int64)
    place[pc.array_sort_indices(responses).to_numpy()] = np.arange(len(responses))
    order = np.argsort(owner * np.int64(len(responses)) + place[text])
    starts = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(prompt_ids)))])
    local = np.empty(len(order), np.int32)
    local[order] = np.arange(len(order)) - starts[owner[order]]
    return local[candidate], responses.take(pa.array(text[order])), starts


def by_size(votes: Codes, sizes: Codes, offsets: Codes, items: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Yield, for each number k of candidates, where among the votes those stand that show k, and their items (V, k)."""
    kinds = np.flatnonzero(np.bincount(sizes[votes]))
    if len(votes) == len(sizes) and len(kinds) == 1:
        yield votes, items.reshape(-1, kinds[0])
        return
    for size in kinds:
        chosen = np.flatnonzero(sizes[votes] == size)
        yield chosen, items[offsets[votes[chosen]][:, None] + np.arange(size)]


def occurrences(about: list[Codes], votes: Codes, sizes: Codes, offsets: Codes, items: Codes) -> Codes:
    """Return how many of the votes before each one ask the same."""
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
