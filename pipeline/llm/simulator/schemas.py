"""Judgements as JSON objects: what a simple schema asks for, filled from what the judge thinks."""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import msgspec

from .cases import Case
from .draft import Draft, Menu
from .judging import TIE, Judgement
from .wire import ApiError, ResponseFormat

SUPPORTED = (
    "an object whose properties are enums with every label, strings, bounded integers or numbers, "
    "or arrays of labels or of groups of labels"
)


def read_schema(form: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the schema that an answer must satisfy; None where plain text is wanted.

    Raises:
        ApiError: 400, for JSON without a schema, and for a schema that does not describe an object.
    """
    if form is None or form.type == "text":
        return None
    if form.type == "json_object" or form.json_schema is None:
        raise _unsupported(f"a response_format of type {form.type} without a json_schema")
    schema = form.json_schema.schema
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise _unsupported("a schema that is not an object with properties")
    return schema


def allows_tie(schema: dict[str, Any]) -> bool:
    """Return whether the schema leaves room for a tie: no enum lacks one."""
    enums = (_enum(prop) for prop in schema["properties"].values())
    return all(TIE in _spellings(enum) for enum in enums if enum is not None)


def wants_ranking(schema: dict[str, Any]) -> bool:
    """Return whether the schema has room for a ranking, and for no single verdict."""
    properties = schema["properties"].values()
    return any(_is_array(prop) for prop in properties) and not any(_enum(prop) for prop in properties)


def in_json(judgement: Judgement, case: Case, schema: dict[str, Any]) -> Draft:
    """Return a judgement as the JSON object that a schema describes.

    An enum holds the verdict, an array the ranking, an array of arrays the ranking with its ties, a string the reason,
    and a number, within its bounds, how probable the verdict was.

    Raises:
        ApiError: 400, for a property of another kind, whatever the judgement.
    """
    text, menu = "{", None
    for name, prop in schema["properties"].items():
        text += f"{', ' if len(text) > 1 else ''}{_encode(name)}: "
        enum = _enum(prop)
        if enum is not None:
            spelling = _spellings(enum)
            _require_labels(name, enum, case.labels)
            verdict = spelling.get(judgement.verdict.casefold()) or spelling[judgement.ranking[0].casefold()]
            value = _encode(verdict)
            if judgement.probabilities is not None and menu is None and value == f'"{verdict}"':
                chances = {spelling[label.casefold()]: p for label, p in judgement.probabilities.items()}
                menu = Menu(len(text) + 1, len(text) + 1 + len(verdict), chances)
            text += value
        else:
            text += _encode(_value(name, prop, judgement, case))
    return Draft(text + "}", menu=menu)


def _value(name: str, prop: Any, judgement: Judgement, case: Case) -> object:
    match prop:
        case {"type": "string"}:
            return judgement.rationale
        case {"type": "integer" | "number"}:
            return _number(name, prop, _certainty(judgement))
        case {"type": "array", "items": {"type": "string"} as items}:
            return _labels(name, items, judgement.ranking, case)
        case {"type": "array", "items": {"type": "array", "items": {"type": "string"} as items}}:
            return [_labels(name, items, group, case) for group in judgement.groups]
    raise _unsupported(f"the property '{name}'")


def _labels(name: str, items: dict[str, Any], labels: Sequence[str], case: Case) -> list[str]:
    enum = _enum(items)
    if enum is None:
        return list(labels)
    _require_labels(name, enum, case.labels)
    return [_spellings(enum)[label.casefold()] for label in labels]


def _is_array(prop: Any) -> bool:
    return isinstance(prop, dict) and prop.get("type") == "array"


def _number(name: str, prop: dict[str, Any], share: float) -> float:
    low, high = prop.get("minimum"), prop.get("maximum")
    low = min(1, 10 if high is None else high) if low is None else low
    high = max(10, low) if high is None else high
    if prop["type"] == "integer":
        low, high = ceil(low), floor(high)
    if low > high:
        raise _unsupported(f"the empty range of the property '{name}'")
    value = low + share * (high - low)
    return round(value) if prop["type"] == "integer" else float(value)


def _certainty(judgement: Judgement) -> float:
    if judgement.probabilities is None:
        return 0.5
    return judgement.probabilities[judgement.verdict]


def _enum(prop: Any) -> list[str] | None:
    values = prop.get("enum") if isinstance(prop, dict) else None
    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _unsupported("an enum whose values are not strings")
    return values


def _spellings(enum: Sequence[str]) -> dict[str, str]:
    return {value.casefold(): value for value in enum}


def _require_labels(name: str, enum: Sequence[str], labels: Sequence[str]) -> None:
    if missing := [label for label in labels if label.casefold() not in _spellings(enum)]:
        raise _unsupported(f"the enum of '{name}' without {', '.join(missing)}")


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _unsupported(what: str) -> ApiError:
    message = f"The simulator does not support {what}; it supports {SUPPORTED}."
    return ApiError(400, message, param="response_format", code="unsupported_value")
