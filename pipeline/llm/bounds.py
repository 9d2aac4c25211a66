"""Where a run stops by itself: everything that was answered is kept, and the same command goes on."""

from dataclasses import dataclass

from ..errors import UsageError

DEFAULT_MAX_FAILURES = 0.5

FEWEST_CALLS_TO_JUDGE_BY = 20
"""Finished calls before their share of failures means anything."""


@dataclass(frozen=True)
class Bounds:
    """How far a run may go.

    Attributes:
        max_calls: The most calls to send in this run; None for as many as are needed.
        max_cost: The most US dollars to spend in this run, likewise.
        max_failures: The largest share of calls, between 0 and 1, that may end without an answer.
    """

    max_calls: int | None = None
    max_cost: float | None = None
    max_failures: float = DEFAULT_MAX_FAILURES

    def __post_init__(self) -> None:
        if self.max_calls is not None and self.max_calls < 0:
            raise UsageError(f"--max-calls must be 0 or more, not {self.max_calls}.", "Leave it out for no limit.")
        if self.max_cost is not None and not self.max_cost >= 0:
            raise UsageError(
                f"--max-cost must be 0 or more, not {self.max_cost:g}.", "Give US dollars, or leave it out."
            )
        if not 0 <= self.max_failures <= 1:
            raise UsageError(
                f"--max-failures must be between 0 and 1, not {self.max_failures:g}.",
                "Give a share, such as 0.2 for one call in five.",
            )

    def why_stop(self, launched: int, finished: int, failed: int) -> str | None:
        """Return why no further call may be sent, or nothing.

        Args:
            launched: Calls of this run that were sent.
            finished: Calls of those that have ended.
            failed: Calls of those that ended without an answer.
        """
        return self.why_send_no_more(launched) or self.why_give_up(finished, failed)

    def why_send_no_more(self, launched: int) -> str | None:
        """Return why no further call may be begun, or nothing; those that were begun may be tried again."""
        if self.max_calls is not None and launched >= self.max_calls:
            return f"--max-calls {self.max_calls:,} is reached"
        return None

    def why_give_up(self, finished: int, failed: int) -> str | None:
        """Return why nothing more may be sent, or nothing."""
        if finished >= FEWEST_CALLS_TO_JUDGE_BY and failed > self.max_failures * finished:
            return f"{failed:,} of {finished:,} calls failed, which is more than --max-failures {self.max_failures:g}"
        return None

    def why_spend_no_more(self, spent: float, reserved: float) -> str | None:
        """Return why no further call may be paid, or nothing.

        Args:
            spent: US dollars for the calls of this run that were answered.
            reserved: What the calls in flight and the next one will cost, about.
        """
        if self.max_cost is not None and spent + reserved > self.max_cost:
            return f"--max-cost {self.max_cost:g} is reached; {spent:.4f} US dollars were spent"
        return None
