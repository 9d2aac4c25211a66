"""What sends one request, and what comes back: all that asking knows of the wire."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .requests import Request

Headers = Sequence[tuple[bytes, bytes]]
"""The names and values of an answer's headers, as they came."""


class Reply(NamedTuple):
    """What a server sent back.

    Attributes:
        body: The answer's bytes.
        seconds: From sending to the whole answer.
        headers: The answer's.
    """

    body: bytes
    seconds: float
    headers: Headers = ()


class Sender(Protocol):
    """Sends one request: the openai client, or a stand-in for a test."""

    async def send(self, request: Request, base_url: str) -> Reply:
        """Return what one of the model's servers answered, or raise a CallError."""

    async def close(self) -> None:
        """Close all connections."""
