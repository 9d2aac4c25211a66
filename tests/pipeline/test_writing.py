import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.errors import RunError, UsageError
from prefpipe.pipeline.provenance import Provenance
from prefpipe.pipeline.reading import fingerprint, provenance, read
from prefpipe.pipeline.tables import KINDS, RANKINGS, RESPONSES, TableKind
from prefpipe.pipeline.writing import TableWriter, provenance_of

Row = dict[str, Any]

MADE = Provenance("test", {})
SCHEMA = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("size", pa.int32())])
LONG = TableKind("long", SCHEMA, made_by="a test", needed=("name",))
ROW: Row = {"name": "a", "size": 1}


def write(path: str | Path, rows: list[Row], schema: pa.Schema = SCHEMA) -> None:
    with TableWriter(path, schema, MADE) as writer:
        writer.write_rows(rows)


def files() -> set[str]:
    return {path.name for path in Path().iterdir()}


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_list(kind):
        items = values(kind.value_type)
        return st.lists(st.none() | items if kind.value_field.nullable else items, max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({part.name: values(part.type) for part in kind})
    if pa.types.is_string(kind):
        return st.text(max_size=10)
    if pa.types.is_integer(kind):
        return st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
    assert pa.types.is_float64(kind)
    return st.floats(allow_nan=False, allow_infinity=False)


def tables(kind: TableKind) -> st.SearchStrategy[list[Row]]:
    columns = {
        column.name: st.none() | values(column.type) if column.nullable else values(column.type)
        for column in kind.schema
    }
    return st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=4)


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
@settings(max_examples=25)
@given(data=st.data())
def test_any_table_that_is_written_is_read_back_equal(kind: TableKind, ending: str, data: st.DataObject) -> None:
    rows = data.draw(tables(kind))
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{ending}"
        write(path, rows, kind.schema)
        assert [row for table in read(path, kind) for row in table.to_pylist()] == rows


@pytest.mark.parametrize("name", ["table.parquet", "table.jsonl"])
def test_a_table_appears_under_its_name_only_when_it_is_complete(name: str) -> None:
    with TableWriter(name, SCHEMA, MADE) as writer:
        writer.write_rows([ROW] * 10_000)
        assert not Path(name).exists()
        assert len(files()) == 1
    assert files() == {name}
    assert writer.rows == 10_000


@pytest.mark.parametrize("name", ["table.parquet", "table.jsonl"])
@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_older_table_as_it_was_and_nothing_beside_it(
    name: str, failure: type[BaseException]
) -> None:
    write(name, [ROW])
    before = Path(name).read_bytes()

    def interrupted() -> None:
        with TableWriter(name, SCHEMA, MADE) as writer:
            writer.write_rows([ROW] * 10_000)
            raise failure

    with pytest.raises(failure):
        interrupted()
    assert Path(name).read_bytes() == before
    assert files() == {name}


@pytest.mark.parametrize("name", ["table.parquet", "table.jsonl"])
def test_the_same_rows_give_the_same_bytes(name: str) -> None:
    write(name, [ROW, {"name": "b"}])
    before = Path(name).read_bytes()
    write(name, [ROW, {"name": "b"}])
    assert Path(name).read_bytes() == before


@pytest.mark.parametrize("name", ["table.parquet", "table.jsonl"])
def test_memory_is_bounded_however_long_the_rows_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    megabyte, most = 1 << 20, 8 << 20
    monkeypatch.setattr("prefpipe.pipeline.writing.ROW_GROUP_BYTES", most)
    monkeypatch.setattr("prefpipe.pipeline.writing._CHUNK_ROWS", 2)
    before, held = pa.total_allocated_bytes(), []

    def rows() -> Iterator[Row]:
        for number in range(40):
            held.append(pa.total_allocated_bytes() - before)
            yield {"name": chr(ord("a") + number % 26) * megabyte, "size": number}

    with TableWriter(name, SCHEMA, MADE) as writer:
        writer.write_rows(rows())
    assert writer.rows == 40
    assert max(held) < 2 * most
    read_back = [row for table in read(name, LONG) for row in table.to_pylist()]
    assert [(row["name"][:2], len(row["name"]), row["size"]) for row in read_back[::39]] == [
        ("aa", megabyte, 0),
        ("nn", megabyte, 39),
    ]


