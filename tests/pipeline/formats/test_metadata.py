import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.metadata import MOST_VALUES, values_of

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]


def answer(prompt: str, model: str, **columns: Any) -> Row:
    """A response made elsewhere."""
    return {"prompt": prompt, "prompt_id": prompt, "model": model, "content": "So."} | columns


def responses(folder: Path, columns: list[Row | str | None], ending: str = "parquet") -> Path:
    """Two responses to each prompt p0, p1, …, with these columns of the prompts."""
    rows = [
        {
            "prompt_id": f"p{number}",
            "response_id": f"r{number}{model}",
            "prompt": [{"role": "user", "content": f"Question {number}"}],
            "model": model,
            "content": "text",
            "metadata": json.dumps(row) if isinstance(row, dict) else row,
        }
        for number, row in enumerate(columns)
        for model in "ab"
    ]
    path = folder / f"responses.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def told(path: Path, column: str, *prompts: str) -> list[str]:
    codes, values = values_of(path, column, pa.array(prompts))
    assert values == [*sorted(values[:-1]), "(none)"]
    return [values[code] for code in codes]


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_the_value_of_each_prompt_is_found_by_id(tmp_path: Path, ending: str) -> None:
    path = responses(tmp_path, [{"topic": "maths"}, {"topic": "code", "level": 2}, {"topic": "maths"}], ending)
    assert told(path, "topic", "p1", "p0", "p2", "p1") == ["code", "maths", "maths", "code"]


def test_what_is_no_text_stands_as_json_and_what_is_not_there_as_none(tmp_path: Path) -> None:
    columns: list[Row | str | None] = [{"x": 2}, {"x": True}, {"x": [1, "a"]}, {"x": None}, {"y": 1}, None, {"x": "2"}]
    path = responses(tmp_path, columns)
    found = told(path, "x", *(f"p{number}" for number in range(7)), "unknown")
    assert found == ["2", "true", '[1,"a"]', "(none)", "(none)", "(none)", "2", "(none)"]


def test_other_columns_of_a_file_made_elsewhere_are_found(write_lines: WriteLines) -> None:
    rows = [
        {"prompt": "Why?", "prompt_id": "p", "model": "a", "content": "So.", "topic": "why"},
        {"prompt": "How?", "prompt_id": "q", "model": "a", "content": "So.", "topic": "how"},
    ]
    assert told(write_lines("responses.jsonl", rows), "topic", "p", "q") == ["why", "how"]


def test_a_column_that_no_prompt_has_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = responses(tmp_path, [{"topic": "maths"}, {"level": 2}])
    with pytest.raises(UsageError, match=r"No prompt of .* has a column 'topics'.") as refusal:
        told(path, "topics", "p0")
    assert refusal.value.hint == "Did you mean 'topic'?"
    with pytest.raises(UsageError) as refusal:
        told(responses(tmp_path, [None]), "topic", "p0")
    assert refusal.value.hint == "Its prompts bring no columns of their own."


def test_a_column_of_very_many_values_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"has more than {MOST_VALUES} values"):
        told(responses(tmp_path, [{"id": number} for number in range(MOST_VALUES + 1)]), "id", "p0")


@pytest.mark.parametrize(
    ("other", "seen"), [({"topic": "how"}, "how"), ({}, r"\(none\)"), ({"topic": None}, r"\(none\)")]
)
@pytest.mark.parametrize("apart", [True, False])
def test_a_prompt_of_which_the_responses_differ_is_refused(
    write_lines: WriteLines, other: Row, seen: str, apart: bool
) -> None:
    rows = [answer("p", "a", topic="why"), answer("p", "b", **other)]
    rows.insert(1 if apart else 0, answer("q", "a", topic="why"))
    with pytest.raises(UsageError, match=r"responses to the prompt p differ in the column 'topic': .*why") as refusal:
        told(write_lines("responses.jsonl", rows), "topic", "q")
    assert re.search(seen, refusal.value.message)
    assert refusal.value.hint is not None


def test_a_prompt_of_which_the_rows_stand_apart_and_differ_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(responses(tmp_path, [{"x": 1}, {"x": 2}]))
    apart = table.take([0, 2, 1, 3])
    pq.write_table(apart, tmp_path / "apart.parquet")
    assert told(tmp_path / "apart.parquet", "x", "p0", "p1") == ["1", "2"]
    column = table.schema.get_field_index("metadata")
    swapped = apart.set_column(column, "metadata", table["metadata"])
    pq.write_table(swapped, tmp_path / "swapped.parquet")
    with pytest.raises(UsageError, match="responses to the prompt p0 differ in the column 'x': 1 and 2"):
        told(tmp_path / "swapped.parquet", "x", "p0", "p1")


def test_other_columns_and_the_order_of_keys_may_differ(write_lines: WriteLines) -> None:
    rows = [answer("p", "a", topic="why", length=3), answer("p", "b", length=4, topic="why")]
    assert told(write_lines("responses.jsonl", rows), "topic", "p") == ["why"]


def test_a_value_that_says_that_there_is_none_is_none(tmp_path: Path) -> None:
    codes, values = values_of(responses(tmp_path, [{"x": "(none)"}, {"y": 1}]), "x", pa.array(["p0", "p1"]))
    assert (codes.tolist(), values) == ([0, 0], ["(none)"])


@pytest.mark.parametrize("text", ["[1]", "{", "x"])
def test_metadata_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="which is not a JSON object"):
        told(responses(tmp_path, [text]), "topic", "p0")
