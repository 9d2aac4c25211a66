"""What a load server says: an answer with a verdict, a refusal, or nothing; and the law that decides which."""

import json
from dataclasses import dataclass
from typing import Any, Protocol

_REASONS = "Response A answers what was asked, in full and without padding; response B leaves out a step. " * 3


def completion(prompt_tokens: int = 380, completion_tokens: int = 60) -> bytes:
    """Return an answer of 0.6 kB with a verdict."""
    message = {"role": "assistant", "content": f"{_REASONS}\n[[A]]"}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    return json.dumps(
        {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 0,
            "model": "load",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {**usage, "total_tokens": prompt_tokens + completion_tokens},
        }
    ).encode()


ANSWER = completion()
TOO_MANY = b'{"error": {"message": "Rate limit reached.", "type": "requests", "code": "rate_limit_exceeded"}}'
BROKEN = b'{"error": {"message": "The server had an error.", "type": "server_error"}}'
GARBAGE = b'{"id": "chatcmpl-'


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to send after so many seconds; status 0 breaks the connection instead."""

    delay: float = 0.0
    status: int = 200
    body: bytes = ANSWER
    headers: bytes = b""


class Kind(Protocol):
    """A law of answering."""

    def receive(self, body: bytes, now: float) -> Outcome:
        """Return what becomes of a request that arrives now."""

    def figures(self) -> dict[str, Any]:
        """Return what the server knows of its own load."""
