"""Writing tables: each beside its target, renamed when it is complete, its footer saying how it was made."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import combinations, islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import RunError, UsageError
from .provenance import FOOTER_KEY, Provenance
from .reading import STREAM, fingerprint, is_parquet

ROW_GROUP_ROWS = 8192
ROW_GROUP_BYTES = 64 << 20
"""Whichever comes first ends a row group, so that memory is bounded however long the texts are."""

_CHUNK_ROWS = 64
"""Rows that are turned into Arrow, or back into JSON, at once: enough to be fast, few enough to be a megabyte each."""


def provenance_of(
    stage: str,
    settings: dict[str, Any],
    inputs: Iterable[str | Path | None],
    outputs: Iterable[str | Path | None],
) -> Provenance:
    """Return what the footers of a command's tables say, once it is sure that none replaces what the command reads.

    Args:
        stage: The command.
        settings: The options that shape the tables.
        inputs: The files that the command reads; None stands for an option that was not given.
        outputs: The tables that it is going to write, likewise.

    Raises:
        UsageError: An output is one of the inputs, or two outputs are the same file; or an input cannot be read.
    """
    read = [path for path in inputs if path is not None]
    written = [path for path in outputs if path is not None]
    for one, other in combinations(written, 2):
        if _is_same_file(one, other) or os.path.realpath(one) == os.path.realpath(other):
            name = "standard output" if str(one) == STREAM else one
            raise UsageError(f"Two tables cannot both go to {name}.", "Give one of them another name.")
    for output in written:
        refuse_to_overwrite(output, *read)
    return Provenance(stage, settings, [fingerprint(path) for path in read])


def refuse_to_overwrite(output: str | Path, *inputs: str | Path) -> None:
    """Refuse an output that would replace what it is made from, under whatever name.

    Raises:
        UsageError: It is one of the inputs, or a link to one.
    """
    if any(_is_same_file(output, path) for path in inputs):
        raise UsageError(f"{output} is read by this command and would be replaced by it.", "Name another output.")


def _is_same_file(one: str | Path, other: str | Path) -> bool:
    """Tell whether two names lead to the same file, if there is one; a stream is not a file."""
    if STREAM in (str(one), str(other)):
        return False
    try:
        return Path(one).samefile(other)
    except OSError:
        return False


class TableWriter:
    """Writes a table beside its target and puts it in place when all rows are there.

    Use as a context manager. Entering creates the hidden working file, so that a folder without write permission is
    known before anything is asked; leaving by an exception removes it and leaves an older target as it was.
    """

    def __init__(self, path: str | Path, schema: pa.Schema, made: Provenance) -> None:
        """Take target, columns, and what the footer is to say."""
        self.path = Path(path)
        footer = {FOOTER_KEY: msgspec.json.encode(made, order="deterministic")}
        self._schema = schema.with_metadata(footer)
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        self._parquet: pq.ParquetWriter | None = None
        self._lines: BinaryIO | None = None
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self.rows = 0

    def __enter__(self) -> Self:
        if str(self.path) == STREAM:
            self._lines = sys.stdout.buffer
            return self
        if not is_parquet(self.path) and self.path.suffix != ".jsonl":
            raise UsageError(
                f"The ending of {self.path} names no format that can be written.",
                "Use .parquet or .jsonl, or - for JSON lines on standard output.",
            )
        try:
            if self.path.is_dir():
                raise UsageError(f"{self.path} is a folder, not a file.", "Name a file inside it with -o.")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._remove_orphans()
            if is_parquet(self.path):
                self._parquet = pq.ParquetWriter(
                    self._partial, self._schema, compression="zstd", use_dictionary=_repeating(self._schema)
                )
            else:
                self._lines = self._partial.open("wb")
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written: {error.strerror}.",
                "Choose a folder that you may write to with -o.",
            ) from error
        return self

    def write(self, table: pa.Table) -> None:
        """Append rows; their columns must be those of the schema."""
        table = table.select(self._schema.names).cast(self._schema.remove_metadata())
        self.rows += table.num_rows
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        self._waiting_bytes += table.nbytes
        if self._waiting_rows >= ROW_GROUP_ROWS or self._waiting_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def write_rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows given as mappings, drawn as they are written; a column that a row lacks is null."""
        drawn = iter(rows)
        while chunk := list(islice(drawn, _CHUNK_ROWS)):
            self.write(pa.Table.from_pylist(chunk, schema=self._schema))

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        with self._told():
            if self._parquet:
                self._parquet.write_table(table)
            elif self._lines:
                for batch in table.to_batches(_CHUNK_ROWS):
                    self._lines.writelines(msgspec.json.encode(row) + b"\n" for row in batch.to_pylist())
                self._lines.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        complete = False
        try:
            if error is None:
                self._flush()
                if str(self.path) != STREAM:
                    self._finish()
                complete = True
        finally:
            if not complete and str(self.path) != STREAM:
                self._give_up()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the errors of a full or broken disk into a sentence."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "Standard output" if str(self.path) == STREAM else self.path
            reason = os.strerror(error.errno) if error.errno else error
            raise RunError(f"{name} cannot be written: {reason}.", "Is the disk full?") from error

    def _finish(self) -> None:
        with self._told():
            self._close()
            with self._partial.open("rb") as file:
                os.fsync(file.fileno())
            self._partial.replace(self.path)

    def _give_up(self) -> None:
        with suppress(OSError):
            self._close()
        self._partial.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._parquet:
            self._parquet.close()
        if self._lines:
            self._lines.close()

    def _remove_orphans(self) -> None:
        """Remove working files of earlier runs that were killed."""
        for orphan in self.path.parent.glob(f".{self.path.name}.*.partial"):
            process = orphan.name.split(".")[-2]
            if not (process.isdigit() and _is_running(int(process))):
                orphan.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _repeating(schema: pa.Schema) -> list[str]:
    """Return the columns whose values may come again, by their names in Parquet; to look among floats takes time."""
    return [
        path for field in schema for path, kind in _leaves(field.name, field.type) if not pa.types.is_floating(kind)
    ]


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for part in kind:
            yield from _leaves(f"{path}.{part.name}", part.type)
    else:
        yield path, kind
