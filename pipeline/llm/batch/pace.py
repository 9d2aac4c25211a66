"""How much of a model's work is handed over at once: as much as its server has been seen to take."""

from dataclasses import dataclass
from math import inf

from .files import FileLimits


@dataclass
class Pace:
    """The most batches of one model that are under way together, and the most requests of each.

    Servers limit what may be enqueued, by tokens that only they count and by the customer's tier, and refuse a whole
    batch that goes beyond. So nothing is held back until the first refusal; then as many batches as were taken, or
    smaller ones where not even one was; and twice as many after a round without a refusal.

    Attributes:
        batches: The most batches at once.
        requests: The most requests of each.
    """

    batches: float = inf
    requests: float = inf

    def limits(self, limits: FileLimits) -> FileLimits:
        """Return what a file may hold."""
        return FileLimits(int(min(limits.requests, self.requests)), limits.bytes)

    def learn(self, taken: int, refused: int, smallest: int) -> bool:
        """Learn from a round; tell whether there is any hope left.

        Args:
            taken: Batches that the server took.
            refused: Batches that were too much for it.
            smallest: Requests of the smallest of these.
        """
        if not refused:
            self.batches *= 2
        elif taken:
            self.batches = taken
        else:
            self.batches, self.requests = 1, smallest // 2
        return self.requests >= 1
