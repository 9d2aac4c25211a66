import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.provenance import Provenance
from prefpipe.pipeline.reading import (
    BATCH_ROWS,
    display,
    existing,
    fingerprint,
    is_parquet,
    json_lines,
    open_parquet,
    parquet_batches,
    provenance,
    read,
)
from prefpipe.pipeline.tables import PROMPTS, RANKINGS, RESPONSES, VOTES, TableKind
from prefpipe.pipeline.writing import TableWriter

Row = dict[str, Any]
WriteLines = Callable[[str, list[Row]], Path]

RANKING: Row = {"prompt_id": "p", "response_ids": ["a", "b"], "ranks": [1, 2], "scores": [0.5, -0.5]}
VOTE: Row = {"prompt_id": "p", "judge": "j", "shown": ["a", "b"], "ranks": [1, 2]}


def rows_of(path: Path, kind: TableKind) -> list[Row]:
    return [row for table in read(path, kind) for row in table.to_pylist()]


def write_parquet(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"There is no file votes\.parquet\."):
        existing("votes.parquet")


def test_a_text_given_in_place_of_a_file_name_is_no_file_either() -> None:
    with pytest.raises(UsageError, match="There is no file"):
        existing("Write a poem. " * 40)


def test_a_folder_and_an_empty_file_are_told_from_a_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        existing(tmp_path)
    (tmp_path / "empty.parquet").touch()
    with pytest.raises(UsageError, match="is empty"):
        existing(tmp_path / "empty.parquet")


def test_a_pipe_is_not_called_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert existing(tmp_path / "pipe") == tmp_path / "pipe"


def test_a_fingerprint_is_the_files_name_and_the_hash_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n")
    assert fingerprint(path) == {"name": "a.jsonl", "sha256": hashlib.sha256(b"{}\n").hexdigest()}


def test_the_fingerprint_of_standard_input_leaves_it_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b'{"a": 1}\n')
    assert fingerprint("-") == {"name": "standard input"}
    assert list(json_lines("-")) == [(1, {"a": 1})]


@pytest.mark.parametrize(("name", "expected"), [("a.parquet", True), ("a.pq", True), ("a.jsonl", False), ("-", False)])
def test_parquet_is_told_by_its_ending(name: str, expected: bool) -> None:
    assert is_parquet(name) == expected


def test_standard_input_is_called_by_its_name() -> None:
    assert display("-") == "standard input"
    assert display("a.jsonl") == "a.jsonl"


def test_blank_lines_are_passed_over_but_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\n{"a": 1}\r\n   \n{"a": 2}')
    assert list(json_lines(path)) == [(2, {"a": 1}), (4, {"a": 2})]


def test_the_mark_with_which_windows_begins_a_text_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('\ufeff{"a": 1}\n'.encode())
    assert list(json_lines(path)) == [(1, {"a": 1})]


