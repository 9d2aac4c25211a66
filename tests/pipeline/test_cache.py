import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.cache import SCHEMA, export, import_, plan_pruning, prune, show
from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.generate import generate
from prefpipe.pipeline.judge import judge
from prefpipe.pipeline.llm.client import Client
from prefpipe.pipeline.llm.meter import ModelSpend
from prefpipe.pipeline.llm.models import OPENAI_URL
from prefpipe.pipeline.llm.prices import Money
from prefpipe.pipeline.llm.store import AnswerStore, Kept
from prefpipe.pipeline.provenance import FOOTER_KEY

DAY = 24 * 3600
NOW = int(time.time())
LOCAL = "http://localhost/v1"
PROMPTS: list[dict[str, Any]] = [{"prompt": topic} for topic in ("apricots", "bridges", "candles")]


def answer(prompt: int | None = 100, completion: int | None = 10, text: str = "yes") -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return json.dumps({"choices": [{"message": {"content": text}}], "usage": usage}).encode()


def kept(number: int, model: str = "m", base_url: str = LOCAL, *, days: float = 0, raw: bytes | None = None) -> Kept:
    return Kept(f"{number:032x}", model, base_url, NOW - int(days * DAY), 0.5, answer() if raw is None else raw)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


def fill(store: Path, *answers: Kept) -> list[Kept]:
    with AnswerStore(store) as opened:
        opened.add(answers)
    return list(answers)


def held(store: Path) -> list[Kept]:
    with AnswerStore(store) as opened:
        return list(opened.answers())


def table(path: Path, *numbers: int | None) -> Path:
    """Write a file that looks like responses that went from the answers of these numbers."""
    keys = [None if number is None else f"{number:032x}" for number in numbers]
    pq.write_table(pa.table({"request_key": pa.array(keys, pa.string())}), path)
    return path


# show


def test_answers_are_counted_by_model_and_server(store: Path) -> None:
    fill(store, kept(1), kept(2, days=3), kept(3, base_url="http://other/v1"), kept(4, "n", raw=answer(None, None)))
    seen = show(store)
    assert [
        (each.model, each.base_url, each.answers, each.prompt_tokens, each.completion_tokens) for each in seen.holdings
    ] == [
        ("m", LOCAL, 2, 200, 20),
        ("m", "http://other/v1", 1, 100, 10),
        ("n", LOCAL, 1, 0, 0),
    ]
    first = seen.holdings[0]
    assert first.oldest == datetime.fromtimestamp(NOW - 3 * DAY, UTC)
    assert first.newest == datetime.fromtimestamp(NOW, UTC)
    assert first.size == 2 * len(answer())
    assert seen.size >= store.stat().st_size


def test_answers_cost_what_they_would_cost_today_as_far_as_that_is_known(store: Path) -> None:
    fill(
        store,
        kept(1, "gpt-4o-mini", OPENAI_URL, raw=answer(10**6, 10**6)),
        kept(2, "gpt-4o-mini", OPENAI_URL, raw=answer(None, None)),
        kept(3),
    )
    hosted, local = show(store).holdings
    assert hosted.cost.known == pytest.approx(0.75)
    assert hosted.cost.unknown == 1
    assert local.cost == Money(0.0, 1)


def test_hits_and_what_they_saved_are_shown_by_model_and_by_month(store: Path) -> None:
    fill(store, kept(1))
    use = ModelSpend("m", LOCAL, sent=5, from_store=3, spent=0.5, saved=0.25, unpriced_sent=1, unpriced_from_store=2)
    gone = ModelSpend("gone", LOCAL, from_store=1)
    with AnswerStore(store) as opened:
        opened.record_run("generate", [use, gone])
        opened.record_run("judge", [use])
        opened._database.execute(
            "UPDATE runs SET ended = ? WHERE run = 1", [datetime(2026, 2, 28, tzinfo=UTC).timestamp()]
        )
        opened._database.execute(
            "UPDATE runs SET ended = ? WHERE run = 2", [datetime(2026, 3, 1, tzinfo=UTC).timestamp()]
        )
    seen = show(store)
    assert [(month.month, month.sent, month.hits, month.spent, month.saved) for month in seen.months] == [
        ("2026-02", 5, 4, Money(0.5, 1), Money(0.25, 2)),
        ("2026-03", 5, 3, Money(0.5, 1), Money(0.25, 2)),
    ]
    assert [(each.model, each.answers, each.hits, each.saved) for each in seen.holdings] == [
        ("m", 1, 6, Money(0.5, 4)),
        ("gone", 0, 1, Money(0.0, 0)),
    ]


