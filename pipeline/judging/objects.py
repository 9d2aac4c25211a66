"""A verdict that a judge gives as a JSON object: the last whole object of its answer, read strictly or not at all."""

import json
import re
from dataclasses import dataclass
from typing import Any

from .completion import verdict_text

REASONING = "reasoning"
"""The field that holds the judge's reasons, before its verdict."""

_BEGINNING = re.compile(r'\{\s*"')
_BROKEN = "the JSON object is broken or never ends"


@dataclass(frozen=True)
class VerdictObject:
    """What the object says, the words that stand in its place, or the reason why it says nothing.

    Attributes:
        value: Of the field that holds the verdict.
        rationale: The judge's reasons, where they are a text.
        tail: What was said from the verdict's opening quote to the end, by which its tokens are found.
        words: What is to be read as words: a server passed the schema over, and the judge answered without an object.
        reason: Why there is no verdict.
    """

    value: object = None
    rationale: str | None = None
    tail: str = ""
    words: str | None = None
    reason: str | None = None


def object_schema(field: str, verdict: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object with the reasoning first, then a verdict; fit for OpenAI's strict mode."""
    return {
        "type": "object",
        "properties": {REASONING: {"type": "string"}, field: verdict},
        "required": [REASONING, field],
        "additionalProperties": False,
    }


def verdict_object(completion: str, field: str) -> VerdictObject:
    """Return what the last whole object of a completion says.

    What stands inside its strings is data: a verdict quoted there is none. An object that is broken, or that names a
    key twice, makes the whole answer unreadable, since a quoted one might be taken for the judge's own.
    """
    start = end = 0
    fields: dict[str, Any] | None = None
    while beginning := _BEGINNING.search(completion, end):
        start = beginning.start()
        try:
            fields, end = _decoder.raw_decode(completion, start)
        except _RepeatedKeyError as error:
            return VerdictObject(reason=f"the JSON object names '{error}' twice")
        except (ValueError, RecursionError):
            return VerdictObject(reason=_BROKEN)
    if fields is None:
        # What was to be an object and is none, such as one with single quotes, may quote a verdict as well.
        looks_like_one = completion.lstrip().startswith("{")
        return VerdictObject(reason=_BROKEN) if looks_like_one else VerdictObject(words=completion)
    after = completion[end:]
    bracketed = verdict_text(after).choices
    if field not in fields:
        return VerdictObject(words=after) if bracketed else VerdictObject(reason=f"the object has no '{field}'")
    rationale = fields.get(REASONING)
    return VerdictObject(
        fields[field],
        rationale if isinstance(rationale, str) else None,
        _tail(completion, start, end, field),
        reason="an object and double brackets both give a verdict" if bracketed else None,
    )


def _tail(text: str, start: int, end: int, field: str) -> str:
    """Return the text from the opening quote of a field's value; nothing where the value is no text."""
    places = [place.end() - 1 for place in re.finditer(rf'"{field}"\s*:\s*"', text[start:end])]
    return text[start + places[-1] :] if places else ""


class _RepeatedKeyError(Exception):
    """An object that says two things at once."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise _RepeatedKeyError(key[:20])
        fields[key] = value
    return fields


# Judges write line ends into strings as they are; what they mean is plain.
_decoder = json.JSONDecoder(object_pairs_hook=_distinct, strict=False)
