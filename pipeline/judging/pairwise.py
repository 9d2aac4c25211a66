"""Pairwise judging: every pair of a prompt's candidates, in both orders or in one drawn by chance."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from math import comb
from typing import Any

from ... import prompts
from ..ids import seed_of
from .completion import verdict_text
from .material import Conversation, neutral
from .objects import object_schema, verdict_object
from .questions import Question, Verdict

NAME = "pairwise"
HAS_ORDERS = True
MOST_CANDIDATES = None
MENU = ("A", "B", "tie")

_RANKS: Mapping[str, tuple[int, int]] = {"A": (1, 2), "B": (2, 1), "TIE": (1, 1)}
_FIELD = "verdict"


def questions(candidates: int, repeats: int, orders: str, *stream: object) -> Iterator[Question]:
    """Yield each pair once a repeat and order.

    Args:
        candidates: How many candidates the prompt has.
        repeats: How often each pair is asked.
        orders: "both" asks (a, b) and (b, a); "one" asks one of them, drawn anew at each repeat.
        stream: What the draw depends on, such as seed and prompt id.
    """
    for repeat in range(repeats):
        for pair in combinations(range(candidates), 2):
            swapped = pair[::-1]
            if orders == "both":
                yield Question(pair, repeat)
                yield Question(swapped, repeat)
            else:
                yield Question(pair if seed_of(*stream, repeat, *pair) % 2 else swapped, repeat)


def count(candidates: int, orders: str) -> int:
    """Return how many questions so many candidates give at each repeat."""
    return comb(candidates, 2) * (2 if orders == "both" else 1)


def messages(
    question: Question, conversation: Conversation, texts: list[str], *, in_json: bool = False
) -> list[dict[str, str]]:
    """Return what is sent: the template with both candidates in their slots, which asks for words or for an object."""
    first, second = (neutral(texts[index]) for index in question.shown)
    template = prompts.load(f"{NAME}-json" if in_json else NAME)
    return template.render({**conversation.places(), "A": first, "B": second})


@cache
def schema(_slots: int = 2) -> dict[str, Any]:
    """Return the JSON schema of an answer that is to be an object."""
    return object_schema(_FIELD, {"type": "string", "enum": list(MENU)})


def verdict(completion: str, _slots: int = 2) -> Verdict:
    """Return what a completion says: its last double-bracketed verdict, which must be A, B or tie."""
    text = verdict_text(completion)
    if text.reason:
        return Verdict(None, text.reason)
    named = {choice.strip().upper() for choice in text.choices}
    if len(named) > 1:
        return Verdict(None, f"contradictory verdicts on one line: {', '.join(sorted(named))}")
    return _of_menu(named.pop(), None, text.tail)


def verdict_in_json(completion: str, slots: int = 2) -> Verdict:
    """Return what a completion says that was to be an object; one without an object is read as words."""
    found = verdict_object(completion, _FIELD)
    if found.words is not None:
        return verdict(found.words, slots)
    if found.reason or not isinstance(found.value, str):
        return Verdict(None, found.reason or "the verdict in the object is not a text", found.rationale)
    return _of_menu(found.value.strip().upper(), found.rationale, found.tail)


def _of_menu(choice: str, rationale: str | None, tail: str) -> Verdict:
    if choice not in _RANKS:
        return Verdict(None, f"the verdict '{choice[:40]}' is not one of A, B, tie", rationale)
    return Verdict(_RANKS[choice], None, rationale, tail)
