"""Requests set aside on disk until the batches that carry them have come back, which takes hours."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Generic, Self, TypeVar

from .requests import Request

About = TypeVar("About")


@dataclass(frozen=True, slots=True)
class Entry(Generic[About]):
    """A request, what it is about, and whether the answer store held its answer from the start."""

    about: About
    request: Request
    stored: bool


class Spool(Generic[About]):
    """Entries in order, in chunks, read as often as wanted. What they are about must be picklable.

    What the entries of a chunk have in common, such as a prompt that many questions share, is written once.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder to write to: it must have room for all requests, which a folder in memory may not."""
        self._folder = folder

    def __enter__(self) -> Self:
        self._file = TemporaryFile(dir=self._folder)
        return self

    def add(self, chunk: list[Entry[About]]) -> None:
        """Append entries."""
        pickle.dump(chunk, self._file, pickle.HIGHEST_PROTOCOL)

    def chunks(self) -> Iterator[list[Entry[About]]]:
        """Yield all entries from the start."""
        self._file.seek(0)
        while self._file.peek(1):
            yield pickle.load(self._file)  # noqa: S301 - a file without a name, which only this process can have written

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
