"""The installed command: what must be settled before the rest is imported."""

import os
import sys
from importlib.machinery import ModuleSpec


class _WithoutPandas:
    """Lets imports of pandas fail, as of a module that nothing can load.

    Arrow would import it, wherever it is installed, only to ask whether an array is one of its own: a sixth of a
    second for every command.
    """

    @staticmethod
    def find_spec(fullname: str, *_: object) -> ModuleSpec | None:
        return ModuleSpec(fullname, None) if fullname == "pandas" else None


def main() -> None:
    """Run the command that the arguments name; an interrupt before any is known ends it without a word."""
    # Tables come and go in portions; Arrow's own allocator gives each back to the system and asks for it anew.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.meta_path.insert(0, _WithoutPandas)
    try:
        from .main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