def test_looking_at_a_store_that_is_not_there_does_not_make_it(store: Path) -> None:
    looks: list[Callable[[], object]] = [
        lambda: show(store),
        lambda: plan_pruning(store, older_than="1d"),
        lambda: export(store, "x.parquet"),
    ]
    for look in looks:
        with pytest.raises(UsageError, match="There is no answer store"):
            look()
    assert not store.exists()
    assert not Path("x.parquet").exists()


# prune


def test_nothing_is_removed_before_the_plan_is_carried_out(store: Path) -> None:
    answers = fill(store, kept(1, days=100), kept(2))
    plan = plan_pruning(store, older_than="90d")
    assert (plan.held, plan.answers, plan.size, plan.cost) == (2, 1, len(answer()), Money(0.0, 1))
    assert held(store) == answers


@pytest.mark.parametrize(
    ("older_than", "models", "keep", "left"),
    [
        ("90d", (), (), {2, 3, 4}),
        ("13w", (), (), {2, 3, 4}),
        ("24h", (), (), {3, 4}),
        (None, ("n",), (), {1, 2, 3}),
        (None, ("m", "n"), (), set()),
        (None, (), (2, 3), {2, 3}),
        ("24h", ("m",), (2,), {2, 3, 4}),
        ("200d", (), (), {1, 2, 3, 4}),
    ],
)
def test_answers_go_to_which_all_of_it_applies(
    store: Path, older_than: str | None, models: tuple[str, ...], keep: tuple[int, ...], left: set[int]
) -> None:
    fill(store, kept(1, days=100), kept(2, days=50), kept(3), kept(4, "n"))
    tables = [table(Path("kept.parquet"), *keep, None)] if keep else []
    plan = plan_pruning(store, older_than=older_than, models=models, keep=tables)
    summary = prune(plan)
    assert {int(each.key, 16) for each in held(store)} == left
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (4, len(left), {"removed": plan.answers})


def test_the_answers_of_every_table_that_is_named_stay(store: Path) -> None:
    fill(store, kept(1), kept(2), kept(3))
    lines = Path("votes.jsonl")
    lines.write_text(json.dumps({"request_key": f"{2:032x}"}) + "\n" + json.dumps({"request_key": None}) + "\n")
    prune(plan_pruning(store, keep=[table(Path("a.parquet"), 1), lines]))
    assert {int(each.key, 16) for each in held(store)} == {1, 2}


def test_the_space_goes_back_to_the_disk(store: Path) -> None:
    fill(store, *(kept(number, raw=answer(text="x" * 10_000)) for number in range(100)))
    full = show(store).size
    freed = prune(plan_pruning(store, models=["m"])).figures["bytes_freed"]
    assert isinstance(freed, int)
    assert freed > full * 0.9


def test_without_a_word_on_what_to_remove_nothing_is(store: Path) -> None:
    fill(store, kept(1))
    with pytest.raises(UsageError, match="Nothing says which answers to remove"):
        plan_pruning(store)


def test_a_model_without_answers_is_a_mistake_with_a_suggestion(store: Path) -> None:
    fill(store, kept(1, "llama-3"))
    with pytest.raises(UsageError, match="holds no answers of lama-3") as caught:
        plan_pruning(store, models=["lama-3"])
    assert caught.value.hint == "Did you mean 'llama-3'?"


