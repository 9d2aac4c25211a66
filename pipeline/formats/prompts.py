"""Prompts as users have them: one of several columns holds the conversation, the others travel along as metadata."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError, did_you_mean
from ..ids import prompt_id
from ..reading import display
from .conversations import Message, conversation
from .rows import Row, rows

PROMPT_COLUMNS = ("prompt", "messages", "instruction")
"""Where a conversation is looked for, in this order, unless the user names a column."""

OWN_COLUMNS = ("prompt_id", "reference", "metadata")

_encode = msgspec.json.Encoder(order="deterministic").encode


def read_prompts(path: str | Path, column: str | None = None) -> Iterator[Row]:
    """Yield `{prompt_id, prompt, reference, metadata}` for each row of a file of prompts.

    The conversation stands in the column `prompt` or `messages` (a text or a list of messages) or in `instruction`
    with an optional `input` below it. A column `prompt_id` is kept, else the id follows from the conversation.

    Args:
        path: A Parquet, JSON-lines, JSON or CSV file, or `-`.
        column: The column that holds the conversation, where it has another name.

    Raises:
        UsageError: The file is empty or a table of responses, or a row has no conversation.
    """
    number = 0
    for place, row in rows(path):
        number += 1
        if number == 1 and row.keys() >= {"response_id", "model", "content"}:
            raise UsageError(f"{display(path)} is a responses table, not prompts.", "Name the file of its prompts.")
        yield prompt_row(row, place, column)
    if not number:
        raise UsageError(f"{display(path)} holds no prompts.", "Check the file.")


def prompt_row(row: Row, place: str, column: str | None = None, own: tuple[str, ...] = ()) -> Row:
    """Return the prompt's columns of one row; columns that are neither the prompt's nor in `own` become metadata."""
    messages, used = _conversation_of(row, place, column)
    reference = row.get("reference")
    if reference is not None and not isinstance(reference, str):
        raise UsageError(f"{place}: 'reference' is not a text.", "Write it as a string, or rename the column.")
    rest = {name: value for name, value in row.items() if name not in {*used, *OWN_COLUMNS, *own}}
    return {
        "prompt_id": _own_id(row.get("prompt_id"), place) or prompt_id(messages),
        "prompt": messages,
        "reference": reference or None,
        "metadata": _metadata(row.get("metadata"), rest, place),
    }


def _own_id(value: Any, place: str) -> str | None:
    """Return an id as text: 7 is the same as "7", between which a CSV file knows no difference."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise UsageError(
            f"{place}: 'prompt_id' is neither a text nor a whole number.", "Write it as a string, or rename the column."
        )
    return value


def _conversation_of(row: Row, place: str, column: str | None) -> tuple[list[Message], set[str]]:
    names = (column,) if column else PROMPT_COLUMNS
    found = next((name for name in names if row.get(name) is not None), None)
    if empty := next((name for name in names if found is None and name in row), None):
        raise UsageError(f"{place}: '{empty}' is empty.", "Remove the row or fill it in.")
    if found is None:
        wanted = f"'{column}'" if column else "'prompt', 'messages' or 'instruction'"
        hint = did_you_mean(column, row) if column else f"It has {', '.join(row)}; name one with --prompt-column."
        raise UsageError(f"{place} has no column {wanted}.", hint)
    if found == "instruction" and isinstance(row[found], str) and row.get("input"):
        return conversation(f"{row[found]}\n\n{row['input']}", place), {"instruction", "input"}
    used = {"instruction", "input"} if found == "instruction" else {found}
    return conversation(row[found], place), used


def _metadata(own: Any, rest: Row, place: str) -> str | None:
    if own is not None and not isinstance(own, (str, dict)):
        raise UsageError(f"{place}: 'metadata' is not a JSON object.", "Write an object, or rename the column.")
    try:
        known = msgspec.json.decode(own, type=dict[str, Any]) if isinstance(own, str) and own else own or {}
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{place}: 'metadata' is not a JSON object.", "Write an object, or rename the column."
        ) from error
    merged = {**known, **rest}
    return _encode(merged).decode() if merged else None
