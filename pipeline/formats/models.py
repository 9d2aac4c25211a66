"""Which model wrote each candidate, looked up by id."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UsageError
from ..reading import display, is_parquet, open_parquet, read
from ..tables import RESPONSES
from .responses import read_candidates
from .votes import Votes

_NAMES = ("prompt_id", "response_id", "model")
_KIND = replace(RESPONSES, schema=pa.schema([RESPONSES.schema.field(name) for name in _NAMES]), needed=_NAMES)


def models_of(responses: str | Path, votes: Votes) -> pa.Array:
    """Return the model of each candidate (C,), from a responses table.

    Candidates are found by response id. Where a file made elsewhere gives the same id to responses of different
    prompts, such as A and B, they are found by prompt id and response id.

    Raises:
        UsageError: The file is no table of responses, or a candidate is not in it.
    """
    known = pa.concat_tables(_rows(responses)).combine_chunks()
    names, wanted = known["response_id"], votes.response_ids
    if len(names.unique()) < known.group_by(["response_id", "model"]).aggregate([]).num_rows:
        prompts = np.repeat(np.arange(len(votes.prompt_ids)), np.diff(votes.candidates))
        names = pc.binary_join_element_wise(known["prompt_id"], names, "\n")
        wanted = pc.binary_join_element_wise(votes.prompt_ids.take(pa.array(prompts)), wanted, "\n")
    places = pc.index_in(wanted, value_set=names.combine_chunks())
    if places.null_count:
        index = pc.index(places.is_null(), True).as_py()
        prompt = votes.prompt_ids[int(np.searchsorted(votes.candidates, index, side="right")) - 1]
        raise UsageError(
            f"{display(responses)} does not hold the candidate {votes.response_ids[index]} of prompt {prompt}.",
            "Give the responses that were judged.",
        )
    return known["model"].combine_chunks().take(places)


def _rows(path: str | Path) -> Iterator[pa.Table]:
    """Yield ids and models; in a file made elsewhere, ids may have to be derived from its texts."""
    if is_parquet(path) and set(_NAMES) <= set(open_parquet(path).schema_arrow.names):
        yield from read(path, _KIND)
        return
    for group in read_candidates(path):
        yield pa.Table.from_pylist(group, schema=_KIND.schema)
