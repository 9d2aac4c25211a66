"""How probable each verdict was, from the tokens that could have stood in its place."""

import re
from collections.abc import Sequence
from math import exp, fsum
from typing import Protocol

_WORD = re.compile(rb"\s*([A-Za-z]*)(.?)", re.DOTALL)
_ENDS = (b"", b"]", b'"')

_LEAST_SHARE = 0.5
"""The share of the probability that must lie on the menu before it says anything of the slots."""

_HIGHEST_LOG = 700.0
"""What `exp` can still take."""


class Token(Protocol):
    """A token of a completion."""

    @property
    def text(self) -> bytes:
        """Its bytes; those of all tokens, joined, are the completion."""

    @property
    def logprob(self) -> float:
        """The natural logarithm of its probability."""

    @property
    def likeliest(self) -> Sequence[tuple[bytes, float]]:
        """The likeliest tokens in its place with their logarithms, as many as are known, itself among them or not."""


def verdict_probabilities(tokens: Sequence[Token], tail: str, menu: Sequence[str]) -> tuple[float, ...] | None:
    """Return the probability of each verdict of a menu, given that one of them is said.

    Tokenisers cut `[[A]]` in many ways: `[[`, `A`, `]]`, or ` [[A`, `]]`. So the tokens are followed from the one in
    which the verdict opens to the first that holds a letter of it. Wherever another token would have opened a verdict,
    too, its probability counts for the verdict that it spells or begins, in either case, with or without blanks.

    Outside of the menu lie openings that something else follows, or nothing that is known, and what the server does
    not list at the verdict's first letter. That is left out, and the menu's probabilities are scaled to sum to 1.

    Args:
        tokens: All of the completion.
        tail: The completion from the opening of the verdict, `[[` or `"`, to its end.
        menu: The verdicts, each beginning with another letter.

    Returns:
        The probabilities in order of the menu; None where the verdict is not found among the tokens, or less than half
        of the probability lies on the menu.
    """
    said = b"".join(token.text for token in tokens)
    opening = said.rfind(tail.encode()) if tail else -1
    if opening < 0:
        return None
    start = opening + (2 if tail.startswith("[[") else 1)
    spelled = dict.fromkeys(menu, 0.0)
    opened, way, end = 0.0, 1.0, 0
    for token in tokens:
        begin, end = end, end + len(token.text)
        if end <= opening:
            continue
        head = said[begin:start]
        decides = bool(said[max(begin, start) : end].strip())
        branches = [(text, logprob) for text, logprob in token.likeliest if text != token.text]
        if decides:
            branches.append((token.text, token.logprob))
        before = opened
        for text, logprob in branches:
            if text.startswith(head):
                opened += way * exp(logprob)
                if verdict := _verdict(text[len(head) :], menu):
                    spelled[verdict] += way * exp(logprob)
        if decides:
            known = fsum(spelled.values())
            if begin >= start:
                opened = before + way
            if not known or known < _LEAST_SHARE * opened:
                return None
            return tuple(spelled[verdict] / known for verdict in menu)
        way *= exp(token.logprob)
    return None


def _verdict(text: bytes, menu: Sequence[str]) -> str | None:
    """Return the verdict that a text spells, or begins if it breaks off."""
    found = _WORD.match(text)
    if not found or not found[1] or not (found[2] in _ENDS or found[2].isspace()):
        return None
    word, whole = found[1].decode().lower(), bool(found[2])
    named = (verdict for verdict in menu if verdict.lower().startswith(word))
    return next((verdict for verdict in named if not whole or verdict.lower() == word), None)


def perplexity(tokens: Sequence[Token]) -> float | None:
    """Return how surprising a completion was to its judge: exp of minus the mean logarithm of its tokens.

    None where there are no tokens, or one that is called impossible. TrustJudge believes the order with the lower one.
    """
    if not tokens:
        return None
    surprise = -fsum(token.logprob for token in tokens) / len(tokens)
    return exp(surprise) if surprise < _HIGHEST_LOG else None