def test_a_row_group_ends_by_bytes_or_by_rows_whichever_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefpipe.pipeline.writing.ROW_GROUP_BYTES", 1 << 20)
    write("long.parquet", [{"name": "a" * (1 << 16)}] * 200)
    write("short.parquet", [ROW] * 10_000)
    for name, rows in (("long.parquet", [64, 64, 64, 8]), ("short.parquet", [8192, 1808])):
        groups = pq.read_metadata(name)
        assert [groups.row_group(number).num_rows for number in range(groups.num_row_groups)] == rows


@pytest.mark.parametrize("name", ["table.parquet", "table.jsonl"])
def test_it_makes_no_difference_in_what_portions_rows_are_given(name: str) -> None:
    rows = [{"name": str(number), "size": number} for number in range(20_000)]
    write(name, rows)
    whole = Path(name).read_bytes()
    with TableWriter(name, SCHEMA, MADE) as writer:
        for start in range(0, len(rows), 1024):
            writer.write_rows(rows[start : start + 1024])
    assert Path(name).read_bytes() == whole


def test_a_column_that_a_row_lacks_is_null() -> None:
    write("table.parquet", [{"name": "a"}])
    assert pq.read_table("table.parquet").to_pylist() == [{"name": "a", "size": None}]


def test_a_row_without_a_required_value_is_never_written() -> None:
    with pytest.raises(ValueError, match="name"):
        write("table.parquet", [{"size": 1}])
    assert files() == set()


def test_a_table_without_rows_still_has_its_columns() -> None:
    write("table.parquet", [])
    assert pq.read_schema("table.parquet").equals(SCHEMA)


def test_the_footer_says_how_the_table_was_made() -> None:
    made = Provenance("rank", {"method": "borda"}, [{"name": "votes.parquet", "sha256": "00"}])
    with TableWriter("table.parquet", RANKINGS.schema, made):
        pass
    assert provenance("table.parquet") == made


def test_missing_folders_are_made() -> None:
    write("a/b/table.parquet", [ROW])
    assert pq.read_table("a/b/table.parquet").to_pylist() == [ROW]


