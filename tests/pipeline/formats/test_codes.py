import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.formats.codes import Coded, condensed, ends_of, joined, narrowed, unified

names = st.lists(st.sampled_from("abcdef"), max_size=6)


@given(st.lists(names, min_size=1, max_size=5))
def test_parts_are_unified_in_order_of_first_appearance(parts: list[list[str]]) -> None:
    whole = unified([Coded.of(pa.array(part, pa.string()).dictionary_encode()) for part in parts])
    strings = [string for part in parts for string in part]
    assert whole.names.take(pa.array(whole.codes)).to_pylist() == strings
    assert whole.names.to_pylist() == list(dict.fromkeys(strings))


@pytest.mark.parametrize("used", ["", "c", "cc", "cacb", "ba"])
def test_what_is_unified_knows_no_names_that_none_bears(used: str) -> None:
    known = ["z", "c", "b", "a", "y"]
    codes = np.array([known.index(name) for name in used], np.int64)
    found = unified([Coded(codes, pa.array(known)), Coded(codes, pa.array(known))])
    assert found.names.take(pa.array(found.codes)).to_pylist() == [*used, *used]
    assert found.names.to_pylist() == list(dict.fromkeys(used))


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_narrowed_codes_are_the_same_codes(values: list[int]) -> None:
    codes = np.array(values, np.int64)
    narrow = narrowed(codes)
    assert narrow.tolist() == values
    assert all(np.iinfo(np.int8).min <= value <= np.iinfo(np.int8).max for value in values) == (narrow.itemsize == 1)


@given(st.lists(st.lists(st.sampled_from([1.0, 2.0]), max_size=3), min_size=1, max_size=4))
def test_values_may_be_condensed_and_joined_at_will(parts: list[list[float]]) -> None:
    values = [value for part in parts for value in part]
    found = joined([condensed(np.array(part)) for part in parts])
    assert found.tolist() == values
    assert condensed(np.array(values)).tolist() == values


def test_what_is_the_same_throughout_takes_no_memory() -> None:
    unknown = [np.broadcast_to(np.nan, 10**12), np.broadcast_to(np.nan, 10**12)]
    assert len(joined(unknown)) == 2 * 10**12
    assert condensed(np.full(3, 7)).strides == (0,)
    assert joined([condensed(np.full(2, 7)), condensed(np.full(2, 8))]).tolist() == [7, 7, 8, 8]


@given(st.lists(st.integers(1, 5), min_size=1))
def test_ends_are_sums_of_sizes(sizes: list[int]) -> None:
    ends = ends_of(condensed(np.array(sizes)))
    assert ends.tolist() == [sum(sizes[:count]) for count in range(len(sizes) + 1)]
