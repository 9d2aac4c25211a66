import json

import pytest

from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.prices import Usage
from prefpipe.pipeline.run_summary import summary_of
from prefpipe.pipeline.summary import Summary

PRICED = Model("a", "a", "http://a/v1", "KEY", prompt_price=1.0, completion_price=2.0)
UNPRICED = Model("b", "b", "http://b/v1", "KEY")
USAGE = Usage(1_000_000, 500_000)
"""Two dollars' worth at the prices above."""


def stage(name: str, rows_in: int, rows_out: int, **figures: int) -> Summary:
    return Summary(name, f"{name}.parquet", "prompts", rows_in, rows_out, {"lost": rows_in - rows_out}, figures)


CHAIN = [stage("generate", 10, 9), stage("judge", 9, 8), stage("filter", 8, 4), stage("export", 4, 4, preferences=4)]


def meter(model: Model = PRICED, sent: int = 0, stored: int = 0) -> Meter:
    counted = Meter(done=sent + stored)
    for _ in range(sent):
        counted.count_sent(model, USAGE)
    for _ in range(stored):
        counted.count_from_store(model, USAGE)
    return counted


def test_the_account_of_a_run_says_which_stage_has_left_prompts_out() -> None:
    assert summary_of("out", CHAIN, []).account() == (
        "10 prompts in = 4 out + 6 dropped (1 by generate, 1 by judge, 4 by filter)"
    )


def test_prompts_that_vanish_between_two_stages_are_the_earlier_ones() -> None:
    chain = [stage("generate", 10, 10), stage("judge", 7, 7)]
    assert summary_of("out", chain, []).dropped == {"by generate": 3, "by judge": 0}


def test_money_is_that_of_all_stages_as_spent_and_as_if_nothing_had_been_stored() -> None:
    figures = summary_of("out", CHAIN, [meter(sent=2), meter(stored=6), Meter()]).figures
    assert (figures["calls"], figures["sent"], figures["from_store"]) == (8, 2, 6)
    assert (figures["prompt_tokens"], figures["completion_tokens"]) == (2_000_000, 1_000_000)
    assert (figures["spent_usd"], figures["saved_usd"]) == (4.0, 12.0)
    assert (figures["spent_per_preference_usd"], figures["cost_per_preference_usd"]) == (1.0, 4.0)
    assert figures["of_unknown_price"] == 0


@pytest.mark.parametrize(("sent", "stored", "spent"), [(1, 0, None), (0, 1, 0.5)])
def test_an_unknown_price_is_said_and_is_never_taken_for_nothing(sent: int, stored: int, spent: float | None) -> None:
    summary = summary_of("out", CHAIN, [meter(sent=1), meter(UNPRICED, sent, stored)])
    assert summary.figures["of_unknown_price"] == 1
    assert summary.figures["spent_usd"] == 2.0
    assert summary.figures["spent_per_preference_usd"] == spent
    assert summary.figures["cost_per_preference_usd"] is None
    (warning,) = summary.warnings
    assert "The price of 1 call is not known" in warning


@pytest.mark.parametrize("chain", [CHAIN[:2], [*CHAIN[:3], stage("export", 4, 0, preferences=0)]])
def test_without_preferences_there_is_no_cost_of_one(chain: list[Summary]) -> None:
    figures = summary_of("out", chain, [meter(sent=1)]).figures
    assert (figures["spent_per_preference_usd"], figures["cost_per_preference_usd"]) == (None, None)
    assert figures["spent_usd"] == 2.0


def test_the_closing_summary_is_json_too() -> None:
    told = json.loads(json.dumps(summary_of("out", CHAIN, [meter(sent=1)]).as_json()))
    assert (told["stage"], told["output"], told["figures"]["preferences"]) == ("run", "out", 4)