def test_json_lines_go_to_standard_output(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    write("-", [ROW, {"name": "é"}])
    assert capsysbinary.readouterr().out == '{"name":"a","size":1}\n{"name":"é","size":null}\n'.encode()
    assert files() == set()


@pytest.mark.parametrize("name", ["table.txt", "table", "table.json", "table.csv", "new/table.arrow"])
def test_an_ending_that_cannot_be_written_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(UsageError, match=r"The ending of .* names no format") as error, TableWriter(name, SCHEMA, MADE):
        pass
    assert error.value.hint
    assert ".parquet or .jsonl" in error.value.hint
    assert files() == set()


@pytest.mark.parametrize("name", ["file/table.parquet", "file/table.jsonl", f"{'long' * 100}.parquet"])
def test_a_place_that_cannot_be_written_is_named(name: str) -> None:
    Path("file").touch()
    with pytest.raises(UsageError, match="cannot be written"), TableWriter(name, SCHEMA, MADE):
        pass
    assert files() == {"file"}


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("rows", [100, 20_000])
def test_a_full_disk_is_told_and_leaves_the_older_table(ending: str, rows: int) -> None:
    write(f"table.{ending}", [ROW])
    before = Path(f"table.{ending}").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limit[1]))
    try:
        with pytest.raises(RunError, match=rf"^table\.{ending} cannot be written: File too large\.$"):
            write(f"table.{ending}", [{"name": f"{number}", "size": number} for number in range(rows)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert files() == {f"table.{ending}"}
    assert Path(f"table.{ending}").read_bytes() == before


def test_a_folder_in_the_tables_place_is_known_before_anything_is_asked() -> None:
    Path("table.parquet").mkdir()
    with pytest.raises(UsageError, match="is a folder"), TableWriter("table.parquet", SCHEMA, MADE):
        pass
    assert files() == {"table.parquet"}


@pytest.fixture
def dead() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_killed_run_left_behind_is_removed_but_nothing_that_is_still_being_written(dead: int) -> None:
    orphan, busy = Path(f".table.parquet.{dead}.partial"), Path(f".table.parquet.{os.getppid()}.partial")
    other = Path(f".other.parquet.{dead}.partial")
    for path in (orphan, busy, other):
        path.touch()
    write("table.parquet", [ROW])
    assert files() == {"table.parquet", busy.name, other.name}


SPELLINGS = ["p.jsonl", "./p.jsonl", "folder/../p.jsonl", "link.jsonl", "linked/p.jsonl", "hard.jsonl"]


@pytest.fixture
def names() -> None:
    """A file and all names that lead to it."""
    Path("folder").mkdir()
    Path("p.jsonl").write_text("{}")
    Path("link.jsonl").symlink_to("p.jsonl")
    Path("linked").symlink_to(".")
    Path("hard.jsonl").hardlink_to("p.jsonl")
    Path("other.jsonl").write_text("{}")


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("output", SPELLINGS)
@pytest.mark.parametrize("source", SPELLINGS)
def test_an_output_never_replaces_what_it_is_made_from(output: str, source: str) -> None:
    with pytest.raises(UsageError, match="would be replaced"):
        provenance_of("test", {}, ["other.jsonl", None, source], ["new.jsonl", None, output])
    assert provenance_of("test", {}, [source], ["other.jsonl"]).inputs == [fingerprint(source)]


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    ("one", "other"),
    [*((name, "p.jsonl") for name in SPELLINGS), ("new.jsonl", "./new.jsonl"), ("linked/new.jsonl", "new.jsonl")],
)
def test_two_tables_never_go_to_one_file(one: str, other: str) -> None:
    with pytest.raises(UsageError, match=f"cannot both go to {one}"):
        provenance_of("test", {}, [], [one, other])


def test_standard_input_and_output_replace_nothing_but_carry_one_table_only() -> None:
    Path("-").touch()
    made = provenance_of("test", {"a": 1}, ["-", None], ["-", "table.jsonl", None])
    assert made == Provenance("test", {"a": 1}, [{"name": "standard input"}])
    with pytest.raises(UsageError, match="cannot both go to standard output"):
        provenance_of("test", {}, [], ["-", "-"])


def test_an_input_that_is_not_there_is_named_even_if_the_output_is_called_the_same() -> None:
    with pytest.raises(UsageError, match=r"There is no file none\.jsonl"):
        provenance_of("test", {}, ["none.jsonl"], ["none.jsonl"])


def test_what_repeats_is_written_once_and_numbers_are_not_searched_for_repeats(tmp_path: Path) -> None:
    path, conversation = tmp_path / "r.parquet", [{"role": "user", "content": "the same prompt " * 50}]
    same = {"prompt_id": "p", "prompt": conversation, "metadata": "{}", "model": "m", "sample": 0, "status": "ok"}
    rows = [same | {"response_id": str(n), "content": str(n), "latency": n / 7} for n in range(500)]
    with TableWriter(path, RESPONSES.schema, MADE) as writer:
        writer.write_rows(rows)
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert "RLE_DICTIONARY" in columns["prompt.list.element.content"].encodings
    assert columns["prompt.list.element.content"].total_uncompressed_size < 5000
    assert "RLE_DICTIONARY" not in columns["latency"].encodings
