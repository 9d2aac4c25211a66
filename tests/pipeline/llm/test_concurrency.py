import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.concurrency import START, Window


def play(window: Window, refused_of: int = 0, seconds: float = 1.0) -> None:
    """Send one full window; a share of it is refused, one of so many, and the rest is answered."""
    window.full = True
    stamps = [window.stamp() for _ in range(window.size)]
    for number, stamp in enumerate(stamps):
        if refused_of and number % refused_of == 0:
            window.refused(stamp)
        else:
            window.answered(stamp, seconds)


@given(
    st.integers(1, 200),
    st.integers(1, 300),
    st.lists(st.tuples(st.sampled_from("saaaarfpo"), st.floats(0.0, 1e4), st.integers(0, 400)), max_size=300),
)
def test_whatever_happens_at_least_one_and_at_most_the_allowed_may_be_in_flight(
    most: int, start: int, events: list[tuple[str, float, int]]
) -> None:
    window = Window(most, start)
    stamps = [0]
    for event, seconds, number in events:
        stamp = stamps[number % len(stamps)]  # of an older round, too, and even twice
        if event == "s":
            stamps += [window.stamp() for _ in range(1 + number % 40)]
        elif event == "a":
            window.answered(stamp, seconds)
        elif event == "r":
            window.refused(stamp)
        elif event == "f":
            window.failed(stamp)
        elif event == "p":
            window.pause(number)
        else:
            window.full = True
        assert 1 <= window.size <= most


def test_it_grows_quickly_to_what_is_allowed_while_all_is_well() -> None:
    window = Window(1000)
    for _ in range(6):
        play(window)
    assert window.size == 1000


def test_it_does_not_grow_where_it_is_never_full() -> None:
    window = Window(1000)
    for _ in range(20):
        for stamp in [window.stamp() for _ in range(window.size)]:
            window.answered(stamp, 1.0)
    assert window.size == START


@pytest.mark.parametrize("refused", [10, 50, 90])
def test_the_refusals_of_one_moment_cut_it_once(refused: int) -> None:
    window = Window(1000, 100)
    stamps = [window.stamp() for _ in range(200)]
    for stamp in stamps[:refused]:
        window.refused(stamp)
    for stamp in stamps[refused:]:
        window.answered(stamp, 1.0)
    assert window.size == 80


def test_it_settles_just_below_where_refusals_begin() -> None:
    window = Window(1000)
    sizes = []
    for _ in range(300):
        window.full = True
        stamps = [window.stamp() for _ in range(window.size)]
        sizes.append(window.size)
        for stamp in stamps[100:]:  # refusals come back first
            window.refused(stamp)
        for stamp in stamps[:100]:
            window.answered(stamp, 1.0)
    later = sizes[50:]
    assert sum(min(size, 100) for size in later) >= 0.9 * 100 * len(later)
    assert sum(max(size - 100, 0) for size in later) <= 0.02 * sum(later)


def test_refusals_at_random_do_not_make_it_collapse() -> None:
    window = Window(1000, 500)
    sizes = []
    for _ in range(100):
        play(window, refused_of=5)
        sizes.append(window.size)
    assert min(sizes) >= 300
    assert sizes.count(max(sizes)) > len(sizes) / 2


def test_failures_put_growth_off() -> None:
    window = Window(1000)
    for _ in range(5):
        window.full = True
        stamps = [window.stamp() for _ in range(window.size)]
        for number, stamp in enumerate(stamps):
            if number % 10 == 0:
                window.failed(stamp)
            else:
                window.answered(stamp, 1.0)
    assert window.size == START
    play(window)
    assert window.size > START


def test_it_goes_back_from_where_more_calls_only_wait() -> None:
    window = Window(1000)
    sizes = []
    for _ in range(200):
        play(window, seconds=max(1.0, window.size / 40))  # 40 slots
        sizes.append(window.size)
    assert min(sizes[5:]) >= 40
    assert sum(sizes[10:]) / len(sizes[10:]) <= 4 * 40


def test_a_pause_leaves_what_the_server_took() -> None:
    window = Window(1000, 100)
    window.pause(70)
    assert window.size == 70
    window.pause(3)
    assert window.size == 35  # by a half at most, at once
