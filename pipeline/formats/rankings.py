"""Rankings as a table, from arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..tables import RANKINGS

Column = NDArray[Any]


@dataclass(frozen=True)
class Rankings:
    """P rankings of C candidates; those of prompt p stand at `offsets[p]:offsets[p + 1]`.

    The arrays may still be filled while rows that are complete are taken out as a table.

    Attributes:
        prompt_ids: (P,).
        method: What made the scores.
        offsets: (P+1,).
        response_ids: (C,) as they are counted in `places`.
        models: (C,) likewise; None if they are not known.
        places: (C,) the candidate in each place, best first, counted within its prompt.
        ranked: (P,) whether there are ranks and scores.
        ranks: (C,) of each place; 0 is null.
        scores: (C,) likewise; NaN is null.
        standard_errors: (C,) likewise; NaN is null.
        win_probabilities: (C,) likewise; NaN is null.
        flag_names: The names of the flags.
        flags: (P, number of flags).
        measures: The other columns by name, (P,) each; NaN is null.
    """

    prompt_ids: pa.Array
    method: str
    offsets: Column
    response_ids: pa.Array
    models: pa.Array | None
    places: Column
    ranked: NDArray[np.bool_]
    ranks: Column
    scores: Column
    standard_errors: Column
    win_probabilities: Column
    flag_names: tuple[str, ...]
    flags: NDArray[np.bool_]
    measures: Mapping[str, Column]

    def table(self, rows: slice) -> pa.Table:
        """Return some of the rows as a table."""
        offsets = self.offsets[rows.start : rows.stop + 1]
        inner = slice(int(offsets[0]), int(offsets[-1]))
        ends = pa.array((offsets - offsets[0]).astype(np.int32))
        in_place = pa.array(np.repeat(offsets[:-1], np.diff(offsets)) + self.places[inner])
        unranked = pa.array(~self.ranked[rows])

        def lists(values: pa.Array, null: pa.Array | None = unranked) -> pa.Array:
            return pa.ListArray.from_arrays(ends, values, mask=null)

        columns = {
            "prompt_id": self.prompt_ids[rows],
            "response_ids": lists(self.response_ids.take(in_place), None),
            "method": pa.repeat(self.method, rows.stop - rows.start),
            "flags": self._flags(rows),
            "models": None if self.models is None else lists(self.models.take(in_place), None),
            "ranks": lists(pa.array(self.ranks[inner], mask=self.ranks[inner] == 0)),
            "scores": lists(_nullable(self.scores[inner])),
            "standard_errors": lists(_nullable(self.standard_errors[inner])),
            "win_probabilities": lists(_nullable(self.win_probabilities[inner])),
        } | {name: _nullable(values[rows]) for name, values in self.measures.items()}
        return pa.table(
            [
                pa.nulls(rows.stop - rows.start, field.type)
                if columns[field.name] is None
                else columns[field.name].cast(field.type)
                for field in RANKINGS.schema
            ],
            schema=RANKINGS.schema,
        )

    def _flags(self, rows: slice) -> pa.Array:
        flags = self.flags[rows]
        flag = np.nonzero(flags)[1]
        ends = np.concatenate([[0], np.cumsum(flags.sum(1))]).astype(np.int32)
        names = pa.array(self.flag_names, pa.string()).take(pa.array(flag))
        return pa.ListArray.from_arrays(pa.array(ends), names)


def _nullable(values: Column) -> pa.Array:
    return pa.array(values, mask=np.isnan(values)) if values.dtype.kind == "f" else pa.array(values)
