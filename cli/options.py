"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Where to write the table: .parquet, .jsonl, or - for standard output.")
]
Store = Annotated[
    Path,
    typer.Option(envvar="PREFPIPE_STORE", help="The answer store; calls that it already answers are not sent again."),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, help="Maximum concurrent calls to each model.", show_default="as many as its servers take"),
]
MaxCalls = Annotated[int | None, typer.Option(min=0, help="Maximum calls to send; answers so far are kept.")]
MaxCost = Annotated[float | None, typer.Option(min=0, help="Maximum US dollars to spend; answers so far are kept.")]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Ask once more for stored answers that are unusable: refused, cut off, unreadable."
    ),
]
Batch = Annotated[
    bool, typer.Option("--batch", help="Send calls through the servers' batch API: half the price, up to a day.")
]
Wait = Annotated[
    bool, typer.Option(help="With --batch: wait for the answers, or exit now and run the same command again later.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be sent and what it would cost; send and write nothing.")
]
MaxFailures = Annotated[float, typer.Option(min=0, max=1, help="Stop when a larger share of the calls fails.")]
Temperature = Annotated[
    float | None, typer.Option(min=0, max=2, help="Sampling temperature; the server's default if unset.")
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Maximum tokens of an answer.")]
Criterion = Annotated[str | None, typer.Option(help="Use only the votes on this criterion, if there are several.")]
PositionEffect = Annotated[
    str,
    typer.Option(metavar="LOGITS", help="How much the first slot is favoured; estimate fits it to all prompts."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON on standard output.")]
ResultJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]

STORE = Path(".prefpipe/answers.db")
MAX_FAILURES = 0.5


def logits_of(position_effect: str) -> float | Literal["estimate"]:
    """Return a position effect, or the wish to have it estimated.

    >>> logits_of("0.4")
    0.4
    """
    if position_effect == "estimate":
        return "estimate"
    try:
        return float(position_effect)
    except ValueError:
        raise typer.BadParameter(f"'{position_effect}' is neither a number of logits nor 'estimate'") from None
