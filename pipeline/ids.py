"""Ids that follow from content alone, so that the same thing has the same id in every file and on every machine."""

from hashlib import sha256

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode

ID_LENGTH = 20
"""Hex digits of an id: 80 bits, a chance of collision below 1e-8 among a hundred million ids."""


def content_id(*parts: object) -> str:
    """Return the id of a sequence of JSON values, as 20 hex digits.

    >>> content_id("a", "bc") != content_id("ab", "c")
    True
    """
    return sha256(_encode(parts)).hexdigest()[:ID_LENGTH]


def seed_of(*parts: object) -> int:
    """Return a 63-bit seed that depends on all parts: every question draws from its own stream of chance.

    A question's shuffle must not move when other rows are added, dropped or reordered, so no stage keeps one
    generator for all its rows.
    """
    return int.from_bytes(sha256(_encode(parts)).digest()[:8], "big") >> 1


def prompt_id(messages: list[dict[str, str]]) -> str:
    """Return the id of a conversation, from its roles and contents."""
    return content_id([[message["role"], message["content"]] for message in messages])


def response_id(prompt_id: str, model: str, sample: int, content: str | None) -> str:
    """Return the id of one answer; it changes with the text, so an old vote never points at a new answer."""
    return content_id(prompt_id, model, sample, content)


def vote_id(prompt_id: str, judge: str, protocol: str, repeat: int, shown: list[str]) -> str:
    """Return the id of one vote: which judge was asked what, in which order, and for which time."""
    return content_id(prompt_id, judge, protocol, repeat, shown)
