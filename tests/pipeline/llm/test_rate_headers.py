import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.llm.rate_headers import Declared, read_headers
from prefpipe.pipeline.llm.sender import Headers

DATE = "Sat, 21 Nov 2026 06:00:00 GMT"  # 1795240800 in Unix time


def headers(**fields: str) -> Headers:
    return [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]


def x_ratelimit(kind: str, limit: str, remaining: str, reset: str) -> Headers:
    said = {"limit": limit, "remaining": remaining, "reset": reset}
    return [(f"x-ratelimit-{field}{kind}".encode(), value.encode()) for field, value in said.items()]


def anthropic(limit: str, remaining: str, reset: str) -> Headers:
    said = {"limit": limit, "remaining": remaining, "reset": reset}
    return [(f"anthropic-ratelimit-tokens-{field}".encode(), value.encode()) for field, value in said.items()]


@pytest.mark.parametrize(
    ("said", "declared"),
    [
        pytest.param(
            [*x_ratelimit("-requests", "500", "499", "120ms"), *x_ratelimit("-tokens", "30000", "15000", "30s")],
            {"requests": Declared(500, 499, 0.12, True, True), "tokens": Declared(30000, 15000, 30, True, True)},
            id="OpenAI, a bucket",
        ),
        pytest.param(
            x_ratelimit("-requests", "200", "100", "12h0m0s"),
            {"requests": Declared(200, 100, 43_200, False, True)},
            id="OpenAI, requests a day",
        ),
        pytest.param(
            x_ratelimit("-tokens", "40000", "0", "6m0s"),
            {"tokens": Declared(40000, 0, 360, False, False)},
            id="OpenAI, minutes and seconds",
        ),
        pytest.param(
            x_ratelimit("-requests", "500", "100", "20ms"),
            {"requests": Declared(500, 100, 0.02, True, False)},
            id="OpenAI, milliseconds",
        ),
        pytest.param(
            [*headers(date=DATE), *anthropic("80000", "79000", "2026-11-21T06:00:15Z")],
            {"tokens": Declared(80000, 79000, 15, True, False)},
            id="Anthropic, a time of day",
        ),
        pytest.param(
            [*headers(date=DATE), *anthropic("80000", "0", "2026-11-21T07:00:15+01:00")],
            {"tokens": Declared(80000, 0, 15, True, False)},
            id="a time of day elsewhere",
        ),
        pytest.param(
            x_ratelimit("-requests", "14400", "14370", "2m59.56s"),
            {"requests": Declared(14400, 14370, 179.56, False, True)},
            id="Groq, requests a day, little by little",
        ),
        pytest.param(
            [*headers(date=DATE), *x_ratelimit("", "20", "0", "1795240860000")],
            {"requests": Declared(20, 0, 60, False, True)},
            id="OpenRouter, Unix time in milliseconds",
        ),
        pytest.param(
            [*headers(date=DATE), *x_ratelimit("", "100", "7", "1795240830")],
            {"requests": Declared(100, 7, 30, False, False)},
            id="Unix time in seconds",
        ),
        pytest.param(
            headers(x_ratelimit_limit_tokens="120000", x_ratelimit_remaining_tokens="119000"),
            {"tokens": Declared(120000, a_minute=True)},
            id="Azure OpenAI, without a reset",
        ),
        pytest.param(
            x_ratelimit("-requests", "60", "1", "30"),
            {"requests": Declared(60, 1, 30, True, False)},
            id="plain seconds",
        ),
        pytest.param(
            [(b"X-RateLimit-Limit-Requests", b" 60 ")], {"requests": Declared(60, a_minute=True)}, id="any case, spaces"
        ),
        pytest.param(
            [*x_ratelimit("", "9", "9", "1"), *x_ratelimit("-requests", "60", "1", "30")],
            {"requests": Declared(60, 1, 30, True, False)},
            id="the named one before the plain one",
        ),
        pytest.param(
            [*headers(date=DATE), *x_ratelimit("", "20", "0", "1795240000")],
            {"requests": Declared(20, 0, 0, False, False)},
            id="a reset in the past is now",
        ),
        pytest.param(
            x_ratelimit("-requests", "60", "900", "30"),
            {"requests": Declared(60, 60, 30, True, False)},
            id="never more left than the limit",
        ),
    ],
)
def test_every_dialect_is_understood(said: Headers, declared: dict[str, Declared]) -> None:
    read = read_headers(said)
    assert read.keys() == declared.keys()
    for kind, expected in declared.items():
        assert read[kind].reset == pytest.approx(expected.reset)
        assert read[kind]._replace(reset=0.0) == expected._replace(reset=0.0)


@pytest.mark.parametrize(
    "limit", ["", "0", "0.0", "-5", "1e9", "inf", "nan", "9" * 400, "\u0665\u0660\u0660", "5\u00b2", "5,000", "0x10"]
)
def test_a_malformed_limit_is_left_out(limit: str) -> None:
    assert read_headers(x_ratelimit("-requests", limit, "5", "1s")) == {}


@pytest.mark.parametrize(
    "reset",
    ["", "soon", "-1", "1s2m", "1.2.3s", "\u0666s", "9" * 400, "1795240800", "2026-11-21T06:00:15Z", "0000-00-00"],
)
def test_without_a_reset_that_can_be_read_what_is_left_does_not_count(reset: str) -> None:
    """A time of day means nothing without the server's Date."""
    assert read_headers(x_ratelimit("-requests", "500", "0", reset)) == {"requests": Declared(500, a_minute=True)}


@pytest.mark.parametrize(
    "date", ["", " ", "yesterday", "Sat, 99 Nov 2026 06:00:00 GMT", "Sat, 21 Nov 99999999 06:00:00"]
)
def test_a_malformed_date_is_no_error(date: str) -> None:
    said = [*headers(date=date), *x_ratelimit("-requests", "500", "0", "2026-11-21T06:00:15Z")]
    assert read_headers(said) == {"requests": Declared(500, a_minute=True)}


VALUES = st.one_of(
    st.binary(max_size=40),
    st.from_regex(r"[0-9]{1,20}([.][0-9]{1,5})?(d|h|m|s|ms)?", fullmatch=True).map(str.encode),
    st.datetimes().map(lambda moment: moment.isoformat().encode()),
)
NAMES = [
    *(
        f"x-ratelimit-{field}{kind}"
        for field in ("limit", "remaining", "reset")
        for kind in ("-requests", "-tokens", "")
    ),
    *(f"anthropic-ratelimit-tokens-{field}" for field in ("limit", "remaining", "reset")),
    "date",
]


@given(st.lists(st.tuples(st.sampled_from([name.encode() for name in NAMES]), VALUES), max_size=12))
def test_whatever_a_server_sends_gives_sensible_figures_or_none(said: Headers) -> None:
    for declared in read_headers(said).values():
        assert 0 < declared.limit < 1e15
        assert declared.left is None or 0 <= declared.left <= declared.limit
        assert math.isfinite(declared.reset)
        assert declared.reset >= 0
