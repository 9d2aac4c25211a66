import json
import math
import re
import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.models import OPENAI_URL, SIMULATOR_URL, Model, parse_model
from prefpipe.pipeline.llm.prices import (
    Money,
    PastCosts,
    Price,
    Usage,
    charged,
    cost,
    price_of,
    prices_as_of,
    read_receipt,
    require_prices,
)

OPENROUTER_URL = "https://openrouter.ai/api/v1"


def model(name: str, url: str = OPENAI_URL, **other: Any) -> Model:
    return Model(name, name, url, "KEY", **other)


def listed() -> list[tuple[str, str, dict[str, float]]]:
    """Return host, name and prices of every line of the built-in table."""
    table = tomllib.loads((files("prefpipe.pipeline.llm") / "prices.toml").read_text("utf-8"))
    return [
        (maker["hosts"][0], name, prices)
        for maker in table["makers"].values()
        for name, prices in maker["models"].items()
    ]


def test_a_call_costs_what_its_tokens_cost() -> None:
    assert cost(model("gpt-4o-mini"), 1_000_000, 2_000_000) == pytest.approx(0.15 + 2 * 0.60)


def test_tokens_of_the_servers_cache_cost_less() -> None:
    assert cost(model("gpt-4o-mini"), 1_000_000, 0, cached=400_000) == pytest.approx(0.6 * 0.15 + 0.4 * 0.075)


def test_without_a_price_of_its_own_a_cached_token_costs_as_any_other() -> None:
    assert Price(1.0, 2.0).cost(1_000_000, 0, 500_000) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "snapshot", ["gpt-4o-mini", "gpt-4o-mini-2024-07-18", "gpt-4o-mini-20240718", "gpt-4o-mini-2031-01-01"]
)
def test_a_dated_snapshot_costs_as_its_model(snapshot: str) -> None:
    assert price_of(model(snapshot)) == Price(0.15, 0.60, 0.075)


def test_a_snapshot_with_a_price_of_its_own_has_that() -> None:
    assert price_of(model("gpt-4o-2024-05-13")) == Price(5.0, 15.0)
    assert price_of(model("gpt-4o-2024-08-06")) == Price(2.5, 10.0, 1.25)


@pytest.mark.parametrize(
    "name", ["gpt-4o-mini-audio", "gpt-4o-mini-2024", "gpt-4o-2024-07-18-mini", "gpt-4o-min", "GPT-4o-mini", "", "4o"]
)
def test_a_name_that_merely_begins_alike_has_no_price(name: str) -> None:
    assert price_of(model(name)) is None
    assert cost(model(name), 1, 1) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1",
        "http://127.0.0.1:8000/v1",
        "http://10.1.2.3/v1",
        "https://gateway.example.com/v1",
        "https://api.openai.com.example.com/v1",
        "our gpus",
        "http://[",
    ],
)
def test_a_server_that_is_not_the_makers_own_has_no_known_price(url: str) -> None:
    assert price_of(model("gpt-4o-mini", url)) is None


def test_servers_of_different_owners_have_no_common_price() -> None:
    assert price_of(model("gpt-4o-mini", other_urls=("http://localhost/v1",))) is None


@pytest.mark.parametrize(
    ("name", "price"),
    [
        ("openai/gpt-4o-mini", Price(0.15, 0.60, 0.075)),
        ("openai/gpt-4o-mini-2024-07-18", Price(0.15, 0.60, 0.075)),
        ("anthropic/claude-sonnet-4.5", Price(3.0, 15.0, 0.3)),
        ("google/gemini-2.5-flash", Price(0.3, 2.5, 0.03)),
        ("openai/gpt-4o-mini:free", None),
        ("gpt-4o-mini", None),
        ("anthropic/gpt-4o-mini", None),
        ("deepseek/deepseek-chat", None),
    ],
)
def test_openrouter_passes_on_what_makers_charge_who_serve_their_models_alone(name: str, price: Price | None) -> None:
    assert price_of(model(name, OPENROUTER_URL)) == price


def test_a_simulated_model_costs_nothing() -> None:
    assert cost(parse_model("sim:strong"), 10, 10) == 0


def test_what_the_configuration_says_goes_before_the_table() -> None:
    own = model("gpt-4o-mini", prompt_price=1.0, completion_price=2.0, cached_prompt_price=0.5)
    assert price_of(own) == Price(1.0, 2.0, 0.5)
    assert price_of(replace(own, simulated=True)) == Price(1.0, 2.0, 0.5)


@pytest.mark.parametrize(("prompt", "completion"), [(None, 1), (1, None), (None, None)])
def test_an_unknown_count_has_an_unknown_cost(prompt: int | None, completion: int | None) -> None:
    assert cost(model("gpt-4o-mini"), prompt, completion) is None


