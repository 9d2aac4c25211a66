import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import RunError, UsageError
from prefpipe.pipeline.generate import generate
from prefpipe.pipeline.ids import response_id
from prefpipe.pipeline.llm.client import Client
from prefpipe.pipeline.llm.simulator import Reply, Simulator, author, running
from prefpipe.pipeline.reading import fingerprint, provenance
from prefpipe.pipeline.tables import RESPONSES
from prefpipe.pipeline.writing import TableWriter

Row = dict[str, Any]
WriteLines = Callable[[str, list[Row]], Path]

TOPICS = ("apricots", "bridges", "candles", "dolphins", "engines", "forests", "glaciers", "hammers")
PROMPTS: list[Row] = [{"prompt": topic} for topic in TOPICS]
OUT = Path("responses.parquet")


def rows(path: Path = OUT) -> list[Row]:
    found: list[Row] = pq.read_table(path).to_pylist()
    return found


def left() -> set[str]:
    """Return the names of all files of the test's folder but the answer store."""
    return {path.name for path in Path().iterdir()} - {".prefpipe"}


def test_each_prompt_has_a_row_for_each_model_and_sample_in_their_order(write_lines: WriteLines) -> None:
    summary = generate(write_lines("p.jsonl", PROMPTS), OUT, models=["sim:strong", "sim:weak"], samples=2)
    assert [(row["prompt"][0]["content"], row["model"], row["sample"]) for row in rows()] == [
        (topic, model, sample) for topic in TOPICS for model in ("sim:strong", "sim:weak") for sample in range(2)
    ]
    assert pq.read_schema(OUT).equals(RESPONSES.schema)
    assert (summary.rows_in, summary.rows_out, summary.figures["responses"]) == (8, 8, 32)


def test_every_answer_stands_beside_its_own_prompt_and_model_whatever_the_order_of_arrival(
    write_lines: WriteLines,
) -> None:
    troubled = "latency=0.002&latency_spread=1.5&error_429=0.3&retry_after=0.001&refuse=0.2&truncate=0.1"
    models = [f"sim:strong?{troubled}", f"sim:weak?{troubled}"]
    summary = generate(write_lines("p.jsonl", PROMPTS), OUT, models=models, samples=4, concurrency=7)
    assert summary.figures["retries"]
    statuses = Counter(row["status"] for row in rows())
    assert statuses.keys() == {"ok", "refused", "truncated"}
    assert all(summary.figures[status] == count for status, count in statuses.items())
    for row in rows():
        topic = row["prompt"][0]["content"]
        assert row["response_id"] == response_id(row["prompt_id"], row["model"], row["sample"], row["content"])
        if row["status"] == "refused":
            assert row["content"] is None
            continue
        assert {word for word in TOPICS if word in row["content"].lower()} == {topic}
        if row["status"] == "ok":
            assert author(row["content"]) == row["model"].removeprefix("sim:")


def test_the_prompts_reference_and_other_columns_travel_along(write_lines: WriteLines) -> None:
    prompts = [{"prompt": "apricots", "prompt_id": "mine", "reference": "A fruit.", "topic": "food"}]
    generate(write_lines("p.jsonl", prompts), OUT, models=["sim:weak"])
    [row] = rows()
    assert (row["prompt_id"], row["reference"], row["metadata"]) == ("mine", "A fruit.", '{"topic":"food"}')


def test_a_call_that_fails_is_a_row_with_its_reason_and_the_others_are_as_without_it(write_lines: WriteLines) -> None:
    path = write_lines("p.jsonl", [PROMPTS[0], {"prompt": "bridges " * 500}, PROMPTS[2]])
    summary = generate(path, OUT, models=["sim:weak?context=300"])
    first, failed, last = rows()
    assert (failed["status"], failed["content"]) == ("refused", None)
    assert "maximum context length is 300" in failed["error"]
    assert [row["status"] for row in (first, last)] == ["ok", "ok"]
    assert (summary.rows_out, summary.figures["ok"], summary.figures["refused"]) == (3, 2, 1)
    assert any("1 of 3 responses cannot be used" in warning for warning in summary.warnings)


def test_running_again_asks_nothing_and_gives_the_same_bytes(write_lines: WriteLines) -> None:
    path = write_lines("p.jsonl", PROMPTS)
    first = generate(path, OUT, models=["sim:strong", "sim:weak"])
    before = OUT.read_bytes()
    again = generate(path, OUT, models=["sim:strong", "sim:weak"])
    assert (first.figures["sent"], again.figures["sent"], again.figures["from_store"]) == (16, 0, 16)
    assert OUT.read_bytes() == before