@pytest.mark.parametrize("age", ["", "90", "d", "-1d", "1.5d", "3m", "1y", "90 d", "99999999d"])
def test_an_age_that_is_none_is_refused(store: Path, age: str) -> None:
    fill(store, kept(1))
    with pytest.raises(UsageError, match=f"'{age}' is not an age"):
        plan_pruning(store, older_than=age)


@pytest.mark.parametrize("age", ["999999d", "999999w", "999999h"])
def test_an_age_beyond_all_answers_removes_none(store: Path, age: str) -> None:
    fill(store, kept(1))
    assert plan_pruning(store, older_than=age).answers == 0


@pytest.mark.parametrize(
    "content", ['{"prompt": "a"}', '{"request_key": null}', '{"request_key": "abc"}', '{"request_key": 1}']
)
def test_a_table_without_keys_keeps_nothing_and_so_is_refused(store: Path, content: str) -> None:
    answers = fill(store, kept(1))
    path = Path("rows.jsonl")
    path.write_text(content + "\n")
    with pytest.raises(UsageError, match="request"):
        plan_pruning(store, keep=[path])
    assert held(store) == answers


def test_a_parquet_file_without_the_column_is_refused(store: Path) -> None:
    fill(store, kept(1))
    pq.write_table(pa.table({"prompt": ["a"]}), "prompts.parquet")
    with pytest.raises(UsageError, match="has no request keys"):
        export(store, "x.parquet", of=["prompts.parquet"])


# export and import


def test_an_export_carries_all_that_is_kept_to_another_store(store: Path, tmp_path: Path) -> None:
    answers = fill(store, kept(3), kept(1, "n", "http://b/v1", days=7, raw=answer(text="ä\x00ö")), kept(2))
    exported = export(store, "x.parquet")
    imported = import_(tmp_path / "folder" / "other.db", "x.parquet")
    assert held(tmp_path / "folder" / "other.db") == answers
    assert (exported.rows_in, exported.rows_out) == (3, 3)
    assert (imported.rows_in, imported.rows_out) == (3, 3)


