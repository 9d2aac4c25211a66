"""Pairwise judging: every pair of a prompt's candidates, in both orders or in one drawn by chance."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from ... import prompts
from ..ids import seed_of
from .completion import verdict_text
from .material import Conversation, neutral
from .questions import Question, Verdict

NAME = "pairwise"


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


def messages(question: Question, conversation: Conversation, texts: list[str]) -> list[dict[str, str]]:
    """Return what is sent: the template with both candidates in their slots."""
    first, second = (neutral(texts[index]) for index in question.shown)
    return prompts.load(NAME).render({**conversation.places(), "A": first, "B": second})


_MENU: Mapping[str, tuple[int, int]] = {"A": (1, 2), "B": (2, 1), "TIE": (1, 1)}


def verdict(completion: str, _slots: int = 2) -> Verdict:
    """Return what a completion says: its last double-bracketed verdict, which must be A, B or tie."""
    text = verdict_text(completion)
    if text.reason:
        return Verdict(None, text.reason)
    named = {choice.strip().upper() for choice in text.choices}
    if len(named) > 1:
        return Verdict(None, f"contradictory verdicts on one line: {', '.join(sorted(named))}")
    choice = named.pop()
    if choice not in _MENU:
        return Verdict(None, f"the verdict '{choice[:40]}' is not one of A, B, tie")
    return Verdict(_MENU[choice])
