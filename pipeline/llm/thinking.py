"""Reasoning that a server left inside the text of an answer, taken apart from what was said."""

import re
from typing import NamedTuple

_OPENING = re.compile(r"\s*<think(?:ing)?>", re.IGNORECASE)
_BLOCK = re.compile(r"\s*<think(?:ing)?>(.*?)</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_ANY_OPENING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_LONE_END = re.compile(r"^[ \t]*</think(?:ing)?>[ \t]*$", re.MULTILINE)


class Split(NamedTuple):
    """The two parts of a text.

    Attributes:
        said: What was said after the reasoning; None where the reasoning never ends.
        reasoning: What stood between the tags; None where there are none, or nothing between them.
    """

    said: str | None
    reasoning: str | None


def split_thinking(text: str) -> Split:
    """Take apart what a text says and the reasoning that it opens with, `<think>…</think>` or `<thinking>…</thinking>`.

    Chat templates of some models put the opening tag into the prompt, so that the text begins within the reasoning: a
    closing tag that has a line to itself ends it, too, if no opening tag stands before it. Tags anywhere else are part
    of what was said.
    """
    if "<" not in text or ("</think" not in text and not _OPENING.match(text)):
        return Split(text, None)
    thoughts = []
    rest = text
    while opening := _OPENING.match(rest):
        block = _BLOCK.match(rest)
        thoughts.append(block[1] if block else rest[opening.end() :])
        if not block:
            return Split(None, _joined(thoughts))
        rest = rest[block.end() :]
    if (end := _LONE_END.search(rest)) and not _ANY_OPENING.search(rest, 0, end.start()):
        thoughts.append(rest[: end.start()])
        rest = rest[end.end() :]
    return Split(rest.lstrip(), _joined(thoughts)) if thoughts else Split(text, None)


def _joined(thoughts: list[str]) -> str | None:
    return "\n\n".join(thought.strip() for thought in thoughts if thought.strip()) or None
