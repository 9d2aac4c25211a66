"""What a table's footer says of its making. It holds no time, so that equal runs give equal bytes."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

FOOTER_KEY = b"prefpipe"


@dataclass(frozen=True)
class Provenance:
    """Where a table comes from.

    Attributes:
        stage: The command that made it.
        settings: The options that shaped it.
        inputs: Name and SHA-256 of each file it was made from.
        version: The prefpipe that made it.
    """

    stage: str
    settings: dict[str, Any]
    inputs: list[dict[str, str]] = field(default_factory=list)
    version: str = field(default_factory=lambda: version("prefpipe"))
