"""The end points of files and batches: what is asked of each, and what comes back."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from .batch_lines import Outcome
from .batches import Batches, BatchRules
from .files import Files, read_form
from .models import SimulatedModel
from .wire import ApiError, require

Content = tuple[str, bytes]
"""The type and the bytes of what is sent back."""

_PLACE = re.compile(r"/(?P<kind>files|batches)(?:/(?P<id>[^/]+)(?:/(?P<verb>content|cancel))?)?$")


def is_for_desk(path: str) -> bool:
    """Tell whether a path is that of files or batches, under any prefix."""
    return _PLACE.search(path) is not None


class Desk:
    """Takes files and batches and gives them back, for whom the service has let in."""

    def __init__(
        self,
        rules: BatchRules,
        find_model: Callable[[str], SimulatedModel],
        answer: Callable[[bytes], Outcome],
        clock: Callable[[], float],
    ) -> None:
        """Take what is allowed, what knows the models, what answers a body, and the seconds since 1970."""
        self._rules = rules
        self._clock = clock
        self._files = Files()
        self._batches = Batches(self._files, rules, find_model, answer, clock)

    def handle(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Content:
        """Return what a request gets.

        Raises:
            ApiError: It is refused.
        """
        place = _PLACE.search(path)
        match place and place.group("kind", "id", "verb"):
            case ("files", None, None):
                require(method, "POST", path)
                return self._take_file(headers, body)
            case ("files", str(file_id), None):
                require(method, "GET", path)
                return _json(self._files.get(file_id).as_object())
            case ("files", str(file_id), "content"):
                require(method, "GET", path)
                return "application/octet-stream", self._files.get(file_id).content
            case ("batches", None, None) if method == "POST":
                return _json(self._batches.create(body))
            case ("batches", None, None):
                require(method, "GET", path)
                return self._list(query)
            case ("batches", str(batch_id), None):
                require(method, "GET", path)
                return _json(self._batches.look(batch_id))
            case ("batches", str(batch_id), "cancel"):
                require(method, "POST", path)
                return _json(self._batches.cancel(batch_id))
        raise ApiError(404, f"Unknown request URL: {method} {path}.", code="unknown_url")

    def _take_file(self, headers: Mapping[str, str], body: bytes) -> Content:
        form = read_form(headers.get("content-type", ""), body)
        for name in ("file", "purpose"):
            if name not in form:
                raise ApiError(400, f"Missing required parameter: '{name}'.", param=name)
        file = form["file"]
        if form["purpose"].content != b"batch":
            raise ApiError(400, "The simulator keeps files for the purpose 'batch' only.", param="purpose")
        if len(file.content) > self._rules.most_bytes:
            message = f"The file has {len(file.content)} bytes; the limit is {self._rules.most_bytes}."
            raise ApiError(413, message, param="file")
        return _json(self._files.add(file.filename or "file", "batch", file.content, int(self._clock())).as_object())

    def _list(self, query: str) -> Content:
        asked = parse_qs(query)
        limit, after = asked.get("limit", ["20"])[0], asked.get("after", [None])[0]
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 100):
            raise ApiError(400, f"'{limit}' is not a number from 1 to 100.", param="limit")
        return _json(self._batches.page(int(limit), after))


def _json(value: dict[str, Any]) -> Content:
    return "application/json", msgspec.json.encode(value)
