"""The stages as functions: each reads tables and writes one, and returns a summary of what it did.

>>> from prefpipe.pipeline import generate, judge, rank, filter, export
"""

from .errors import PrefpipeError, RunError, UsageError, WaitingError
from .export import export
from .filter import filter  # noqa: A004 - the verb of the command
from .generate import generate
from .judge import judge
from .leaderboard import leaderboard
from .rank import rank
from .repeats import repeats
from .run import run
from .summary import Summary

__all__ = [
    "PrefpipeError",
    "RunError",
    "Summary",
    "UsageError",
    "WaitingError",
    "export",
    "filter",
    "generate",
    "judge",
    "leaderboard",
    "rank",
    "repeats",
    "run",
]
