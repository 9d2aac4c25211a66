import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.ranking.codes import dense, position_in_group, spans


@given(st.lists(st.integers(0, 50), max_size=30), st.sampled_from([51, 10**12]))
def test_dense_codes_have_no_gaps_and_stand_for_their_keys(keys: list[int], bound: int) -> None:
    codes, values = dense(np.array(keys, np.int64), bound)
    assert values.tolist() == sorted(set(keys))
    assert values[codes].tolist() == keys


def test_position_in_group_counts_from_zero_in_each_group() -> None:
    assert position_in_group(np.array([3, 3, 3, 7, 9, 9])).tolist() == [0, 1, 2, 0, 0, 1]
    assert position_in_group(np.zeros(0, np.int64)).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 5)), max_size=10))
def test_spans_are_the_runs_one_after_another(runs: list[tuple[int, int]]) -> None:
    starts, lengths = (np.array([run[part] for run in runs], np.int64) for part in (0, 1))
    assert spans(starts, lengths).tolist() == [index for start, size in runs for index in range(start, start + size)]
