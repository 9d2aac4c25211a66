"""What a stage needs, costs and may cost, and the same stage through batches."""

from pathlib import Path

import polars as pl
import pytest

from prefpipe.pipeline import RunError, UsageError, generate, judge
from prefpipe.pipeline.llm.store import AnswerStore

PROMPTS = "".join(f'{{"prompt": "Question {number}?"}}\n' for number in range(30))
CONFIG = """
[models."sim:strong"]
model = "sim:strong"
prompt_price = 10
completion_price = 30
"""


@pytest.fixture(autouse=True)
def prompts() -> None:
    Path("p.jsonl").write_text(PROMPTS)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        pass

    monkeypatch.setattr("prefpipe.pipeline.llm.batch.rounds.sleep", sleep)


def test_a_dry_run_says_what_would_be_sent_and_sends_and_writes_nothing() -> None:
    Path("prefpipe.toml").write_text(CONFIG)
    summary = generate("p.jsonl", "r.parquet", models=["sim:strong"], samples=2, dry_run=True)
    figures = summary.figures
    assert (figures["calls"], figures["from_store"], figures["to_send"]) == (60, 0, 60)
    assert isinstance(figures["cost_at_least_usd"], float)
    assert figures["cost_at_least_usd"] > 0
    assert not Path("r.parquet").exists()
    with AnswerStore() as store:
        assert not store.models()


def test_a_dry_run_after_a_part_of_the_run_knows_what_the_rest_will_cost() -> None:
    Path("prefpipe.toml").write_text(CONFIG)
    with pytest.raises(RunError, match="--max-calls 20"):
        generate("p.jsonl", "r.parquet", models=["sim:strong"], max_calls=20)
    forecast = generate("p.jsonl", "r.parquet", models=["sim:strong"], dry_run=True).figures["cost_about_usd"]
    paid = generate("p.jsonl", "r.parquet", models=["sim:strong"]).figures["spent_usd"]
    assert forecast == pytest.approx(paid, rel=0.3)


def test_no_more_is_spent_than_allowed_and_what_is_answered_is_kept() -> None:
    Path("prefpipe.toml").write_text(CONFIG)
    spent, runs = 0.0, 0
    whole = generate("p.jsonl", "whole.parquet", models=["sim:strong"], max_tokens=400, store="other.db").figures[
        "spent_usd"
    ]
    assert isinstance(whole, float)
    while runs < 10:
        runs += 1
        try:
            summary = generate("p.jsonl", "r.parquet", models=["sim:strong"], max_tokens=400, max_cost=whole / 3)
        except RunError as error:
            assert "--max-cost" in error.message  # noqa: PT017 - several runs are needed to get there
            continue
        spent = float(summary.figures["spent_usd"] or 0)
        break
    assert 3 <= runs < 10
    assert spent <= whole / 3
    assert pl.read_parquet("r.parquet").drop("latency").equals(pl.read_parquet("whole.parquet").drop("latency"))


def test_a_limit_on_money_needs_a_price() -> None:
    with pytest.raises(UsageError, match="price of llama is not known"):
        generate("p.jsonl", "r.parquet", models=["llama@http://127.0.0.1:9/v1"], max_cost=1)


def test_every_row_says_what_it_cost_and_the_second_run_what_it_saved() -> None:
    Path("prefpipe.toml").write_text(CONFIG)
    first = generate("p.jsonl", "r.parquet", models=["sim:strong"]).figures
    second = generate("p.jsonl", "r.parquet", models=["sim:strong"]).figures
    costs = pl.read_parquet("r.parquet")["cost"]
    assert costs.null_count() == 0
    assert costs.sum() == pytest.approx(first["spent_usd"])
    assert second["spent_usd"] == 0
    assert second["saved_usd"] == pytest.approx(first["spent_usd"])


def test_batches_give_the_tables_that_calls_give() -> None:
    tables = []
    for batch in (False, True):
        store = f"{batch}.db"
        generate("p.jsonl", "r.parquet", models=["sim:strong", "sim:weak"], store=store, batch=batch)
        judge("r.parquet", "v.parquet", judges=["sim:judge?invalid=0.1"], store=store, batch=batch)
        tables.append([pl.read_parquet(name).drop("latency") for name in ("r.parquet", "v.parquet")])
    for live, batched in zip(*tables, strict=True):
        assert live.equals(batched)


def test_a_batch_costs_half() -> None:
    Path("prefpipe.toml").write_text(CONFIG)
    live = generate("p.jsonl", "r.parquet", models=["sim:strong"], store="a.db").figures["spent_usd"]
    batched = generate("p.jsonl", "r.parquet", models=["sim:strong"], store="b.db", batch=True).figures["spent_usd"]
    assert batched == pytest.approx(float(live or 0) / 2)