@pytest.mark.parametrize(
    ("line", "reason", "hint"),
    [
        (b'{"a": [1', "Input data was truncated", "Was the file cut short, or does an object span several lines?"),
        (b'{"a": NaN}', "it holds NaN or Infinity", "Write null instead."),
        (b'{"a": -Infinity, "b": "NaN"}', "it holds NaN or Infinity", "Write null instead."),
        (b'{"a": 1e999}', "Number out of range", "Write the number as text, or null instead."),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "it is nested too deeply", "Check the tool that wrote it."),
        (b"PAR1\0\0", "this is a Parquet file", "Give it the ending .parquet."),
        (b"\x1f\x8b\0\0", "JSON is malformed", "Is it a text file in UTF-8?"),
        (
            b'{"a": "\\ud83d"}',
            "a text holds half of a character",
            "Was a text cut in the middle of a character?",
        ),
        (b'{"a": "NaN", b}', "JSON is malformed", "Each line must hold one JSON object."),
    ],
)
def test_the_hint_for_a_bad_line_blames_what_is_wrong_with_it(
    tmp_path: Path, line: bytes, reason: str, hint: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(UsageError) as error:
        list(json_lines(path))
    assert f"line 1 is not valid JSON: {reason}" in error.value.message
    assert error.value.hint == hint


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a": ', "line 3 is not valid JSON"),
        (b'{"a": 1} {"a": 2}', "line 3 is not valid JSON"),
        (b"[1, 2]", "line 3 holds no JSON object"),
        (b"null", "line 3 holds no JSON object"),
        (b'{"a": "\xe9"}', "line 3 is not UTF-8"),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "line 3 is not valid JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n\n' + line + b"\n")
    lines = json_lines(path)
    assert next(lines) == (1, {"a": 1})
    with pytest.raises(UsageError, match=problem) as error:
        next(lines)
    assert str(path) in error.value.message
    assert error.value.hint


def test_standard_input_passes_but_once(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b'{"a": 1}\n')
    assert len(list(json_lines("-"))) == 1
    with pytest.raises(UsageError, match="only once"):
        next(json_lines("-"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_parquet_file_whose_copy_was_cut_short_is_named(tmp_path: Path, data: Path, share: float) -> None:
    whole = (data / "responses.parquet").read_bytes()
    path = tmp_path / "cut.parquet"
    path.write_bytes(whole[: max(10, int(share * len(whole)))])
    with pytest.raises(UsageError, match=r"cut\.parquet is not a readable Parquet file"):
        open_parquet(path)


def test_a_parquet_file_with_broken_pages_is_named(tmp_path: Path, data: Path) -> None:
    path = tmp_path / "bad.parquet"
    content = bytearray((data / "responses.parquet").read_bytes())
    content[100:900] = bytes(800)
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"bad\.parquet is damaged"):
        list(parquet_batches(path))


def test_some_columns_are_read_without_the_others(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"a": [1, 2], "b": ["x", "y"]})
    assert [row for batch in parquet_batches(path, ["b"]) for row in batch.to_pylist()] == [{"b": "x"}, {"b": "y"}]


def test_the_footer_says_how_a_table_was_made_and_nothing_of_tables_made_elsewhere(tmp_path: Path) -> None:
    made = Provenance("rank", {"method": "borda"}, [{"name": "votes.parquet"}])
    with TableWriter(tmp_path / "own.parquet", RANKINGS.schema, made) as writer:
        writer.write_rows([RANKING])
    assert provenance(tmp_path / "own.parquet") == made
    assert provenance(write_parquet(tmp_path / "other.parquet", {"a": [1]})) is None


@pytest.fixture(params=["parquet", "jsonl"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[list[Row]], Path]:
    """Write rows made elsewhere, in either format."""
    path = tmp_path / f"table.{request.param}"

    def write_rows(rows: list[Row]) -> Path:
        if request.param == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write_rows


Write = Callable[[list[Row]], Path]


def test_columns_come_in_the_schemas_order_with_null_for_those_that_the_file_lacks(write: Write) -> None:
    [table] = read(write([dict(reversed(RANKING.items()))]), RANKINGS)
    assert table.schema.names == RANKINGS.schema.names
    assert {name: value for name, value in table.to_pylist()[0].items() if value is not None} == RANKING


def test_columns_beyond_the_schema_are_passed_over(write: Write) -> None:
    assert rows_of(write([{**RANKING, "mine": "x"}]), RANKINGS) == rows_of(write([RANKING]), RANKINGS)


@pytest.mark.parametrize("kind", [RESPONSES, VOTES, RANKINGS], ids=lambda kind: kind.name)
def test_a_table_of_another_kind_is_refused_with_what_it_lacks_and_what_makes_it(write: Write, kind: TableKind) -> None:
    with pytest.raises(UsageError, match=rf"is not a {kind.name} table: it lacks the columns .*{kind.needed[-1]}") as e:
        list(read(write([{"prompt_id": "p"}]), kind))
    assert e.value.hint
    assert kind.made_by in e.value.hint


@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.jsonl.gz", "t.tsv", "t"])
def test_a_table_whose_ending_names_no_format_is_refused_and_not_taken_for_json_lines(name: str) -> None:
    Path(name).write_text(json.dumps(RANKING) + "\n")
    with pytest.raises(UsageError) as error:
        list(read(name, RANKINGS))
    assert error.value.message == f"The ending of {name} names no format that a rankings table can have."
    assert ".parquet or .jsonl" in str(error.value.hint)


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson"])
def test_json_lines_are_read_under_either_ending(name: str) -> None:
    Path(name).write_text(json.dumps(RANKING) + "\n")
    assert len(rows_of(Path(name), RANKINGS)) == 1


def test_a_table_that_is_not_there_is_named_whatever_its_ending() -> None:
    with pytest.raises(UsageError, match=r"There is no file t\.csv"):
        list(read("t.csv", RANKINGS))


def test_a_table_that_prefpipe_made_is_refused_with_the_stage_that_made_it(data: Path) -> None:
    with pytest.raises(UsageError, match="made by `prefpipe judge`"):
        list(read(data / "votes.parquet", RANKINGS))


def test_a_row_without_a_needed_value_is_named(write: Write) -> None:
    with pytest.raises(UsageError, match=r"row 2: 'prompt_id' is missing"):
        list(read(write([RANKING, {**RANKING, "prompt_id": None}]), RANKINGS))


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "a.parquet", RANKINGS.schema, Provenance("rank", {})):
        pass
    with pytest.raises(UsageError, match="holds no rows"):
        list(read(tmp_path / "a.parquet", RANKINGS))


def test_standard_input_without_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    feed(monkeypatch, b"")
    with pytest.raises(UsageError, match="standard input holds no rows"):
        list(read("-", RANKINGS))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("prompt_id", 5.5),
        ("response_ids", "ab"),
        ("ranks", ["first", "second"]),
        ("ranks", [1, 1.5]),
        ("ranks", [1, 10**20]),
        ("ranks", [True, False]),
        ("scores", {"a": 1}),
        ("votes", 2.5),
        ("votes", 2**31),
    ],
)
def test_a_value_of_another_type_is_named_with_its_line_and_never_bent_to_fit(
    write_lines: WriteLines, column: str, value: object
) -> None:
    path = write_lines("a.jsonl", [RANKING, {**RANKING, column: value}])
    with pytest.raises(UsageError, match=rf"line 2: '{column}' is .*, where a rankings table has") as error:
        list(read(path, RANKINGS))
    assert json.dumps(value, separators=(",", ":")) in error.value.message


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("prompt_id", "a text."),
        ("response_ids", "a list of texts."),
        ("ranks", "a list of whole numbers."),
        ("scores", "a list of numbers."),
        ("votes", "a whole number."),
    ],
)
def test_what_belongs_in_a_column_is_said_in_words(write_lines: WriteLines, column: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        list(read(write_lines("a.jsonl", [{**RANKING, column: {"a": 1}}]), RANKINGS))
    assert error.value.message.endswith(f"where a rankings table has {words}")


def test_what_belongs_in_a_column_of_messages_is_said_in_words(write_lines: WriteLines) -> None:
    with pytest.raises(UsageError, match=r"where a prompts table has a list of objects with role, content\.$"):
        list(read(write_lines("a.jsonl", [{"prompt_id": "p", "prompt": "Why?"}]), PROMPTS))


def test_a_name_that_is_not_utf_8_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.jsonl")
    assert display(path).endswith("a?.jsonl")
    path.write_text("{}")
    assert fingerprint(path)["name"] == "a?.jsonl"


def test_two_parquet_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["judge", "judge"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=r"has 2 columns named 'judge'\.$"):
        open_parquet(tmp_path / "a.parquet")


@pytest.mark.parametrize("value", [["first", "second"], [1.0, 1.5], "ab"])
def test_a_parquet_column_of_another_type_is_named(tmp_path: Path, value: object) -> None:
    path = write_parquet(tmp_path / "a.parquet", {name: [item] for name, item in (RANKING | {"ranks": value}).items()})
    with pytest.raises(UsageError, match=r"column 'ranks' is .*, where a rankings table has"):
        list(read(path, RANKINGS))


def test_whole_numbers_written_as_floats_are_whole_numbers(write: Write) -> None:
    assert rows_of(write([{**RANKING, "ranks": [1.0, 2.0]}]), RANKINGS)[0]["ranks"] == [1, 2]


def test_a_table_that_polars_rewrote_is_the_same_table(tmp_path: Path, data: Path) -> None:
    pl.read_parquet(data / "votes.parquet").write_parquet(tmp_path / "votes.parquet")
    assert rows_of(tmp_path / "votes.parquet", VOTES) == rows_of(data / "votes.parquet", VOTES)


def test_messages_keep_their_rows_whatever_stands_beside_role_and_content(tmp_path: Path) -> None:
    count = BATCH_ROWS + 5
    prompts = [
        [{"name": None, "content": f"{number}.{turn}", "role": "user"} for turn in range(number % 3 + 1)]
        for number in range(count)
    ]
    path = write_parquet(tmp_path / "a.parquet", {"prompt_id": [str(n) for n in range(count)], "prompt": prompts})
    for row in rows_of(path, PROMPTS):
        number = int(row["prompt_id"])
        assert row["prompt"] == [{"role": "user", "content": f"{number}.{turn}"} for turn in range(number % 3 + 1)]


def test_a_column_that_holds_no_messages_where_messages_belong_is_named(tmp_path: Path) -> None:
    for value in ("text", [{"from": "user", "value": "text"}], [["text"]]):
        path = write_parquet(tmp_path / "a.parquet", {"prompt_id": ["p"], "prompt": [value]})
        with pytest.raises(UsageError, match=r"column 'prompt' is .*, where a prompts table has"):
            list(read(path, PROMPTS))


def test_more_rows_than_a_batch_are_all_read_and_a_late_error_names_its_own_line(write_lines: WriteLines) -> None:
    path = write_lines("a.jsonl", [VOTE] * (2 * BATCH_ROWS + 3))
    assert len(rows_of(path, VOTES)) == 2 * BATCH_ROWS + 3
    before = path.read_text()
    path.write_text(before + json.dumps({**VOTE, "ranks": 1}) + "\n")
    with pytest.raises(UsageError, match=f"line {2 * BATCH_ROWS + 4}: 'ranks' is 1"):
        list(read(path, VOTES))
    path.write_text(before + json.dumps({**VOTE, "judge": None}) + "\n")
    with pytest.raises(UsageError, match=f"row {2 * BATCH_ROWS + 4:,}: 'judge' is missing"):
        list(read(path, VOTES))
