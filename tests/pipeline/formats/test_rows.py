import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.rows import rows

ROWS = [{"prompt": "Hi, you", "n": "1"}, {"prompt": 'Line\nbreak and "quotes"', "n": "2"}]


def write_lines(path: Path) -> None:
    path.write_text("\n".join(json.dumps(row) for row in ROWS))


def write_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)


FORMATS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "a.jsonl": (write_lines, ["line 1", "line 2"]),
    "a.ndjson": (write_lines, ["line 1", "line 2"]),
    "lines.json": (write_lines, ["line 1", "line 2"]),
    "array.json": (lambda path: path.write_text(json.dumps(ROWS, indent=1)), ["item 1", "item 2"]),
    "a.csv": (write_csv, ["line 2", "line 4"]),
    "a.parquet": (lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path), ["row 1", "row 2"]),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows_each_with_its_place(name: str) -> None:
    write, places = FORMATS[name]
    write(Path(name))
    found = list(rows(name))
    assert [row for _, row in found] == ROWS
    assert [place for place, _ in found] == [f"{name}, {place}" for place in places]


def test_standard_input_gives_the_rows_of_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}\n')))
    assert list(rows("-")) == [("standard input, line 1", {"a": 1})]


@pytest.mark.parametrize("name", ["a.csv", "array.json", "lines.json"])
def test_the_mark_with_which_windows_begins_a_text_is_no_part_of_it(name: str) -> None:
    FORMATS[name][0](Path(name))
    Path(name).write_bytes("\ufeff".encode() + Path(name).read_bytes())
    assert [row for _, row in rows(name)] == ROWS


def test_a_csv_field_may_be_as_long_as_a_prompt_is() -> None:
    Path("a.csv").write_text("prompt\n" + "word " * 100_000 + "\n")
    assert len(next(rows("a.csv"))[1]["prompt"]) == 500_000


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b'a,b\n1,2\n"1,2\n', r"a\.csv, line \d is not valid CSV"),
        ("a.csv", b'a,b\n"1"x,2\n', r"a\.csv, line \d is not valid CSV"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", r"a\.csv, line 3 does not have as many fields as the header \(2\)"),
        ("a.csv", b"a,b\n1\n", r"a\.csv, line 2 does not have as many fields"),
        ("a.csv", b"a,b\n\xe9,2\n", r"a\.csv is not UTF-8 text"),
        ("a.json", b'[{"a": 1}, ', r"a\.json is not valid JSON"),
        ("a.json", b'[{"a": "\xe9"}]', r"a\.json is not UTF-8 text"),
        ("a.json", b'[{"a": 1}, 2]', r"a\.json, item 2 is not a JSON object"),
        ("a.json", b"[" * 5000 + b"]" * 5000, r"a\.json is not valid JSON"),
        ("a.json", b'{"a": 1}\n{"a"', r"a\.json, line 2 is not valid JSON"),
        ("a.jsonl", b'{"a": 1}\n{"a"', r"a\.jsonl, line 2 is not valid JSON"),
        ("a.parquet", b'{"a": 1}\n', r"a\.parquet is not a readable Parquet file"),
        ("a.xlsx", b"PK", r"The ending of a\.xlsx names no format"),
        ("prompts", b"{}", r"The ending of prompts names no format"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(name: str, content: bytes, problem: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(UsageError, match=problem) as error:
        list(rows(name))
    assert error.value.hint


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_file_is_named_whatever_its_format(name: str) -> None:
    with pytest.raises(UsageError, match=f"There is no file {name}"):
        list(rows(name))


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=6)


@settings(max_examples=50)
@given(st.lists(st.fixed_dictionaries({"a": FIELD, "b": FIELD}), min_size=1, max_size=4))
def test_whatever_a_csv_writer_quotes_is_read_back_equal(table: list[dict[str, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["a", "b"], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(table)
        assert [row for _, row in rows(path)] == table


@settings(max_examples=200)
@given(st.sampled_from([".jsonl", ".json", ".csv", ".parquet"]), st.binary(min_size=1, max_size=40))
def test_any_bytes_are_rows_or_a_sentence_about_them(ending: str, content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"a{ending}"
        path.write_bytes(content)
        try:
            found = list(rows(path))
        except UsageError:
            return
        assert all(isinstance(row, dict) for _, row in found)
