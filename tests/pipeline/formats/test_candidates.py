from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.formats import candidates
from prefpipe.pipeline.formats.candidates import local_codes
from prefpipe.pipeline.formats.codes import Coded

names = st.text("aé\0", max_size=10)


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(names, min_size=1, max_size=3)), min_size=1, max_size=8))
def test_candidates_of_a_prompt_are_counted_in_the_order_of_their_bytes(rows: list[tuple[int, list[str]]]) -> None:
    prompts = sorted({prompt for prompt, _ in rows})
    ids = list(dict.fromkeys(name for _, shown in rows for name in shown))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "PART", 2)
        items, found, starts = local_codes(
            np.array([prompts.index(prompt) for prompt, _ in rows], np.int32),
            np.array([len(shown) for _, shown in rows], np.int32),
            Coded(np.array([ids.index(name) for _, shown in rows for name in shown], np.int32), pa.array(ids)),
            len(prompts),
        )
    expected = [
        sorted({name for p, shown in rows if p == prompt for name in shown}, key=str.encode) for prompt in prompts
    ]
    assert [found[start:end].to_pylist() for start, end in pairwise(starts)] == expected
    slots = [(prompts.index(prompt), name) for prompt, shown in rows for name in shown]
    assert [expected[prompt][item] for (prompt, _), item in zip(slots, items, strict=True)] == [
        name for _, name in slots
    ]
