from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.inspect import inspect
from prefpipe.pipeline.reading import BATCH_ROWS

WriteLines = Callable[[str, list[dict[str, Any]]], Path]


@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("prompts.jsonl", "prompts", 5),
        ("responses.parquet", "responses", 15),
        ("responses.jsonl", "responses", 15),
        ("votes.parquet", "votes", 30),
        ("rankings.jsonl", "rankings", 5),
    ],
)
def test_a_table_is_known_by_its_columns(data: Path, name: str, kind: str, rows: int) -> None:
    table = inspect(data / name)
    assert (table.name, table.kind, table.rows) == (name, kind, rows)


def test_preferences_and_tables_of_no_known_kind_are_told_apart(write_lines: WriteLines) -> None:
    assert inspect(write_lines("a.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])).kind == "preferences"
    assert inspect(write_lines("b.jsonl", [{"a": 1}])).kind is None


@pytest.mark.parametrize("name", ["responses.parquet", "responses.jsonl"])
def test_the_first_rows_and_the_count_of_each_status_are_shown(data: Path, name: str) -> None:
    table = inspect(data / name, 2)
    assert table.sample == pq.read_table(data / "responses.parquet").to_pylist()[:2]
    assert table.statuses == {"ok": 15}
    assert inspect(data / name, 0).sample == []
    assert len(inspect(data / name, 99).sample) == 15


def test_it_says_where_a_table_came_from(data: Path) -> None:
    table = inspect(data / "votes.parquet")
    assert table.provenance is not None
    assert (table.provenance.stage, table.provenance.settings["judges"]) == ("judge", ["sim:judge"])
    assert [made["name"] for made in table.provenance.inputs] == ["responses.parquet"]


def test_types_are_written_for_people(data: Path) -> None:
    columns = inspect(data / "responses.parquet").columns
    assert (columns["prompt"], columns["sample"]) == ("list of {role, content}", "int32")


def test_a_table_without_rows_has_columns_still(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], "int8")}), tmp_path / "empty.parquet")
    table = inspect(tmp_path / "empty.parquet")
    assert (table.rows, table.columns, table.sample) == (0, {"a": "int8"}, [])


def test_columns_that_are_always_null_are_columns(write_lines: WriteLines) -> None:
    vote = {"prompt_id": "p", "judge": "j", "shown": ["a", "b"], "ranks": None}
    table = inspect(write_lines("votes.jsonl", [vote, vote]))
    assert (table.kind, table.columns["ranks"]) == ("votes", "null")


def test_a_column_of_several_types_has_them_all(write_lines: WriteLines) -> None:
    rows = [{"a": value} for value in (1, None, "x", 2)]
    assert inspect(write_lines("a.jsonl", rows)).columns == {"a": "int or str"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_a_file_of_lines_without_rows_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text({"a.jsonl": "\n\n", "a.csv": "a,b\n", "a.json": "[]"}[name])
    with pytest.raises(UsageError, match=rf"{name} holds no rows\.$"):
        inspect(tmp_path / name)


def test_more_rows_than_one_batch_can_be_shown(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(BATCH_ROWS + 5)}), tmp_path / "long.parquet")
    assert [row["a"] for row in inspect(tmp_path / "long.parquet", BATCH_ROWS + 2).sample] == [*range(BATCH_ROWS + 2)]
    assert len(inspect(tmp_path / "long.parquet", 10**20).sample) == BATCH_ROWS + 5


def test_a_status_that_is_no_text_is_not_counted(tmp_path: Path) -> None:
    pq.write_table(pa.table({"status": [["ok"], None]}), tmp_path / "a.parquet")
    assert inspect(tmp_path / "a.parquet").statuses == {}
    pq.write_table(pa.table({"status": ["ok", None]}), tmp_path / "b.parquet")
    assert inspect(tmp_path / "b.parquet").statuses == {"ok": 1}


@pytest.mark.parametrize("name", ["none.parquet", "none.jsonl"])
def test_a_missing_file_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"There is no file {name}"):
        inspect(name)
