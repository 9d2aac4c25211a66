from datetime import UTC, datetime, time, timedelta
from typing import Any

import pyarrow as pa
import pytest

from prefpipe.pipeline.formats.plain_values import plain_rows

TIME = datetime(2009, 2, 13, 23, 31, 30, 123456)  # noqa: DTZ001 - without a zone, as in the table
NANOSECONDS = 1234567890123456789


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        (NANOSECONDS, pa.timestamp("ns"), TIME),
        (NANOSECONDS, pa.timestamp("ns", "UTC"), TIME.replace(tzinfo=UTC)),
        (NANOSECONDS, pa.timestamp("ns", "Mars/Base"), TIME.replace(tzinfo=UTC)),
        (1001, pa.time64("ns"), time(microsecond=1)),
        (1001, pa.duration("ns"), timedelta(microseconds=1)),
        ([NANOSECONDS], pa.list_(pa.timestamp("ns")), [TIME]),
        ([NANOSECONDS], pa.large_list(pa.timestamp("ns")), [TIME]),
        ([NANOSECONDS], pa.list_(pa.timestamp("ns"), 1), [TIME]),
        ({"at": NANOSECONDS}, pa.struct([("at", pa.timestamp("ns"))]), {"at": TIME}),
        ([("at", NANOSECONDS)], pa.map_(pa.string(), pa.timestamp("ns")), [("at", TIME)]),
        (-(10**12), pa.timestamp("s"), "-29719-04-05 22:13:20"),
        ([10**14], pa.list_(pa.timestamp("s")), "(list<item: timestamp[s]>)"),
        ("text", pa.string(), "text"),
        (7, pa.int8(), 7),
    ],
)
def test_every_value_of_arrow_is_a_value_of_python(given: Any, kind: pa.DataType, value: Any) -> None:
    batch = pa.record_batch({"n": pa.array([1, 2]), "value": pa.array([given, None], kind)})
    assert plain_rows(batch) == [{"n": 1, "value": value}, {"n": 2, "value": None}]


def test_no_rows_are_none() -> None:
    assert plain_rows(pa.record_batch({"a": pa.array([], pa.timestamp("ns"))})) == []
