"""Listwise judging: a ranking of all candidates at once, asked again with fresh labels (Repeat Ranking).

At each repeat the labels are dealt anew, and the order in which the judge comments is drawn independently of them
(Devine 2024, arXiv 2405.18952). A ranking counts only if it names every label exactly once.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from ... import prompts
from .completion import verdict_text
from .material import Conversation, neutral
from .objects import object_schema, verdict_object
from .questions import LABELS, Question, Verdict, ranks_of, shuffled

NAME = "listwise"
HAS_ORDERS = False
MENU = ()
MOST_CANDIDATES = len(LABELS)

_FIELD = "ranking"
_TOKENS = re.compile(r"[>=]|[^>=]+")


def questions(candidates: int, repeats: int, _orders: str, *stream: object) -> Iterator[Question]:
    """Yield one question a repeat, each with its own labels and order of comments."""
    for repeat in range(repeats):
        yield Question(
            shown=shuffled(candidates, *stream, repeat, "labels"),
            repeat=repeat,
            comment_order=shuffled(candidates, *stream, repeat, "comments"),
        )


def count(candidates: int, _orders: str) -> int:
    """Return how many questions so many candidates give at each repeat."""
    return int(candidates > 1)


def messages(
    question: Question, conversation: Conversation, texts: list[str], *, in_json: bool = False
) -> list[dict[str, str]]:
    """Return what is sent: the template with every candidate in its block, which asks for words or for an object."""
    labels = LABELS[: len(question.shown)]
    blocks = (
        f"<response_{label}>\n{neutral(texts[index])}\n</response_{label}>"
        for label, index in zip(labels, question.shown, strict=True)
    )
    groups = _example(labels)
    return prompts.load(f"{NAME}-json" if in_json else NAME).render(
        {
            **conversation.places(),
            "count": str(len(labels)),
            "responses": "\n\n".join(blocks),
            "comment_order": ", ".join(labels[slot] for slot in question.comment_order),
            "example": json.dumps(groups) if in_json else f"[[{' > '.join(' = '.join(group) for group in groups)}]]",
        }
    )


def _example(labels: str) -> list[list[str]]:
    """Return the form of an answer in an order that suggests none, with a tie where there is room for one."""
    order = list(labels[1::2] + labels[::2])
    if len(order) == 2:
        return [order[:1], order[1:]]
    return [*([label] for label in order[:-2]), order[-2:]]


@cache
def schema(slots: int) -> dict[str, Any]:
    """Return the JSON schema of an answer that is to be an object: groups of labels, best first."""
    group = {"type": "array", "items": {"type": "string", "enum": list(LABELS[:slots])}}
    return object_schema(_FIELD, {"type": "array", "items": group})


def verdict(completion: str, slots: int) -> Verdict:
    """Return what a completion says: its last double-bracketed ranking, in which every label stands exactly once."""
    text = verdict_text(completion)
    if text.reason:
        return Verdict(None, text.reason)
    rankings = {"".join(choice.split()).upper() for choice in text.choices}
    if len(rankings) > 1:
        return Verdict(None, f"{len(rankings)} different rankings on one line")
    ranking = rankings.pop()
    tokens = _TOKENS.findall(ranking)
    named, signs = tokens[::2], tokens[1::2]
    if len(named) != len(signs) + 1 or not set(signs) <= {">", "="}:
        return Verdict(None, f"'{ranking[:40]}' is not a ranking")
    groups = [[named[0]]]
    for sign, label in zip(signs, named[1:], strict=True):
        if sign == ">":
            groups.append([])
        groups[-1].append(label)
    return _ranked(groups, LABELS[:slots])


def verdict_in_json(completion: str, slots: int) -> Verdict:
    """Return what a completion says that was to be an object; one without an object is read as words.

    Servers that pass the schema over let judges write a plain list of labels, too: it holds no ties.
    """
    found = verdict_object(completion, _FIELD)
    if found.words is not None:
        return verdict(found.words, slots)
    if found.reason:
        return Verdict(None, found.reason, found.rationale)
    groups = [[item] if isinstance(item, str) else item for item in _list(found.value)]
    if not all(isinstance(label, str) for group in groups for label in _list(group)):
        return Verdict(None, "the ranking in the object is not a list of groups of labels", found.rationale)
    named = [[label.strip().upper() for label in group] for group in groups]
    return _ranked(named, LABELS[:slots], found.rationale)


def _list(value: object) -> list[Any]:
    """Return a list as it is, and of anything else one that holds no label."""
    return value if isinstance(value, list) else [None]


def _ranked(groups: Sequence[Sequence[str]], labels: str, rationale: str | None = None) -> Verdict:
    """Return the verdict that groups of labels give, best first, if every label stands in them exactly once."""
    places = {label: place for place, group in enumerate(groups) for label in group}
    if unknown := sorted(set(places) - set(labels)):
        return Verdict(None, f"the ranking names '{unknown[0][:20]}', which was not shown", rationale)
    if sum(map(len, groups)) > len(places):
        return Verdict(None, "the ranking names a label twice", rationale)
    if missing := sorted(set(labels) - set(places)):
        return Verdict(None, f"the ranking leaves out {', '.join(missing)}", rationale)
    return Verdict(ranks_of([places[label] for label in labels]), None, rationale)
