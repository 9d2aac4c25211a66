import math

from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.concurrency import Window
from prefpipe.pipeline.llm.server_limits import ServerLimits


def test_without_room_a_call_has_to_come_back_first() -> None:
    server = ServerLimits(Window(2, 2))
    first = server.send()
    assert server.wait(0.0) == 0.0
    server.send()
    assert server.wait(0.0) == math.inf
    server.succeeded(first, 1.0)
    assert server.wait(1.0) == 0.0


def test_refusals_among_successes_are_no_reason_to_pause() -> None:
    server = ServerLimits(Window(1000, 1000))
    for number in range(600):
        stamp = server.send()
        if number % 2:
            server.refused(number / 10, stamp, 30.0)
        else:
            server.succeeded(stamp, 0.1)
        assert server.wait(number / 10) == 0.0


def test_a_server_that_refuses_all_is_left_alone_for_as_long_as_it_asks() -> None:
    server = ServerLimits(Window(100, 100))
    for stamp in [server.send() for _ in range(50)]:
        server.refused(1.0, stamp, 7.0)
    assert server.wait(1.0) == 7.0
    assert server.wait(7.5) == 0.5
    assert server.wait(8.0) == 0.0


def test_three_connections_that_do_not_come_about_are_enough() -> None:
    server = ServerLimits(Window(100, 100))
    for stamp in [server.send() for _ in range(3)]:
        assert server.wait(1.0) == 0.0
        server.unreachable(1.0, stamp)
    assert server.wait(1.0) > 0.0


def test_single_calls_try_a_server_that_stays_away_ever_less_often_until_it_is_back() -> None:
    server = ServerLimits(Window(100, 100))
    now, tries = 0.0, 0
    while now < 3600:
        stamp = server.send()
        tries += 1
        if tries > 10:
            assert server.room == 0
        server.unreachable(now, stamp)
        now += server.wait(now)
    assert tries < 100
    server.succeeded(server.send(), 1.0)
    assert server.troubled_since is None
    assert server.room > 1


def test_connections_that_do_not_come_about_do_not_stop_the_window_from_learning() -> None:
    window = Window(1000, 100)
    server = ServerLimits(window)
    stamps = [server.send() for _ in range(100)]
    for number, stamp in enumerate(stamps):
        if number % 4 == 0:
            server.unreachable(1.0, stamp)
        elif number % 4 == 1:
            server.refused(1.0, stamp, None)
        else:
            server.succeeded(stamp, 1.0)
    assert window.size < 100


@given(st.lists(st.tuples(st.sampled_from("ssssarfu"), st.floats(0.0, 30.0), st.integers(0, 99)), max_size=200))
def test_what_is_in_flight_is_known_and_something_always_ends_a_wait(events: list[tuple[str, float, int]]) -> None:
    server = ServerLimits(Window(20, 8))
    now = 0.0
    in_flight = []
    for event, seconds, number in events:
        if event == "s":
            if server.wait(now) == 0.0:
                in_flight.append(server.send())
        elif in_flight:
            stamp = in_flight.pop(number % len(in_flight))
            now += seconds
            if event == "a":
                server.succeeded(stamp, seconds)
            elif event == "r":
                server.refused(now, stamp, seconds if number % 2 else None)
            elif event == "f":
                server.failed(now, stamp, None)
            else:
                server.unreachable(now, stamp)
        assert server.in_flight == len(in_flight)
        assert in_flight or server.wait(now) < math.inf
