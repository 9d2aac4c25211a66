"""What a stage says when it is done: rows in, rows out, rows dropped and why, and what it measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Figure = int | float | str | None


@dataclass(frozen=True)
class Summary:
    """The closing account of one stage; nothing that came in is missing from it.

    Attributes:
        stage: The command.
        output: Where its table went.
        unit: What is counted, such as "prompts".
        rows_in: How many came in.
        rows_out: How many went on.
        dropped: How many did not, by reason. `rows_in == rows_out + sum(dropped.values())`.
        figures: What was measured, by name; shares lie between 0 and 1, costs are in US dollars.
        warnings: Sentences that the user should read before trusting the output.
    """

    stage: str
    output: str
    unit: str
    rows_in: int
    rows_out: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        missing = self.rows_in - self.rows_out - sum(self.dropped.values())
        if missing:
            raise AssertionError(f"{self.stage}: {missing} {self.unit} are unaccounted for")

    def account(self) -> str:
        """Return the accounting line: `170 prompts in = 168 out + 2 dropped (2 had fewer than two candidates)`."""
        line = f"{self.rows_in:,} {self.unit} in = {self.rows_out:,} out + {sum(self.dropped.values()):,} dropped"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.dropped.items() if count)
        return f"{line} ({reasons})" if reasons else line

    def as_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        return {
            "stage": self.stage,
            "output": self.output,
            "unit": self.unit,
            "in": self.rows_in,
            "out": self.rows_out,
            "dropped": dict(self.dropped),
            "figures": dict(self.figures),
            "warnings": list(self.warnings),
        }
