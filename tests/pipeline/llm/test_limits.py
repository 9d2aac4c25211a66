import math

import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.failures import ThrottledError, UnreachableError
from prefpipe.pipeline.llm.limits import MOST_IN_FLIGHT, Limits
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.sender import Headers

MODEL = Model("m", "m", "http://a/v1", "KEY")
TWO = Model("m", "m", "http://a/v1", "KEY", other_urls=("http://b/v1",))


def left(requests: int) -> Headers:
    """Return the headers of a server that gives all back at once, after 50 seconds."""
    values = {"limit": 10**6, "remaining": requests, "reset": 50}
    return [(f"x-ratelimit-{field}-requests".encode(), b"%d" % value) for field, value in values.items()]


def test_no_calls_at_all_is_no_way_to_ask() -> None:
    with pytest.raises(UsageError, match="0 calls in flight"):
        Limits(MODEL, 0)


def test_what_prefpipe_toml_says_of_a_model_goes_before_the_option() -> None:
    assert Limits(Model("m", "m", "http://a/v1", "KEY", concurrency=3), 9).most_in_flight == 3
    assert Limits(MODEL, 9).most_in_flight == 9
    assert 1 <= Limits(MODEL).most_in_flight <= MOST_IN_FLIGHT


def test_the_calls_in_flight_are_shared_evenly_by_servers() -> None:
    limits = Limits(TWO, 9)
    tickets = []
    while limits.wait(0.0) == 0.0:
        tickets.append(limits.send(0.0))
    assert limits.wait(0.0) == math.inf
    assert sorted(ticket.base_url for ticket in tickets) == ["http://a/v1"] * 5 + ["http://b/v1"] * 4


@pytest.mark.parametrize("dead", [0, 1])
def test_a_server_that_was_away_is_tried_though_another_has_room(dead: int) -> None:
    limits = Limits(TWO, 50)
    now = 0.0
    tried, healthy = 0, []
    while now < 60:
        while limits.wait(now) == 0.0:
            ticket = limits.send(now)
            if ticket.server == dead:
                tried += 1
                limits.failed(now, ticket, UnreachableError("no way"))
            else:
                healthy.append(ticket)
        assert limits.in_flight == len(healthy) <= 50
        now += 0.5
        for ticket in healthy[:25]:
            limits.succeeded(now, ticket)
        del healthy[:25]
    assert 5 <= tried <= 20


@pytest.mark.parametrize("is_refused", [False, True])
def test_an_answer_that_comes_late_does_not_overrule_a_newer_one(is_refused: bool) -> None:
    limits = Limits(MODEL, 100)
    early = limits.send(0.0)
    late = limits.send(10.0)
    limits.succeeded(11.0, late, headers=left(500))
    if is_refused:
        error = ThrottledError("too many")
        error.headers = left(0)
        limits.failed(20.0, early, error)
    else:
        limits.succeeded(20.0, early, headers=left(0))
    assert limits.wait(20.0) == 0.0


def test_a_refusal_tells_at_once_what_is_left() -> None:
    limits = Limits(MODEL, 100)
    limits.succeeded(1.0, limits.send(0.0), headers=left(500))
    error = ThrottledError("too many")
    error.headers = left(0)
    limits.failed(1.0, limits.send(1.0), error)
    assert limits.wait(1.0) == pytest.approx(50.0)


def test_what_is_sent_beside_a_call_that_tells_counts_as_used() -> None:
    limits = Limits(MODEL, 100)
    tickets = [limits.send(0.0) for _ in range(30)]
    limits.succeeded(1.0, tickets[0], headers=left(35))
    sent = 0
    while limits.wait(1.0 + sent) == 0.0:
        limits.send(1.0 + sent)
        sent += 1
    assert sent == 35 - 29


def test_estimates_that_are_wrong_by_a_factor_are_put_right() -> None:
    limits = Limits(Model("m", "m", "http://a/v1", "KEY", tokens_per_minute=10_000), 100)
    now, sent = 0.0, 0
    while now < 300:
        if wait := limits.wait(now, 1000.0):
            now += wait
        else:
            limits.succeeded(now, limits.send(now, 1000.0), 100)
            sent += now >= 60
    assert sent == pytest.approx(100 * 4 * 0.98, rel=0.03)


def test_a_refused_call_uses_no_tokens() -> None:
    limits = Limits(Model("m", "m", "http://a/v1", "KEY", tokens_per_minute=1000), 100)
    ticket = limits.send(0.0, 1000.0)
    assert limits.wait(0.1, 1000.0) > 50
    limits.failed(0.1, ticket, ThrottledError("too many"))
    assert limits.wait(0.1, 1000.0) == 0.0


def test_trouble_is_over_with_one_success_at_any_server() -> None:
    limits = Limits(TWO, 50)
    for now in (1.0, 1.0, 2.0):
        assert limits.wait(now) == 0.0
        limits.failed(now, limits.send(now), ThrottledError("too many"))
    first, second = limits.send(3.0), limits.send(3.0)
    limits.succeeded(4.0, first)
    limits.failed(4.0, second, ThrottledError("too many"))
    assert limits.troubled_since is None or limits.troubled_since >= 4.0


def test_the_first_answer_corrects_what_the_calls_before_it_were_taken_for() -> None:
    limits = Limits(MODEL, 100)
    assert limits.counts_tokens
    tickets = [limits.send(0.0, 1062.0) for _ in range(32)]
    said = [(b"x-ratelimit-limit-tokens", b"30000"), (b"x-ratelimit-remaining-tokens", b"29938")]
    limits.succeeded(1.0, tickets[0], 62, [*said, (b"x-ratelimit-reset-tokens", b"124ms")])
    # 32 calls of 62 tokens are a fifteenth of the limit; taken for 1,062 each, they would be more than all of it.
    assert limits.wait(1.0, 1062.0) < 1.0
