"""The installed command: what Ctrl-C meets while the rest is still being imported."""

import os
import sys


def main() -> None:
    """Run the command that the arguments name; an interrupt before any is known ends it without a word."""
    # Tables come and go in portions; Arrow's own allocator gives each back to the system and asks for it anew.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        from .main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
