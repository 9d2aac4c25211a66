from collections import Counter
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from prefpipe.pipeline.judging.questions import ranks_of, shuffled


@given(st.integers(0, 30), st.integers(0, 9))
def test_a_shuffle_is_a_permutation_that_depends_on_nothing_but_its_stream(count: int, seed: int) -> None:
    order = shuffled(count, seed, "prompt")
    assert sorted(order) == list(range(count))
    assert order == shuffled(count, seed, "prompt")


def test_shuffles_stay_as_they_are_so_that_paid_answers_serve_again() -> None:
    assert shuffled(6, 0, "prompt", 0, "labels") == (3, 2, 5, 0, 4, 1)


def test_every_part_of_the_stream_counts() -> None:
    assert len({shuffled(9, *stream) for stream in ((0, "a"), (1, "a"), (0, "b"), (0, "a", 0))}) == 4


def test_all_orders_are_equally_likely() -> None:
    counts = Counter(shuffled(3, seed) for seed in range(6000))
    assert counts.keys() == set(permutations(range(3)))
    assert all(880 < count < 1120 for count in counts.values())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_equal_places_share_the_better_rank(places: list[int]) -> None:
    assert list(ranks_of(places)) == rankdata(places, method="min").tolist()