def test_without_the_store_the_same_is_answered_as_long_as_the_seed_is_the_same(write_lines: WriteLines) -> None:
    path = write_lines("p.jsonl", PROMPTS)
    texts = []
    for seed, store in ((1, "a.db"), (1, "b.db"), (2, "c.db"), (None, "d.db"), (None, "e.db")):
        generate(path, OUT, models=["sim:weak"], samples=2, seed=seed, store=store)
        texts.append([row["content"] for row in rows()])
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
    assert texts[3] == texts[4]
    assert len(set(texts[0])) == 16


def test_only_what_is_new_is_asked(write_lines: WriteLines) -> None:
    path = write_lines("p.jsonl", PROMPTS)
    generate(path, OUT, models=["sim:weak"])
    keys = {row["prompt_id"]: row["request_key"] for row in rows()}
    more = write_lines("more.jsonl", [{"prompt": "islands"}, *reversed(PROMPTS)])
    assert generate(more, OUT, models=["sim:weak"]).figures["sent"] == 1
    assert keys.items() <= {row["prompt_id"]: row["request_key"] for row in rows()}.items()
    assert generate(path, OUT, models=["sim:weak"], samples=2).figures["sent"] == 8
    assert generate(path, OUT, models=["sim:weak", "sim:fair"]).figures["sent"] == 8
    assert generate(path, "other.jsonl", models=["sim:weak"], concurrency=1).figures["sent"] == 0


@pytest.mark.parametrize(
    "change", [{"system": "Be brief."}, {"temperature": 0.5}, {"max_tokens": 500}, {"seed": 1}], ids=str
)
def test_whatever_changes_what_is_sent_asks_again(write_lines: WriteLines, change: dict[str, Any]) -> None:
    path = write_lines("p.jsonl", PROMPTS)
    generate(path, OUT, models=["sim:weak"])
    assert generate(path, OUT, models=["sim:weak"], **change).figures["sent"] == 8


class Thinking(Simulator):
    """A server that leaves the reasoning inside the content."""

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        reply = super().respond(method, path, headers, body)
        answer = json.loads(reply.body)
        message, asked = answer["choices"][0]["message"], json.loads(body)["messages"][0]["content"]
        message["content"] = f"<think>\n{asked}?" + (
            "" if asked == "hammers" else f"\n</think>\n\n{message['content']}"
        )
        return replace(reply, body=json.dumps(answer).encode())


class Cutting(Simulator):
    """A server that cuts the answer to one prompt off, as long as it is told to."""

    cutting = True

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        reply = super().respond(method, path, headers, body)
        if not (self.cutting and b"hammers" in body):
            return reply
        answer = json.loads(reply.body)
        answer["choices"][0]["finish_reason"] = "length"
        return replace(reply, body=json.dumps(answer).encode())


def test_an_answer_that_was_cut_off_is_asked_for_once_more_only_if_told(write_lines: WriteLines) -> None:
    prompts, server = write_lines("p.jsonl", PROMPTS), Cutting()
    with running(server) as url:
        models = [f"good@{url}"]
        assert generate(prompts, OUT, models=models).figures["truncated"] == 1
        assert "--retry-failed" in generate(prompts, OUT, models=models).warnings[0]
        server.cutting = False
        assert generate(prompts, OUT, models=models).figures["sent"] == 0
        assert generate(prompts, OUT, models=models, retry_failed=True, dry_run=True).figures["to_send"] == 1
        mended = generate(prompts, OUT, models=models, retry_failed=True)
        assert (mended.figures["sent"], mended.figures["ok"], mended.figures["spent_usd"]) == (1, len(PROMPTS), 0)
        # What came instead has taken the old answer's place.
        assert generate(prompts, OUT, models=models, retry_failed=True).figures["sent"] == 0
    assert {row["status"] for row in rows()} == {"ok"}


def test_batches_ask_for_nothing_once_more(write_lines: WriteLines) -> None:
    with pytest.raises(UsageError, match="--retry-failed does not go through batches"):
        generate(write_lines("p.jsonl", PROMPTS), OUT, models=["sim:weak"], batch=True, retry_failed=True)


def test_reasoning_stands_beside_the_content_and_none_is_left_in_it(write_lines: WriteLines) -> None:
    prompts = write_lines("p.jsonl", PROMPTS)
    with running(Thinking()) as url:
        generate(prompts, OUT, models=[f"good@{url}"])
        assert generate(prompts, OUT, models=[f"good@{url}"]).figures["sent"] == 0
    *answered, endless = rows()
    assert [row["reasoning"] for row in rows()] == [f"{topic}?" for topic in TOPICS]
    for row in answered:
        assert (row["status"], author(row["content"]), "think" in row["content"]) == ("ok", "good", False)
    assert (endless["status"], endless["error"], endless["content"]) == ("invalid", "the thinking never ends", None)


