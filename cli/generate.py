"""prefpipe generate."""

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


def generate(
    prompts: Annotated[Path, typer.Argument(help="Prompts: .parquet, .jsonl, .json, .csv, or - for standard input.")],
    output: Output,
    model: Annotated[
        list[str],
        typer.Option(
            help="A model to ask; repeat for more. For example gpt-4o-mini, llama-3@http://host:8000/v1, sim:strong."
        ),
    ],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Answers from each model to each prompt.")] = 1,
    system: Annotated[str | None, typer.Option(help="System message for prompts that have none.")] = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed; the models get one for each sample, derived from it.")
    ] = None,
    prompt_column: Annotated[
        str | None, typer.Option(help="Name of the prompt column, if it is not a usual one.")
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
    """Ask models for candidate responses to every prompt."""
    from ..pipeline import generate as stage

    with progress("generate") as meter:
        summary = stage(
            prompts,
            output,
            models=model,
            samples=samples,
            system=system,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            prompt_column=prompt_column,
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
