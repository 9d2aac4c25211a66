"""prefpipe judge."""

from pathlib import Path
from typing import Annotated

import typer

from .options import (
    MAX_FAILURES,
    STORE,
    Batch,
    Concurrency,
    DryRun,
    Json,
    MaxCalls,
    MaxCost,
    MaxFailures,
    MaxTokens,
    Output,
    RetryFailed,
    Store,
    Temperature,
    Wait,
)
from .progress import progress
from .terminal import show_summary


def judge(
    responses: Annotated[
        Path, typer.Argument(help="Responses from `prefpipe generate`, or any file with prompt, model and content.")
    ],
    output: Output,
    judge: Annotated[list[str], typer.Option(help="A model that judges; repeat for more.")],
    protocol: Annotated[str, typer.Option(help="pairwise (every pair) or listwise (all candidates at once).")] = (
        "pairwise"
    ),
    repeats: Annotated[int, typer.Option(min=1, help="How many times to ask each question.")] = 1,
    orders: Annotated[str, typer.Option(help="pairwise: both orders of each pair, or one chosen at random.")] = "both",
    verdicts: Annotated[str, typer.Option(help="words, or json for judges whose servers accept a schema.")] = "words",
    logprobs: Annotated[
        bool, typer.Option("--logprobs", help="pairwise: write how probable each verdict was (scores, perplexity).")
    ] = False,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed for shuffles; also passed to the judges if set.")
    ] = None,
    store: Store = STORE,
    concurrency: Concurrency = None,
    max_calls: MaxCalls = None,
    max_cost: MaxCost = None,
    max_failures: MaxFailures = MAX_FAILURES,
    retry_failed: RetryFailed = False,
    batch: Batch = False,
    wait: Wait = True,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask judges which candidates are better; each call gives one vote."""
    from ..pipeline import judge as stage

    with progress("judge") as meter:
        summary = stage(
            responses,
            output,
            judges=judge,
            protocol=protocol,
            repeats=repeats,
            orders=orders,
            verdicts=verdicts,
            logprobs=logprobs,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            store=store,
            concurrency=concurrency,
            max_calls=max_calls,
            max_cost=max_cost,
            max_failures=max_failures,
            retry_failed=retry_failed,
            batch=batch,
            wait=wait,
            dry_run=dry_run,
            meter=meter,
        )
    show_summary(summary, output, as_json=json)