def test_a_system_message_is_put_before_prompts_that_bring_none(write_lines: WriteLines, sent: dict[str, Row]) -> None:
    asked = {"role": "user", "content": "apricots"}
    path = write_lines("p.jsonl", [{"prompt": [asked]}, {"prompt": [{"role": "system", "content": "Own."}, asked]}])
    generate(path, OUT, models=["sim:weak"], system="Ours.")
    first, second = rows()
    assert sent[first["request_key"]]["messages"] == [{"role": "system", "content": "Ours."}, asked]
    assert sent[second["request_key"]]["messages"] == [{"role": "system", "content": "Own."}, asked]
    assert first["prompt"] == [asked]


def test_what_is_asked_of_the_models_is_passed_on(write_lines: WriteLines, sent: dict[str, Row]) -> None:
    path = write_lines("p.jsonl", PROMPTS[:1])
    generate(path, OUT, models=["sim:weak"], temperature=0.25, max_tokens=7)
    [body] = sent.values()
    assert (body["temperature"], body["max_tokens"]) == (0.25, 7)
    [row] = rows()
    assert (row["status"], row["finish_reason"], row["completion_tokens"]) == ("truncated", "length", 7)
    assert row["content"]


def test_a_table_that_cannot_be_written_on_ends_all_calls_and_keeps_what_was_answered(
    write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_writer: TableWriter, _table: pa.Table) -> None:
        raise RunError("The disk is full.")

    closed: list[Client] = []

    async def close(client: Client) -> None:
        closed.append(client)

    path = write_lines("p.jsonl", PROMPTS)
    with monkeypatch.context() as patch:
        patch.setattr("prefpipe.pipeline.writing._CHUNK_ROWS", 2)
        patch.setattr(TableWriter, "write", full)
        patch.setattr(Client, "close", close)
        with pytest.raises(RunError) as kept:
            generate(path, OUT, models=["sim:weak"], concurrency=2)
        assert (kept.value.message, len(closed)) == ("The disk is full.", 1)
    assert left() == {"p.jsonl"}
    again = generate(path, OUT, models=["sim:weak"])
    assert again.figures["from_store"]


def test_a_prompt_that_stands_there_twice_is_asked_once_and_accounted_for(write_lines: WriteLines) -> None:
    path = write_lines("p.jsonl", [*PROMPTS, PROMPTS[0], PROMPTS[3], PROMPTS[0]])
    summary = generate(path, OUT, models=["sim:weak"])
    assert len(rows()) == 8
    assert (summary.rows_in, summary.rows_out) == (11, 8)
    assert summary.dropped == {"stood in the file before": 3}


def test_one_id_for_two_prompts_is_refused_and_nothing_is_left(write_lines: WriteLines) -> None:
    path = write_lines("p.jsonl", [{"prompt": "a", "prompt_id": "x"}, {"prompt": "b", "prompt_id": "x"}])
    with pytest.raises(UsageError, match=r"p\.jsonl: two different prompts have the id x"):
        generate(path, OUT, models=["sim:weak"])
    assert left() == {"p.jsonl"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"models": ["sim:weak", "sim:wek"]}, "There is no simulated model 'wek'"),
        ({"models": ["sim:weak", "sim:weak"]}, "sim:weak is named 2 times"),
        ({"models": []}, "No model is named"),
        ({"models": ["gpt-4o-mini"]}, "OPENAI_API_KEY is not set"),
        ({"models": ["sim:weak"], "samples": 0}, "--samples must be at least 1, not 0"),
        ({"models": ["sim:weak"], "concurrency": 0}, "nothing is asked"),
        ({"models": ["sim:weak"], "prompt_column": "question"}, "has no column 'question'"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_left(
    write_lines: WriteLines, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        generate(write_lines("p.jsonl", PROMPTS), OUT, **options)
    assert left() == {"p.jsonl"}


def test_the_footer_says_what_shaped_the_answers_and_nothing_of_how_fast_they_came(write_lines: WriteLines) -> None:
    path = write_lines("p.jsonl", PROMPTS)
    generate(path, OUT, models=["sim:weak"], seed=3, concurrency=2, store="a.db")
    made = provenance(OUT)
    assert made is not None
    assert (made.stage, made.inputs) == ("generate", [fingerprint(path)])
    assert made.settings == {
        "models": ["sim:weak"],
        "samples": 1,
        "system": None,
        "temperature": None,
        "max_tokens": None,
        "seed": 3,
    }


def test_a_dry_run_needs_no_key(write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = write_lines("p.jsonl", PROMPTS)
    assert generate(path, OUT, models=["gpt-4o"], dry_run=True).figures["to_send"] == len(PROMPTS)
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        generate(path, OUT, models=["gpt-4o"])
