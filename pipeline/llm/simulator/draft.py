"""What a simulated model has to say, before it is put on the wire, and how it falls into tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .wire import FinishReason

_PIECES = re.compile(r"\s*\S+|\s+").findall


@dataclass(frozen=True, slots=True)
class Menu:
    """The place of the verdict in a text, and the probability of each token that could have stood there."""

    start: int
    end: int
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of one answer and how it ended; a refusal has its words in `text` as well."""

    text: str
    finish_reason: FinishReason = "stop"
    refused: bool = False
    menu: Menu | None = None

    def pieces(self) -> list[str]:
        """Return the tokens: words with the space before them, and the verdict by itself; joined, the text."""
        if self.menu is None:
            return _PIECES(self.text)
        start, end = self.menu.start, self.menu.end
        return [*_PIECES(self.text[:start]), self.text[start:end], *_PIECES(self.text[end:])]

    def cut(self, limit: int | None) -> "Draft":
        """Return the draft as it ends where the limit of tokens is reached."""
        if limit is None or len(pieces := self.pieces()) <= limit:
            return self
        return self.cut_at(len("".join(pieces[:limit])))

    def cut_at(self, end: int) -> "Draft":
        """Return the first `end` characters, ended by the length limit."""
        menu = self.menu if self.menu and self.menu.end <= end else None
        return Draft(self.text[:end], "length", self.refused, menu)


def refusal() -> Draft:
    """Return the words of a model that will not answer."""
    return Draft("I'm sorry, but I can't help with that.", "content_filter", refused=True)


def token_estimate(text: str) -> int:
    """Return about how many tokens a text has: its words, or a quarter of its characters where words are long."""
    return max(len(text.split()), len(text) // 4)
