"""Plain counters of a run in progress: written by whoever asks, read by whoever shows."""

from dataclasses import dataclass, field
from time import monotonic


@dataclass
class Meter:
    """How far a run is.

    Attributes:
        total: Calls that the run needs, stored ones included; unknown until the stage has counted them.
        done: Calls that are finished, in whatever way.
        stored: Calls of those that the answer store answered.
        failed: Calls of those that gave no usable answer.
        retries: Attempts beyond the first.
        in_flight: Calls that wait for their server now.
        stopping: Whether nothing more is sent, and only calls in flight are waited for.
        prompt_tokens: Sent in this run; what the store answered is not counted.
        completion_tokens: Received in this run.
        started: When the run started, on the monotonic clock.
    """

    total: int | None = None
    done: int = 0
    stored: int = 0
    failed: int = 0
    retries: int = 0
    in_flight: int = 0
    stopping: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    started: float = field(default_factory=monotonic)

    @property
    def sent(self) -> int:
        """Calls of this run that a server finished."""
        return self.done - self.stored

    def count_retry(self) -> None:
        """Count an attempt beyond a call's first."""
        self.retries += 1

    def count_tokens(self, prompt: int | None, completion: int | None) -> None:
        """Count an answer's tokens, where its server gave them."""
        self.prompt_tokens += prompt or 0
        self.completion_tokens += completion or 0

    def figures(self) -> dict[str, int]:
        """Return the counts for a closing summary."""
        return {
            "calls": self.done,
            "sent": self.sent,
            "from_store": self.stored,
            "failed": self.failed,
            "retries": self.retries,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }
