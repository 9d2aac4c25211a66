"""Writing answers: readable nonsense about the topic of the prompt, whose true quality is drawn and marked."""

import re
from math import exp
from random import Random

from .draft import Draft, refusal
from .models import SimulatedModel
from .quality import marker
from .wire import Message

SENTENCES = 6
"""Sentences of a typical answer with verbosity 1."""

_LENGTH_SPREAD = 0.3
_TOPIC_REACH = 2_000  # characters of a prompt that are searched for topics: a long prompt must not cost more
_WORDS = re.compile(r"[^\W\d_]{4,20}").findall
_STOP_WORDS = frozenset(
    {
        *("about", "also", "answer", "because", "been", "before", "between", "could", "does", "each", "explain"),
        *("from", "give", "have", "here", "into", "just", "like", "make", "more", "most", "much", "only", "other"),
        *("over", "please", "should", "some", "such", "tell", "than", "that", "their", "them", "then", "there"),
        *("these", "they", "this", "those", "very", "want", "were", "what", "when", "where", "which", "while"),
        *("will", "with", "would", "write", "your"),
    }
)
_FRAMES = (
    "The first thing to know about {topic} is how its {thing} {does} its {other}.",
    "In practice the {thing} of {topic} {does} the {other}, and less often the {third}.",
    "A common mistake is to take the {thing} of {topic} for its {other}.",
    "Where {topic} is concerned, a {quality} {thing} {does} every {other_quality} {other}.",
    "Start with the {thing}: it {does} {topic} in a {quality} way.",
    "Some would say that the {other} matters more, but with {topic} the {thing} {does} it as well.",
    "As an example, take a {quality} {thing} whose {other} {does} {topic}.",
    "It helps to compare {topic} with a {quality} {thing} and a {other_quality} {other}.",
    "Whoever measures the {thing} soon finds that it {does} the {other} of {topic}.",
    "In short, {topic} is a matter of {thing} and {other}.",
)
_THINGS = (
    *("structure", "purpose", "history", "cost", "context", "balance", "method", "detail", "habit", "source"),
    *("pattern", "limit", "reason", "result", "rule", "scale", "shape", "step", "tool", "view"),
)
_DOES = ("shapes", "explains", "limits", "supports", "precedes", "replaces", "reflects", "changes", "needs")
_QUALITIES = ("simple", "careful", "late", "familiar", "gradual", "hidden", "local", "modern", "steady", "useful")


def answer(model: SimulatedModel, messages: list[Message], chance: Random, limit: int | None = None) -> Draft:
    """Return an answer to a conversation, signed with its author and its true quality.

    The quality is `ability + spread * N(0, 1)`. An answer that ends too early, by the limit of tokens or by
    the trait `truncate`, carries no marker: nobody knows the quality of half a text.
    """
    fate = chance.random()  # drawn always and first, so that failures leave all other answers as they are
    true_quality = model.ability + model.spread * chance.gauss()
    if fate < model.refuse:
        return refusal().cut(limit)
    body = _write(model, _topics(messages), chance)
    if fate < model.refuse + model.truncate:
        return Draft(body).cut_at(len(body) // 2).cut(limit)
    whole = Draft(f"{body}\n\n{marker(model.name, true_quality)}")
    cut = whole.cut(limit)
    return whole if cut is whole else cut.cut_at(min(len(cut.text), len(body)))


def _topics(messages: list[Message]) -> list[str]:
    asked = next((message.text for message in reversed(messages) if message.role == "user"), "")
    words = (word.lower() for word in _WORDS(asked[:_TOPIC_REACH]))
    return list(dict.fromkeys(word for word in words if word not in _STOP_WORDS))[:8] or ["the question"]


def _write(model: SimulatedModel, topics: list[str], chance: Random) -> str:
    def pick(words: tuple[str, ...] | list[str]) -> str:
        return words[int(chance.random() * len(words))]

    length = SENTENCES * model.verbosity * exp(_LENGTH_SPREAD * chance.gauss())
    sentences = [
        pick(_FRAMES).format(
            topic=pick(topics),
            thing=pick(_THINGS),
            other=pick(_THINGS),
            third=pick(_THINGS),
            does=pick(_DOES),
            quality=pick(_QUALITIES),
            other_quality=pick(_QUALITIES),
        )
        for _ in range(max(1, round(length)))
    ]
    return " ".join(sentences)
