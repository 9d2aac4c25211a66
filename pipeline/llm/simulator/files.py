"""Files that clients have sent or may fetch, in memory, and the form in which they are sent."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ...ids import content_id
from .wire import ApiError

_BOUNDARY = re.compile(r'multipart/form-data\s*;.*?\bboundary="?([^";]+)"?', re.IGNORECASE)
_PARAMETER = re.compile(rb'\b(name|filename)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form; a file has a name of its own."""

    content: bytes
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is kept; `created` is in seconds since 1970."""

    id: str
    name: str
    purpose: str
    content: bytes
    created: int

    def as_object(self) -> dict[str, Any]:
        """Return what is shown of it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created,
            "expires_at": None,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


class Files:
    """All files of one server; their ids follow from their order and their content."""

    def __init__(self) -> None:
        """Start with none."""
        self._files: dict[str, File] = {}

    def add(self, name: str, purpose: str, content: bytes, created: int) -> File:
        """Keep a file."""
        file_id = f"file-{content_id(len(self._files), sha256(content).hexdigest())}"
        file = File(file_id, name, purpose, content, created)
        self._files[file.id] = file
        return file

    def get(self, file_id: str) -> File:
        """Return a file.

        Raises:
            ApiError: 404, there is none of that id.
        """
        if file_id not in self._files:
            raise ApiError(404, f"No such File object: {file_id}", param="id")
        return self._files[file_id]

    def __contains__(self, file_id: str) -> bool:
        return file_id in self._files


def read_form(content_type: str, body: bytes) -> dict[str, Part]:
    """Return the fields of a multipart form, by name.

    Raises:
        ApiError: 400, the body is no such form.
    """
    if not (found := _BOUNDARY.match(content_type)):
        raise ApiError(400, "The request must be a multipart/form-data form with a boundary.")
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode("latin-1"))
    if first or not parts or not parts[-1].startswith(b"--"):
        raise ApiError(400, "The form does not end with its boundary.")
    form: dict[str, Part] = {}
    for part in parts[:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        parameters = {name: value.decode("utf-8", "replace") for name, value in _PARAMETER.findall(head)}
        if not blank or b"name" not in parameters:
            raise ApiError(400, "A part of the form has no name.")
        form[parameters[b"name"]] = Part(content, parameters.get(b"filename"))
    return form
