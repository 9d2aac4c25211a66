import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.llm.per_minute import PerMinute
from prefpipe.pipeline.llm.rate_headers import Declared

SLACK = 1e-6


def send_when_allowed(limit: PerMinute, now: float, units: float) -> float:
    """Wait as often as it takes; return when the call was sent."""
    for _ in range(100):
        if not (wait := limit.wait(now, units)):
            return now
        now += wait
    raise AssertionError("It waits for ever.")


@given(
    st.floats(1.0, 1000.0),
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 30.0), st.booleans()), min_size=1, max_size=80),
)
def test_no_minute_holds_more_than_the_limit(most: float, calls: list[tuple[float, float, bool]]) -> None:
    limit = PerMinute(most)
    now, sent = 0.0, list[tuple[float, float]]()
    for share, gap, is_corrected in calls:
        units = share * most
        now = send_when_allowed(limit, now, units)
        charge = limit.charge(now, units)
        assert charge
        sent.append((now, units))
        since = sum(units for at, units in sent if at > now - 60)
        assert since <= most + SLACK
        if is_corrected:
            limit.correct(charge, units / 2)
            sent[-1] = now, units / 2
        if gap > 25:  # most calls wait to be sent
            now += gap


@settings(max_examples=30)
@given(st.floats(60.0, 1e6), st.lists(st.floats(0.005, 0.02), min_size=1, max_size=20))
def test_who_always_waits_uses_the_limit(most: float, shares: list[float]) -> None:
    limit = PerMinute(most)
    now, used = 0.0, 0.0
    for share in itertools.cycle(shares):
        units = share * most
        now = send_when_allowed(limit, now, units)
        if now >= 300:
            break
        limit.charge(now, units)
        used += units if now >= 60 else 0.0
    assert used >= 0.95 * most * 4


@pytest.mark.parametrize("most", [0.1, 1.0, 500.0])
def test_a_call_larger_than_the_limit_goes_when_nothing_else_was_sent(most: float) -> None:
    limit = PerMinute(most)
    assert limit.wait(5.0, 3 * most) == 0.0
    limit.charge(5.0, 3 * most)
    assert limit.wait(5.0, 3 * most) > 60


def test_an_estimate_that_proves_too_high_gives_its_room_back() -> None:
    limit = PerMinute(1000)
    charge = limit.charge(0.0, 1000.0)
    assert charge
    assert limit.wait(1.0, 100.0) > 50
    limit.correct(charge, 10.0)
    assert limit.wait(1.0, 100.0) == 0.0


def test_a_correction_after_its_minute_does_not_touch_the_present_one() -> None:
    limit = PerMinute(1000)
    charge = limit.charge(0.0, 1000.0)
    assert charge
    now = send_when_allowed(limit, 61.5, 990.0)
    limit.charge(now, 990.0)
    limit.correct(charge, 0.0)
    assert limit.wait(now + 0.5, 990.0) > 55


def test_the_users_limit_stays_below_what_the_server_declares() -> None:
    generous = PerMinute(60)
    generous.declare(0.0, 0.0, Declared(6000, 6000, 0.0, a_minute=True))
    generous.charge(0.0, 1.0)
    assert generous.wait(0.0, 1.0) == pytest.approx(1 / 0.98 - 0.1)
    narrow = PerMinute(6000)
    narrow.declare(0.0, 0.0, Declared(60, a_minute=True))
    narrow.charge(0.0, 1.0)
    assert narrow.wait(0.0, 1.0) == pytest.approx(1 / 0.98 - 0.1)


def test_without_any_limit_nothing_waits() -> None:
    limit = PerMinute(None)
    assert not limit.bounded
    assert limit.charge(0.0, 1e9) is None
    assert limit.wait(0.0, 1e9) == 0.0


@given(st.integers(0, 50), st.floats(0.1, 5000.0))
def test_no_more_is_sent_than_the_server_says_is_left(left: int, reset: float) -> None:
    limit = PerMinute(None)
    limit.declare(10.0, 0.0, Declared(50, left, reset))
    for _ in range(left):
        assert limit.wait(10.0, 1.0) == 0.0
        limit.charge(10.0, 1.0)
    assert limit.wait(10.0, 1.0) == pytest.approx(reset)


def test_after_the_reset_no_more_is_sent_than_the_limit_until_the_server_tells_more() -> None:
    limit = PerMinute(None)
    limit.declare(0.0, 0.0, Declared(20, 0, 30.0))
    sent_at = []
    now = 0.0
    for _ in range(41):
        now = send_when_allowed(limit, now, 1.0)
        limit.charge(now, 1.0)
        sent_at.append(now)
    assert sent_at == pytest.approx([30.0] * 20 + [60.0] * 20 + [90.0])


def test_what_comes_back_little_by_little_is_used_as_it_comes() -> None:
    limit = PerMinute(None)
    limit.declare(0.0, 0.0, Declared(100, 0, 3600.0, continuous=True))
    assert limit.wait(0.0, 1.0) == pytest.approx(36)
    assert limit.wait(0.0, 10.0) == pytest.approx(360)
    limit.charge(36.0, 1.0)
    assert limit.wait(36.0, 1.0) == pytest.approx(36)


def test_what_was_sent_after_the_call_that_tells_is_not_left_any_more() -> None:
    limit = PerMinute(None)
    limit.charge(0.0, 1.0)
    used_then = limit.used
    for _ in range(9):
        limit.charge(1.0, 1.0)
    limit.declare(0.0, used_then, Declared(20, 10, 60.0))
    assert limit.wait(5.0, 1.0) == 0.0
    limit.charge(5.0, 1.0)
    assert limit.wait(5.0, 1.0) == pytest.approx(55)


@pytest.mark.parametrize("left", [0, 20])
def test_a_reset_that_is_over_holds_nothing_back(left: int) -> None:
    limit = PerMinute(None)
    limit.declare(10.0, 0.0, Declared(20, left, 0.0))
    for _ in range(50):
        assert limit.wait(10.0, 1.0) == 0.0
        limit.charge(10.0, 1.0)
