"""Listwise judging: a ranking of all candidates at once, asked again with fresh labels (Repeat Ranking).

At each repeat the labels are dealt anew, and the order in which the judge comments is drawn independently of them
(Devine 2024, arXiv 2405.18952). A ranking counts only if it names every label exactly once.
"""

import re
from collections.abc import Iterator

from ... import prompts
from .completion import verdict_text
from .material import Conversation, neutral
from .questions import LABELS, Question, Verdict, ranks_of, shuffled

NAME = "listwise"
MOST_CANDIDATES = len(LABELS)

_TOKENS = re.compile(r"[>=]|[^>=]+")


def questions(candidates: int, repeats: int, *stream: object) -> Iterator[Question]:
    """Yield one question a repeat, each with its own labels and order of comments."""
    for repeat in range(repeats):
        yield Question(
            shown=shuffled(candidates, *stream, repeat, "labels"),
            repeat=repeat,
            comment_order=shuffled(candidates, *stream, repeat, "comments"),
        )


def messages(question: Question, conversation: Conversation, texts: list[str]) -> list[dict[str, str]]:
    """Return what is sent: the template with every candidate in its block."""
    labels = LABELS[: len(question.shown)]
    blocks = (
        f"<response_{label}>\n{neutral(texts[index])}\n</response_{label}>"
        for label, index in zip(labels, question.shown, strict=True)
    )
    return prompts.load(NAME).render(
        {
            **conversation.places(),
            "count": str(len(labels)),
            "responses": "\n\n".join(blocks),
            "comment_order": ", ".join(labels[slot] for slot in question.comment_order),
            "example": _example(labels),
        }
    )


def _example(labels: str) -> str:
    """Return the form of an answer in an order that suggests none, with a tie where there is room for one."""
    order = labels[1::2] + labels[::2]
    if len(order) == 2:
        return f"[[{order[0]} > {order[1]}]]"
    return f"[[{' > '.join(order[:-1])} = {order[-1]}]]"


def verdict(completion: str, slots: int) -> Verdict:
    """Return what a completion says: its last double-bracketed ranking, in which every label stands exactly once."""
    text = verdict_text(completion)
    if text.reason:
        return Verdict(None, text.reason)
    rankings = {"".join(choice.split()).upper() for choice in text.choices}
    if len(rankings) > 1:
        return Verdict(None, f"{len(rankings)} different rankings on one line")
    return _ranking(rankings.pop(), LABELS[:slots])


def _ranking(text: str, labels: str) -> Verdict:
    tokens = _TOKENS.findall(text)
    named, signs = tokens[::2], tokens[1::2]
    if len(named) != len(signs) + 1 or not set(signs) <= {">", "="}:
        return Verdict(None, f"'{text[:40]}' is no ranking")
    if unknown := sorted(set(named) - set(labels)):
        return Verdict(None, f"the ranking names '{unknown[0][:20]}', which was not shown")
    if len(named) > len(set(named)):
        return Verdict(None, "the ranking names a label twice")
    if missing := sorted(set(labels) - set(named)):
        return Verdict(None, f"the ranking leaves out {', '.join(missing)}")
    place, places = 0, {named[0]: 0}
    for sign, label in zip(signs, named[1:], strict=True):
        place += sign == ">"
        places[label] = place
    return Verdict(ranks_of([places[label] for label in labels]))