def test_a_prompt_that_is_too_long_for_a_price_has_an_unknown_cost() -> None:
    assert Price(1.0, 1.0, up_to=100).cost(100, 0) is not None
    assert Price(1.0, 1.0, up_to=100).cost(101, 0) is None


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 2 * 10**7), st.floats(0, 1000), st.floats(0, 1000))
def test_a_cost_is_never_negative_nor_above_the_full_price(
    prompt: int, completion: int, cached: int, price: float, cheaper: float
) -> None:
    full = Price(price, price).cost(prompt, completion)
    less = Price(price, price, min(price, cheaper)).cost(prompt, completion, cached)
    assert full is not None
    assert less is not None
    assert 0 <= less <= full * (1 + 1e-9)


def test_the_table_says_of_when_it_is() -> None:
    assert re.fullmatch(r"20[2-9]\d-(0[1-9]|1[0-2])", prices_as_of())


@pytest.mark.parametrize(("host", "name", "prices"), listed())
def test_every_line_of_the_table_is_plausible_and_found(host: str, name: str, prices: dict[str, float]) -> None:
    assert 0 < prices["prompt"] <= prices["completion"] < 1000
    assert 0 < prices.get("cached", prices["prompt"]) <= prices["prompt"]
    found = price_of(model(name, f"https://{host}/v1"))
    assert found == Price(prices["prompt"], prices["completion"], prices.get("cached"), found and found.up_to)


def test_an_answers_usage_is_read() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
    snapshot, read = read_receipt(json.dumps({"model": "gpt-4o-mini-2024-07-18", "usage": usage}).encode())
    assert snapshot == "gpt-4o-mini-2024-07-18"
    assert (read.prompt_tokens, read.answer_tokens, read.cached_tokens) == (9, 5, 4)


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff", b'{"usage": null}', b'{"usage": {"prompt_tokens": "many"}}'])
def test_what_an_answer_does_not_say_is_not_known(raw: bytes) -> None:
    assert read_receipt(raw) == (None, Usage())
    assert Usage().answer_tokens is None


def test_hidden_reasoning_that_stands_in_the_total_only_is_charged() -> None:
    assert Usage(20, 198, 623).answer_tokens == 603
    assert Usage(20, 198, 218).answer_tokens == 198


def test_what_openrouter_charged_is_what_an_answer_cost() -> None:
    usage = Usage(1000, 1000, cost=0.25)
    assert charged(model("meta/llama", OPENROUTER_URL), usage) == 0.25
    assert charged(model("openai/gpt-4o-mini", OPENROUTER_URL), usage) == 0.25
    own = model("meta/llama", OPENROUTER_URL, prompt_price=1.0, completion_price=1.0)
    assert charged(own, usage) == pytest.approx(0.002)


def test_no_other_server_is_asked_what_it_charged() -> None:
    assert charged(model("llama", "http://localhost/v1"), Usage(1000, 1000, cost=0.25)) is None


def test_a_limit_on_money_needs_every_price() -> None:
    priced = [model("gpt-4o-mini"), parse_model("sim:strong"), model("any/model", OPENROUTER_URL)]
    require_prices(priced)
    with pytest.raises(UsageError, match="The price of llama is not known") as caught:
        require_prices([*priced, model("llama", "http://localhost/v1")])
    assert '[models."llama"]' in (caught.value.hint or "")


@given(st.lists(st.none() | st.floats(0, 100)))
def test_a_sum_of_costs_tells_how_many_it_leaves_out(costs: list[float | None]) -> None:
    money = Money()
    for each in costs:
        money.add(each)
    assert money.unknown == costs.count(None)
    assert money.known == pytest.approx(math.fsum(each or 0 for each in costs))


def answer(snapshot: str | None = None) -> bytes:
    return json.dumps({"model": snapshot, "usage": {"prompt_tokens": 10**6, "completion_tokens": 0}}).encode()


def past_cost(name: str, address: str, raw: bytes) -> float | None:
    return PastCosts().of(name, address, raw)[1]


def test_a_past_answer_costs_what_its_model_costs() -> None:
    assert past_cost("gpt-4o-mini", OPENAI_URL, answer("gpt-4o-mini-2024-07-18")) == pytest.approx(0.15)
    assert past_cost("sim:strong", SIMULATOR_URL, answer("sim:strong")) == 0
    assert past_cost("llama", "http://localhost/v1", answer("gpt-4o-mini")) is None


def test_a_past_answer_under_a_forgotten_name_costs_what_its_snapshot_costs() -> None:
    assert past_cost("judge", OPENAI_URL, answer("gpt-4o-mini-2024-07-18")) == pytest.approx(0.15)
    assert past_cost("judge", OPENAI_URL, answer()) is None


def test_a_past_answer_of_a_configured_model_costs_what_the_configuration_says() -> None:
    Path("prefpipe.toml").write_text(
        '[models.judge]\nbase_url = "http://a/v1"\naddress = "ours"\nprompt_price = 3\ncompletion_price = 4', "utf-8"
    )
    assert past_cost("judge", "ours", answer()) == pytest.approx(3.0)
    assert past_cost("judge", "theirs", answer()) is None
