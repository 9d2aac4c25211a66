import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.responses import read_candidates
from prefpipe.pipeline.ids import prompt_id, response_id
from prefpipe.pipeline.provenance import Provenance
from prefpipe.pipeline.reading import BATCH_ROWS
from prefpipe.pipeline.tables import RESPONSES
from prefpipe.pipeline.writing import TableWriter

Row = dict[str, Any]
WriteLines = Callable[[str, list[Row]], Path]

ROW: Row = {"prompt": "Hello", "model": "m", "content": "Hi!"}


def write_own(path: Path, rows: list[Row]) -> Path:
    with TableWriter(path, RESPONSES.schema, Provenance("generate", {})) as writer:
        writer.write_rows(rows)
    return path


def test_candidates_are_grouped_by_prompt_and_ordered_by_id(data: Path) -> None:
    groups = list(read_candidates(data / "responses.parquet"))
    assert [len(group) for group in groups] == [3] * 5
    for group in groups:
        assert len({row["prompt_id"] for row in group}) == 1
        assert [row["response_id"] for row in group] == sorted(row["response_id"] for row in group)
    assert [row for group in groups for row in group if row["model"] == "sim:fair"] == [
        row for row in pq.read_table(data / "responses.parquet").to_pylist() if row["model"] == "sim:fair"
    ]


def by_id(groups: list[list[Row]]) -> list[list[Row]]:
    return sorted(groups, key=lambda group: str(group[0]["prompt_id"]))


def test_the_order_of_rows_makes_no_difference(data: Path, tmp_path: Path) -> None:
    expected = by_id(list(read_candidates(data / "responses.parquet")))
    rows = pq.read_table(data / "responses.parquet").to_pylist()
    for step in (2, 4, 7):
        shuffled = [rows[place * step % len(rows)] for place in range(len(rows))]
        assert shuffled != rows
        assert by_id(list(read_candidates(write_own(tmp_path / "own.parquet", shuffled)))) == expected


def test_the_format_makes_no_difference(data: Path, tmp_path: Path) -> None:
    expected = by_id(list(read_candidates(data / "responses.parquet")))
    assert by_id(list(read_candidates(data / "responses.jsonl"))) == expected
    pl.read_parquet(data / "responses.parquet").write_parquet(tmp_path / "polars.parquet")
    assert by_id(list(read_candidates(tmp_path / "polars.parquet"))) == expected


