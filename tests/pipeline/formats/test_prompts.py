import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.prompts import read_prompts
from prefpipe.pipeline.ids import prompt_id

Row = dict[str, Any]
WriteLines = Callable[[str, list[Row]], Path]

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def read_one(write_lines: WriteLines) -> Callable[..., Row]:
    def read(row: Row, column: str | None = None) -> Row:
        [prompt] = read_prompts(write_lines("prompts.jsonl", [row]), column)
        return prompt

    return read


ReadOne = Callable[..., Row]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "Hello"}, "Hello"),
        ({"prompt": HELLO}, "Hello"),
        ({"messages": HELLO}, "Hello"),
        ({"messages": "Hello"}, "Hello"),
        ({"instruction": "Hello"}, "Hello"),
        ({"instruction": "Hello", "input": ""}, "Hello"),
        ({"instruction": "Translate:", "input": "Hello"}, "Translate:\n\nHello"),
        ({"prompt": None, "messages": HELLO}, "Hello"),
        ({"prompt": "Hello", "messages": "not this", "instruction": "nor this"}, "Hello"),
    ],
)
def test_the_conversation_is_found_in_the_first_of_the_known_columns(read_one: ReadOne, row: Row, said: str) -> None:
    prompt = read_one(row)
    assert prompt["prompt"] == [{"role": "user", "content": said}]
    assert prompt["prompt_id"] == prompt_id(prompt["prompt"])


def test_the_user_may_name_the_column(read_one: ReadOne) -> None:
    prompt = read_one({"question": "Hello", "prompt": "not this"}, "question")
    assert prompt["prompt"] == HELLO
    assert prompt["metadata"] == '{"prompt":"not this"}'


def test_all_other_columns_travel_along_as_metadata_whatever_their_order(read_one: ReadOne) -> None:
    one = read_one({"prompt": "Hello", "topic": "any", "difficulty": 2})
    assert json.loads(one["metadata"]) == {"topic": "any", "difficulty": 2}
    assert read_one({"difficulty": 2, "topic": "any", "prompt": "Hello"}) == one


@pytest.mark.parametrize("metadata", [{"source": "mine"}, '{"source": "mine"}'])
def test_metadata_that_is_there_already_is_kept_beside_other_columns(read_one: ReadOne, metadata: object) -> None:
    prompt = read_one({"prompt": "Hello", "metadata": metadata, "topic": "any"})
    assert json.loads(prompt["metadata"]) == {"source": "mine", "topic": "any"}


@pytest.mark.parametrize("metadata", [None, "", {}])
def test_without_other_columns_there_is_no_metadata(read_one: ReadOne, metadata: object) -> None:
    assert read_one({"prompt": "Hello", "metadata": metadata})["metadata"] is None


def test_the_users_own_id_and_reference_are_kept(read_one: ReadOne) -> None:
    prompt = read_one({"prompt": "Hello", "prompt_id": "mine-1", "reference": "Hi!"})
    assert (prompt["prompt_id"], prompt["reference"], prompt["metadata"]) == ("mine-1", "Hi!", None)


@pytest.mark.parametrize("number", [7, 0, -1, 2**70])
def test_a_whole_number_as_an_id_means_the_same_as_its_digits(read_one: ReadOne, number: int) -> None:
    assert read_one({"prompt": "Hello", "prompt_id": number})["prompt_id"] == str(number)
    assert read_one({"prompt": "Hello", "prompt_id": number}) == read_one({"prompt": "Hello", "prompt_id": str(number)})


def test_an_id_is_the_same_in_whatever_format_a_file_brings_it(tmp_path: Path, write_lines: WriteLines) -> None:
    (tmp_path / "prompts.csv").write_text("prompt,prompt_id\nHello,7\n")
    pq.write_table(pa.table({"prompt": ["Hello"], "prompt_id": [7]}), tmp_path / "prompts.parquet")
    files = [tmp_path / "prompts.csv", tmp_path / "prompts.parquet"]
    files.append(write_lines("prompts.jsonl", [{"prompt": "Hello", "prompt_id": 7}]))
    assert [row["prompt_id"] for path in files for row in read_prompts(path)] == ["7", "7", "7"]


def test_an_empty_reference_is_none(read_one: ReadOne) -> None:
    assert read_one({"prompt": "Hello", "reference": ""})["reference"] is None


def test_a_parquet_file_with_dates_beside_its_prompts_can_be_read(tmp_path: Path) -> None:
    columns = {"prompt": ["Hello"], "made": [datetime(2024, 1, 2, tzinfo=UTC)], "raw": [b"\x00"]}
    pq.write_table(pa.table(columns), tmp_path / "prompts.parquet")
    [prompt] = read_prompts(tmp_path / "prompts.parquet")
    assert json.loads(prompt["metadata"])["made"] == "2024-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("row", "problem", "hint"),
    [
        ({"question": "Hello", "n": 1}, "has no column 'prompt', 'messages' or 'instruction'", "It has question, n"),
        ({"prompt": None, "n": 1}, "'prompt' is empty", "fill it in"),
        ({"prompt": ""}, "the prompt is empty", "fill it in"),
        ({"prompt": "Hello", "prompt_id": 5.0}, "'prompt_id' is neither a text nor a whole number", "as a string"),
        ({"prompt": "Hello", "prompt_id": True}, "'prompt_id' is neither a text nor a whole number", "as a string"),
        ({"prompt": "Hello", "prompt_id": ["5"]}, "'prompt_id' is neither a text nor a whole number", "as a string"),
        ({"prompt": "Hello", "reference": ["a"]}, "'reference' is not a text", "as a string"),
        ({"prompt": "Hello", "metadata": "[1]"}, "'metadata' is not a JSON object", "rename"),
        ({"prompt": "Hello", "metadata": "{"}, "'metadata' is not a JSON object", "rename"),
        ({"prompt": "Hello", "metadata": 5}, "'metadata' is not a JSON object", "rename"),
    ],
)
def test_a_row_that_is_no_prompt_is_named(write_lines: WriteLines, row: Row, problem: str, hint: str) -> None:
    path = write_lines("prompts.jsonl", [{"prompt": "Fine"}, row])
    prompts = read_prompts(path)
    next(prompts)
    with pytest.raises(UsageError, match=problem) as error:
        next(prompts)
    assert "prompts.jsonl, line 2" in error.value.message
    assert hint in str(error.value.hint)


def test_a_mistyped_column_is_answered_with_the_nearest_one(write_lines: WriteLines) -> None:
    with pytest.raises(UsageError, match="has no column 'qestion'") as error:
        list(read_prompts(write_lines("prompts.jsonl", [{"question": "Hello"}]), "qestion"))
    assert error.value.hint == "Did you mean 'question'?"


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("prompt\n")
    with pytest.raises(UsageError, match="holds no prompts"):
        list(read_prompts(tmp_path / "prompts.csv"))


@pytest.mark.parametrize("name", ["responses.parquet", "responses.jsonl"])
def test_a_responses_table_is_not_taken_for_prompts(data: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is a responses table, not prompts"):
        list(read_prompts(data / name))
