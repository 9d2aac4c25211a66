"""Where errors become sentences and exit codes.

2 is for usage, 1 for a failed run, 75 for batches that are still under way, and 130 for Ctrl-C.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from .terminal import show_error

INTERRUPTED = 130


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with its errors shown as a sentence and a hint instead of a traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            show_error("Interrupted.", "What was answered is kept; run the same command again to go on.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has seen enough; without this, Python complains when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except Exception as error:
            from ..pipeline.errors import PrefpipeError

            if not isinstance(error, PrefpipeError):
                raise
            show_error(error.message, error.hint, error.label)
            raise typer.Exit(error.exit_code) from None

    return run
