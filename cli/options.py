"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Where the table goes: .parquet, .jsonl, or - for standard output.")
]
Store = Annotated[
    Path, typer.Option(envvar="PREFPIPE_STORE", help="The answer store: what it holds is never asked again.")
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, help="The most calls in flight to each model.", show_default="as many as its servers take"),
]
MaxCalls = Annotated[int | None, typer.Option(min=0, help="The most calls to send; what is answered is kept.")]
MaxCost = Annotated[float | None, typer.Option(min=0, help="The most US dollars to spend; what is answered is kept.")]
RetryFailed = Annotated[
    bool,
    typer.Option("--retry-failed", help="Ask once more for kept answers that are of no use: refused, cut off, unread."),
]
Batch = Annotated[
    bool, typer.Option("--batch", help="Ask through the servers' batch API: at half the price, within a day.")
]
Wait = Annotated[
    bool, typer.Option(help="With --batch: wait for the answers, or leave and run the same command again later.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be asked and what it would cost; send and write nothing.")
]
MaxFailures = Annotated[
    float, typer.Option(min=0, max=1, help="Stop when a larger share of the calls ends without an answer.")
]
Temperature = Annotated[
    float | None, typer.Option(min=0, max=2, help="Sampling temperature; the server's own if not given.")
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="The most tokens of an answer.")]
Json = Annotated[bool, typer.Option("--json", help="Print the closing summary as JSON on standard output.")]

STORE = Path(".prefpipe/answers.db")
MAX_FAILURES = 0.5
