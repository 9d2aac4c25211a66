from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.encoded import read_encoded
from prefpipe.pipeline.formats.shown import read_shown
from prefpipe.pipeline.reading import read
from prefpipe.pipeline.tables import VOTES

ROWS = 40_000
ENCODED = ("prompt_id", "judge", "shown")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Votes with so many ids that a writer gives up its dictionaries in mid-column."""
    random = np.random.default_rng(0)
    ids = pa.array([f"candidate-{number:020x}" for number in random.integers(0, 1 << 60, 2 * ROWS)])
    slots = pa.array(np.arange(0, 2 * ROWS + 1, 2, dtype=np.int32))
    return pa.table(
        {
            "prompt_id": pa.array([f"prompt-{number:040x}" for number in range(ROWS)]),
            "judge": pa.repeat("j", ROWS),
            "shown": pa.ListArray.from_arrays(slots, ids),
            "ranks": pa.ListArray.from_arrays(slots, pa.array(random.integers(1, 3, 2 * ROWS).astype(np.int32))),
        }
    )


def plainly(path: Path) -> pa.Table:
    return pa.concat_tables(read(path, VOTES))


def decoded(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([table.cast(plainly_typed(table)) for table in tables])


def plainly_typed(table: pa.Table) -> pa.Schema:
    return pa.schema([column.with_nullable(True) for column in VOTES.schema])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 3000},
        {"use_dictionary": False, "row_group_size": 7000},
        {"store_schema": False, "data_page_size": 4096, "row_group_size": 9000},
    ],
)
def test_the_same_rows_are_read_as_without_codes(tmp_path: Path, table: pa.Table, options: dict[str, Any]) -> None:
    path = tmp_path / "votes.parquet"
    pq.write_table(table, path, **options)
    tables = list(read_encoded(path, VOTES, ENCODED))
    assert decoded(tables).equals(plainly(path))
    assert pa.types.is_dictionary(tables[0].schema.field("prompt_id").type)
    assert pa.types.is_dictionary(tables[0].schema.field("shown").type.value_type)
    assert tables[0].schema.field("status").type == pa.string()


def test_other_types_of_strings_and_of_ids_are_read_too(tmp_path: Path) -> None:
    rows = {"prompt_id": ["p", "q"], "judge": ["j", "j"], "shown": [["a", "b"], ["b", "a"]], "ranks": [[1, 2], [1, 1]]}
    plain = pl.DataFrame(rows)
    kinds = {
        "polars": plain,
        "categories": plain.with_columns(
            pl.col("prompt_id").cast(pl.Categorical), pl.col("judge").cast(pl.Categorical)
        ),
        "numbers": plain.with_columns(prompt_id=pl.Series([3, 4])),
    }
    for name, frame in kinds.items():
        path = tmp_path / f"{name}.parquet"
        frame.write_parquet(path)
        assert decoded(list(read_encoded(path, VOTES, ENCODED))).equals(plainly(path))
        assert read_shown(path).prompt_ids.to_pylist() == (["3", "4"] if name == "numbers" else ["p", "q"])


def test_a_missing_id_is_refused_with_its_row(tmp_path: Path, table: pa.Table) -> None:
    prompts = table["prompt_id"].to_pylist()
    prompts[12_345] = None
    path = tmp_path / "votes.parquet"
    pq.write_table(table.set_column(0, "prompt_id", pa.array(prompts)), path, row_group_size=5000)
    with pytest.raises(UsageError, match=r"row 12,346: 'prompt_id' is missing"):
        list(read_encoded(path, VOTES, ENCODED))


def test_damage_in_a_later_part_is_refused(tmp_path: Path, table: pa.Table) -> None:
    path = tmp_path / "votes.parquet"
    pq.write_table(table, path, row_group_size=10_000)
    last = pq.ParquetFile(path).metadata.row_group(3).column(0)
    content = bytearray(path.read_bytes())
    start = last.dictionary_page_offset or last.data_page_offset
    content[start : start + 400] = b"\xff" * 400
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"votes\.parquet is damaged"):
        list(read_encoded(path, VOTES, ENCODED))


def test_a_file_without_rows_is_refused(tmp_path: Path, table: pa.Table) -> None:
    path = tmp_path / "votes.parquet"
    pq.write_table(table[:0], path)
    with pytest.raises(UsageError, match="holds no rows"):
        list(read_encoded(path, VOTES, ENCODED))
