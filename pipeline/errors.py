"""The errors that a user can meet, each one sentence that says what is wrong and where, and a hint what to do next.

PrefpipeError
├── UsageError    the command or its input cannot be used as given (exit code 2)
├── RunError      the run itself failed (exit code 1)
└── WaitingError  batches are still under way; the same command collects them later (exit code 75)
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

MOST_LISTED = 30


class PrefpipeError(Exception):
    """Anything that stops a command and that its user can act on; shown without a traceback."""

    exit_code: ClassVar[int] = 1
    label: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Take the sentence that says what is wrong and where, and the sentence that says what to do."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PrefpipeError):
    """The command or its input cannot be used as given; nothing was asked and nothing was written."""

    exit_code = 2


class RunError(PrefpipeError):
    """The run failed; whatever was answered before is kept in the answer store."""


class WaitingError(PrefpipeError):
    """Batches are under way, and nobody wants to wait for them: the exit code says "try again later"."""

    exit_code = 75
    label = "waiting"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the hint for a mistyped word: the nearest known one, or else those that are known.

    >>> did_you_mean("bordo", ["borda", "elo"])
    "Did you mean 'borda'?"
    """
    names = [name for name in known if name.strip()]
    if near := get_close_matches(word, names, n=1):
        return f"Did you mean '{listed(near)}'?"
    return f"Known: {listed(names)}." if names else None


def listed(names: Iterable[str], most: int = MOST_LISTED) -> str:
    """Return names on one line, whatever they hold, the first of them where they are very many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b, …'
    """
    lines = [" ".join(name.split()) for name in names]
    return ", ".join(lines[:most]) + (", …" if len(lines) > most else "")
