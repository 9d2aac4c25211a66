"""Requests set aside on disk until the batches that carry them have come back, which takes hours."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Generic, Self, TypeVar

import msgspec

from ..models import Model
from ..requests import Request

About = TypeVar("About")

_LENGTH = 8
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, bytes, str, bool]]).decode


@dataclass(frozen=True, slots=True)
class Entry(Generic[About]):
    """A request, what it is about, and whether the answer store held its answer from the start."""

    about: About
    request: Request
    stored: bool


class Spool(Generic[About]):
    """Entries in order, in chunks, read as often as wanted.

    The requests, which are long, stand on disk. What they are about stays in memory, as the caller's own objects: what
    many requests have in common, such as their prompt, is there but once.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder to write to: it must have room for all requests, which a folder in memory may not."""
        self._folder = folder
        self._abouts: list[list[About]] = []
        self._models: dict[Model, int] = {}

    def __enter__(self) -> Self:
        self._file = TemporaryFile(dir=self._folder)
        return self

    def add(self, chunk: list[Entry[About]]) -> None:
        """Append entries."""
        rows = [
            (self._models.setdefault(request.model, len(self._models)), request.body, request.key, entry.stored)
            for entry in chunk
            for request in [entry.request]
        ]
        encoded = _encode(rows)
        self._abouts.append([entry.about for entry in chunk])
        self._file.write(len(encoded).to_bytes(_LENGTH) + encoded)

    def chunks(self) -> Iterator[list[Entry[About]]]:
        """Yield all entries from the start."""
        models = list(self._models)
        self._file.seek(0)
        for abouts in self._abouts:
            rows = _decode(self._file.read(int.from_bytes(self._file.read(_LENGTH))))
            yield [
                Entry(about, Request(models[model], body, key), stored)
                for about, (model, body, key, stored) in zip(abouts, rows, strict=True)
            ]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
