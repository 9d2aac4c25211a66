"""The installed command: what Ctrl-C meets while the rest is still being imported."""

import sys


def main() -> None:
    """Run the command that the arguments name; an interrupt before any is known ends it without a word."""
    try:
        from .main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
