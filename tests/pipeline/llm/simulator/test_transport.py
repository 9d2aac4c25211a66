from collections import Counter
from math import sqrt
from statistics import fmean

import pytest

from prefpipe.pipeline.llm.simulator.models import BATCH_FAILURES, parse_model
from prefpipe.pipeline.llm.simulator.transport import api_error, journey, retry_headers

BODIES = [b"request %d" % i for i in range(4_000)]


def test_a_model_without_failures_and_latency_answers_at_once() -> None:
    way = journey(parse_model("good"), b"x")
    assert (way.failures, way.delay) == ((), 0.0)


def test_the_journey_follows_from_seed_and_body() -> None:
    model, other = parse_model("good?drop=0.5&latency=1"), parse_model("good?drop=0.5&latency=1&seed=1")
    ways = [journey(model, body) for body in BODIES[:50]]
    assert ways == [journey(model, body) for body in BODIES[:50]]
    assert ways != [journey(other, body) for body in BODIES[:50]]


def test_every_kind_of_failure_comes_at_its_rate() -> None:
    model = parse_model("good?error_429=0.2&error_500=0.1&drop=0.05&garbage=0.02")
    first = Counter(journey(model, body).failures[:1] for body in BODIES)
    for kind, rate in [("error_429", 0.2), ("error_500", 0.1), ("drop", 0.05), ("garbage", 0.02)]:
        assert abs(first[(kind,)] / len(BODIES) - rate) < 4 * sqrt(rate * (1 - rate) / len(BODIES)), kind


def test_the_end_of_a_window_befalls_only_what_is_in_a_batch() -> None:
    model = parse_model("good?expire=1")
    assert journey(model, b"x").failures == ()
    assert journey(model, b"x", BATCH_FAILURES).failures == ("expire",) * 3


def test_failures_in_a_row_are_geometric_up_to_the_most() -> None:
    lengths = Counter(len(journey(parse_model("good?drop=0.5"), body).failures) for body in BODIES)
    for length, p in enumerate([0.5, 0.25, 0.125, 0.125]):
        assert abs(lengths[length] / len(BODIES) - p) < 4 * sqrt(p * (1 - p) / len(BODIES)), length
    assert max(lengths) == 3


def test_the_most_failures_in_a_row_can_be_set() -> None:
    assert len(journey(parse_model("good?drop=1&failures_in_a_row=7"), b"x").failures) == 7
    assert journey(parse_model("good?drop=1&failures_in_a_row=0"), b"x").failures == ()


@pytest.mark.parametrize("spread", [0, 0.5])
def test_delays_have_the_mean_latency(spread: float) -> None:
    model = parse_model(f"good?latency=2&latency_spread={spread}")
    delays = [journey(model, body).delay for body in BODIES]
    assert fmean(delays) == pytest.approx(2, rel=0.04)
    assert (min(delays) < 1.5) is (spread > 0)


def test_whole_seconds_are_asked_for_only_from_one_on() -> None:
    assert retry_headers(0.05) == {"retry-after-ms": "50"}
    assert retry_headers(1.2) == {"retry-after-ms": "1200", "retry-after": "2"}


def test_failures_with_a_status_say_what_openai_says() -> None:
    assert (api_error("error_429").status, api_error("error_500").status) == (429, 500)
    assert b'"code":"rate_limit_exceeded"' in api_error("error_429").body
    assert b'"type":"server_error"' in api_error("error_500").body
