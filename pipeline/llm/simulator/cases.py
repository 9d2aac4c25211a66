"""Recognising a judge prompt: the candidates it shows, in slot order, and the form of verdict it asks for."""

import re
from dataclasses import dataclass

from .wire import Message

_OPENING = re.compile(r"<response_([A-Z])>\n")
_RANKING = re.compile(r"\[\[\s*[A-Z](?:\s*[>=]\s*[A-Z])+\s*\]\]")


@dataclass(frozen=True, slots=True)
class Case:
    """What a judge is asked about: labels and texts in slot order, and whether to rank them all."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    listwise: bool


def read_case(messages: list[Message]) -> Case | None:
    """Return the case that the last user message with two or more candidates shows; None where there is none.

    Candidates are blocks `<response_A>`, text, `</response_A>`, each tag on its own line. The case is listwise
    if the instructions show a verdict like `[[B > A = C]]`, or if there are more than two candidates: there is
    no other form of verdict for these. What stands inside a block is data and is not searched.
    """
    for message in reversed(messages):
        if message.role == "user" and (case := _read(message.text, messages)):
            return case
    return None


def _read(text: str, messages: list[Message]) -> Case | None:
    shown: dict[str, str] = {}
    outside: list[str] = []
    end = 0
    while opening := _OPENING.search(text, end):
        label, start = opening[1], opening.end()
        closing = text.find(f"\n</response_{label}>", start - 1)
        if closing < 0 or label in shown or (opening.start() and text[opening.start() - 1] != "\n"):
            outside.append(text[end:start])
            end = start
            continue
        outside.append(text[end : opening.start()])
        shown[label] = text[start : max(start, closing)]
        end = closing + len(f"\n</response_{label}>")
    if len(shown) < 2:
        return None
    final = text[end:]
    if "[[" not in final:  # the last instruction decides; a question may quote verdicts of its own
        final = "\n".join([*outside, final, *(m.text for m in messages if m.role in {"system", "developer"})])
    listwise = len(shown) > 2 or _RANKING.search(final) is not None
    return Case(tuple(shown), tuple(shown.values()), listwise)
