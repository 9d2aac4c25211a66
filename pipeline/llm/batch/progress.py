"""How far a run of batches is, request by request, and whether its bounds let it go on."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from ..bounds import Bounds
from ..failures import CallError, TransientError


@dataclass
class Progress:
    """What is known of a run's requests; only those that failed are remembered one by one.

    Attributes:
        bounds: Where the run stops by itself.
        most_attempts: The most batches that one request goes into.
        launched: Requests that this run has put into a batch; further attempts are not counted.
        answered: Requests that have got their answer while the run waited.
        attempts: In how many batches a request has failed, by key.
        given_up: Why a request will have no answer, by key.
    """

    bounds: Bounds
    most_attempts: int
    launched: int = 0
    answered: int = 0
    attempts: Counter[str] = field(default_factory=Counter)
    given_up: dict[str, str] = field(default_factory=dict)

    def why_stop(self, key: str) -> str | None:
        """Return why a request may not be submitted, or nothing."""
        launched = 0 if key in self.attempts else self.launched
        return self.bounds.why_stop(launched, self.answered + len(self.given_up), len(self.given_up))

    def launch(self, keys: Collection[str]) -> None:
        """Count requests that go into a batch."""
        self.launched += self._new(keys)

    def take_back(self, keys: Collection[str]) -> None:
        """Count requests no more, as their batch was refused."""
        self.launched -= self._new(keys)

    def _new(self, keys: Collection[str]) -> int:
        return sum(key not in self.attempts for key in keys)

    def fail(self, key: str, error: CallError) -> bool:
        """Take a failure of a request; tell whether it is to be asked again."""
        self.attempts[key] += 1
        if isinstance(error, TransientError) and self.attempts[key] < self.most_attempts:
            return True
        self.given_up[key] = error.reason
        return False
