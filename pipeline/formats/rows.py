"""Rows of a file that a user brings, whatever its format, each with the place where it stands."""

import csv
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError
from ..reading import STREAM, display, existing, is_parquet, json_lines, open_parquet, parquet_batches
from .plain_values import plain_rows

Row = dict[str, Any]


def rows(path: str | Path) -> Iterator[tuple[str, Row]]:
    """Yield place and row of a Parquet, JSON-lines, JSON (one array) or CSV file, or of JSON lines on standard input.

    Raises:
        UsageError: The file's ending is unknown, or a row cannot be read.
    """
    if str(path) == STREAM or Path(path).suffix in {".jsonl", ".ndjson"}:
        yield from ((f"{display(path)}, line {number}", row) for number, row in json_lines(path))
    elif is_parquet(path):
        yield from _parquet_rows(Path(path))
    elif Path(path).suffix == ".json":
        yield from _json_rows(Path(path))
    elif Path(path).suffix == ".csv":
        yield from _csv_rows(Path(path))
    else:
        existing(path)
        raise UsageError(
            f"The ending of {path} names no format that can be read.", "Use .parquet, .jsonl, .json, .csv, or -."
        )


def count_rows(path: str | Path) -> int | None:
    """Return how many rows a file has, where that is cheap to know, to show how far a run is."""
    if is_parquet(path):
        return int(open_parquet(path).metadata.num_rows)
    if Path(path).suffix in {".jsonl", ".ndjson"}:
        with existing(path).open("rb") as file:
            return sum(1 for line in file if line.strip())
    return None


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    number = 0
    for batch in parquet_batches(path):
        for row in plain_rows(batch):
            number += 1
            yield f"{path}, row {number}", row


def _json_rows(path: Path) -> Iterator[tuple[str, Row]]:
    data = existing(path).read_bytes().removeprefix(BOM_UTF8)
    if not data.lstrip().startswith(b"["):
        yield from ((f"{path}, line {number}", row) for number, row in json_lines(path))
        return
    try:
        items = msgspec.json.decode(data)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.", "Save the file as UTF-8.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        hint = "Was the file cut short?" if "truncated" in str(error) else "Check it with a JSON tool."
        raise UsageError(f"{path} is not valid JSON: {error}.", hint) from error
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise UsageError(f"{path}, item {number} is not a JSON object.", "Each item must look like {...}.")
        yield f"{path}, item {number}", item


def _csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the module's own limit is 128 KiB, less than a long prompt
    with existing(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise UsageError(
                        f"{place} does not have as many fields as the header ({len(reader.fieldnames or [])}).",
                        "Quote fields that contain commas or line breaks.",
                    )
                yield place, row
        except csv.Error as error:
            raise UsageError(
                f"{path}, line {reader.line_num} is not valid CSV: {error}.", "Check its quotes."
            ) from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is not UTF-8 text.", "Save the file as UTF-8.") from error
