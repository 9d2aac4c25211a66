"""Where errors become sentences and exit codes.

2 is for usage, 1 for a failed run, 75 for batches that are still under way, and 130 for Ctrl-C.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from .terminal import one_line, show_error

INTERRUPTED = 130


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with its errors shown as a sentence and a hint instead of a traceback."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            show_error("Interrupted.", "Answers so far are kept; run the same command again to continue.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has seen enough.
            _forget_output()
            raise typer.Exit(1) from None
        except typer.BadParameter as error:
            error.message = one_line(error.message)
            raise
        except Exception as error:
            from ..pipeline.errors import PrefpipeError

            if not isinstance(error, PrefpipeError):
                raise
            show_error(error.message, error.hint, error.label)
            try:
                sys.stdout.flush()
            except OSError:
                _forget_output()
            raise typer.Exit(error.exit_code) from None

    return run


def _forget_output() -> None:
    """Send what could not be written nowhere; without this, Python tries again at exit, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