def test_a_prompt_whose_rows_lie_in_two_batches_stays_one_group(tmp_path: Path) -> None:
    def row(number: int) -> Row:
        prompt = [{"role": "user", "content": str(number // 3)}]
        status = {"sample": number % 3, "status": "ok", "model": "m", "content": str(number)}
        return {"prompt_id": f"p{number // 3}", "response_id": f"r{number}", "prompt": prompt, **status}

    path = write_own(tmp_path / "own.parquet", [row(number) for number in range(BATCH_ROWS + 100)])
    groups = list(read_candidates(path))
    assert (BATCH_ROWS % 3, [len(group) for group in groups[:-1]]) == (2, [3] * (len(groups) - 1))
    assert [group[0]["prompt_id"] for group in groups] == [f"p{number}" for number in range(len(groups))]


def test_of_a_file_made_elsewhere_ids_samples_and_status_follow(write_lines: WriteLines) -> None:
    rows = [ROW, {**ROW, "content": "Hello!"}, {**ROW, "model": "n"}, {**ROW, "model": "o", "content": None}]
    [group] = read_candidates(write_lines("r.jsonl", rows))
    prompt = prompt_id([{"role": "user", "content": "Hello"}])
    found = {row["response_id"]: (row["model"], row["sample"], row["content"], row["status"]) for row in group}
    assert found == {
        response_id(prompt, "m", 0, "Hi!"): ("m", 0, "Hi!", "ok"),
        response_id(prompt, "m", 1, "Hello!"): ("m", 1, "Hello!", "ok"),
        response_id(prompt, "n", 0, "Hi!"): ("n", 0, "Hi!", "ok"),
        response_id(prompt, "o", 0, None): ("o", 0, None, "error"),
    }
    assert {row["prompt_id"] for row in group} == {prompt}


def test_a_file_with_prompt_model_and_content_alone_gets_the_ids_that_generate_gave(data: Path, tmp_path: Path) -> None:
    whole = pl.read_parquet(data / "responses.parquet")
    whole.select("prompt", "model", "content").write_parquet(tmp_path / "three.parquet")
    ids = {row["response_id"] for group in read_candidates(tmp_path / "three.parquet") for row in group}
    assert ids == set(whole["response_id"])


def test_ids_that_are_null_are_derived_even_where_all_columns_stand(data: Path, tmp_path: Path) -> None:
    whole = pq.read_table(data / "responses.parquet")
    for name in ("prompt_id", "response_id", "status", "sample"):
        nulls = pa.nulls(whole.num_rows, whole.schema.field(name).type)
        pq.write_table(whole.set_column(whole.schema.get_field_index(name), name, nulls), tmp_path / "nulls.parquet")
        groups = by_id(list(read_candidates(tmp_path / "nulls.parquet")))
        assert groups == by_id(list(read_candidates(data / "responses.parquet")))


def test_other_columns_travel_along_as_metadata(write_lines: WriteLines) -> None:
    [[row]] = read_candidates(write_lines("r.jsonl", [{**ROW, "source": "mine", "reference": "Hey"}]))
    assert (json.loads(row["metadata"]), row["reference"]) == ({"source": "mine"}, "Hey")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"model": "m", "content": "Hi!"}, "line 2 has no column 'prompt'"),
        ({"prompt": "Hello", "content": "Hi!"}, "line 2 has no column 'model'"),
        ({"messages": "Hello", "model": "m"}, "line 2 has no column 'content'"),
        ({**ROW, "model": ""}, "line 2: 'model' is not a text"),
        ({**ROW, "model": 5}, "line 2: 'model' is not a text"),
        ({**ROW, "content": ["Hi!"]}, "line 2: 'content' is not a text"),
        ({**ROW, "status": "fine"}, "line 2: the status 'fine' is unknown"),
        ({**ROW, "status": []}, "line 2: the status '\\[\\]' is unknown"),
        ({**ROW, "sample": "first"}, "line 2: 'sample' is \"first\", where a responses table has a whole number"),
        ({**ROW, "sample": 10**20}, "line 2: 'sample' is 1000"),
        ({**ROW, "response_id": 7.5}, "line 2: 'response_id' is 7.5"),
        ({**ROW, "prompt": ""}, "line 2: the prompt is empty"),
    ],
)
def test_a_row_that_is_no_response_is_named(write_lines: WriteLines, row: Row, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as error:
        list(read_candidates(write_lines("r.jsonl", [ROW, row])))
    assert error.value.hint


def test_a_mistyped_status_is_answered_with_the_nearest(write_lines: WriteLines) -> None:
    with pytest.raises(UsageError) as refusal:
        list(read_candidates(write_lines("r.jsonl", [{**ROW, "status": "eror"}])))
    assert refusal.value.hint == "Did you mean 'error'?"


@pytest.mark.parametrize("write", [write_own, lambda path, rows: pq.write_table(pa.Table.from_pylist(rows), path)])
def test_one_id_for_two_prompts_or_two_responses_is_refused(
    data: Path, tmp_path: Path, write: Callable[[Path, list[Row]], object]
) -> None:
    one, two, *_ = pq.read_table(data / "responses.parquet").to_pylist()
    path = tmp_path / "r.parquet"
    write(path, [one, {**two, "prompt": [{"role": "user", "content": "Other"}]}])
    with pytest.raises(UsageError, match=f"two different prompts have the id {one['prompt_id']}"):
        list(read_candidates(path))
    write(path, [one, two, {**one, "content": "Other"}])
    with pytest.raises(UsageError, match=f"the response {one['response_id']} .* stands there twice"):
        list(read_candidates(path))


@pytest.mark.parametrize("name", ["prompts.jsonl", "votes.parquet", "rankings.jsonl"])
def test_a_table_of_another_kind_is_refused_with_the_command_that_makes_responses(data: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name}, \w+ 1 has no column '\w+', so it is not a response") as error:
        list(read_candidates(data / name))
    assert "prefpipe generate" in str(error.value.hint)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    write_own(tmp_path / "r.parquet", [])
    (tmp_path / "r.csv").write_text("prompt,model,content\n")
    for name in ("r.parquet", "r.csv"):
        with pytest.raises(UsageError, match=f"{name} holds no r"):
            list(read_candidates(tmp_path / name))