def test_a_paid_run_is_made_again_byte_for_byte_without_asking_anybody(
    write_lines: Callable[[str, list[dict[str, Any]]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = write_lines("prompts.jsonl", PROMPTS)
    trait = "latency=0.001&error_429=0.2&refuse=0.2&retry_after=0.001"

    def run(folder: str) -> dict[str, bytes]:
        responses, votes = (Path(folder) / f"{name}.parquet" for name in ("responses", "votes"))
        own = Path(folder) / "answers.db"
        generate(prompts, responses, models=[f"sim:strong?{trait}", "sim:weak"], samples=2, store=own)
        judge(responses, votes, judges=["sim:judge"], store=own)
        return {path.name: path.read_bytes() for path in (responses, votes)}

    paid = run("paid")
    export("paid/answers.db", "run.parquet", of=["paid/responses.parquet", "paid/votes.parquet"])
    import_("shared/answers.db", "run.parquet")

    async def refuse(*_: object) -> None:
        raise AssertionError("a server was asked")

    monkeypatch.setattr(Client, "send", refuse)
    assert run("shared") == paid


def test_the_same_store_gives_the_same_export(store: Path) -> None:
    fill(store, kept(1), kept(2))
    export(store, "one.parquet")
    export(store, "two.parquet")
    assert Path("one.parquet").read_bytes() == Path("two.parquet").read_bytes()


def test_only_the_answers_of_the_named_tables_are_exported_and_the_missing_are_counted(store: Path) -> None:
    fill(store, kept(1), kept(2), kept(3))
    summary = export(store, "x.parquet", of=[table(Path("a.parquet"), 1, 7, None), table(Path("b.parquet"), 3, 1)])
    assert [int(key, 16) for key in pq.read_table("x.parquet")["key"].to_pylist()] == [1, 3]
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (3, 2, {"not in this store": 1})


def test_an_import_overwrites_nothing_and_tells_new_known_and_conflicting_apart(store: Path, tmp_path: Path) -> None:
    fill(store, kept(1), kept(2, raw=answer(text="theirs")), kept(3))
    export(store, "x.parquet")
    ours = fill(tmp_path / "ours.db", kept(1, days=1), kept(2, raw=answer(text="ours")))
    summary = import_(tmp_path / "ours.db", "x.parquet")
    assert held(tmp_path / "ours.db") == [*ours, kept(3)]
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (3, 1, {"known": 1, "conflicting": 1})
    assert "For 1 of them another answer is held here, which stays" in summary.warnings[0]


def test_an_import_can_be_repeated(store: Path, tmp_path: Path) -> None:
    answers = fill(store, kept(1), kept(2))
    export(store, "x.parquet")
    for dropped in ({"known": 0, "conflicting": 0}, {"known": 2, "conflicting": 0}):
        assert import_(tmp_path / "other.db", "x.parquet").dropped == dropped
    assert held(tmp_path / "other.db") == answers


def test_an_empty_store_can_be_exported_and_imported(store: Path, tmp_path: Path) -> None:
    fill(store)
    assert export(store, "x.parquet").rows_out == 0
    assert import_(tmp_path / "other.db", "x.parquet").rows_in == 0


def test_an_export_is_parquet_by_its_name(store: Path) -> None:
    fill(store, kept(1))
    with pytest.raises(UsageError, match="is a Parquet file"):
        export(store, "x.jsonl")


def write_export(answers: list[dict[str, Any]], footer: dict[str, Any] | None, schema: pa.Schema = SCHEMA) -> None:
    metadata = None if footer is None else {FOOTER_KEY: json.dumps(footer)}
    pq.write_table(pa.Table.from_pylist(answers, schema=schema.with_metadata(metadata)), "x.parquet")


FOOTER = {"stage": "cache export", "settings": {"format": 1}, "inputs": [], "version": "0"}
GOOD = kept(1)._asdict()


@pytest.mark.parametrize(
    ("answers", "footer", "said"),
    [
        ([GOOD], None, "is not an export of answers"),
        ([GOOD], FOOTER | {"stage": "judge"}, r"is not an export of answers \(it was made by `prefpipe judge`\)"),
        ([GOOD], FOOTER | {"settings": {"format": 2}}, "is an export of format 2; this prefpipe reads format 1"),
        ([GOOD, GOOD | {"key": "../" + "0" * 29}], FOOTER, "row 2: the answer's key"),
        ([GOOD, GOOD | {"key": "0" * 31}], FOOTER, "row 2: the answer's key"),
        ([GOOD, GOOD | {"created": -1}], FOOTER, "row 2: the answer's key or time"),
        ([GOOD, GOOD | {"raw": b"<html>"}], FOOTER, "row 2 is not an answer of a model"),
        ([GOOD, GOOD | {"raw": b'{"error": {"message": "no"}}'}], FOOTER, "row 2 is not an answer of a model"),
    ],
)
def test_what_is_no_export_is_refused_and_nothing_of_it_is_taken(
    store: Path, answers: list[dict[str, Any]], footer: dict[str, Any] | None, said: str
) -> None:
    write_export(answers, footer)
    with pytest.raises(UsageError, match=said):
        import_(store, "x.parquet")
    assert not store.exists()


def test_an_export_with_other_columns_is_refused(store: Path) -> None:
    write_export([GOOD], FOOTER, SCHEMA.append(pa.field("extra", pa.string())))
    with pytest.raises(UsageError, match="is not an export of answers"):
        import_(store, "x.parquet")


def test_a_file_that_is_no_parquet_is_refused(store: Path) -> None:
    Path("x.parquet").write_text("no")
    with pytest.raises(UsageError, match="not a readable Parquet file"):
        import_(store, "x.parquet")
