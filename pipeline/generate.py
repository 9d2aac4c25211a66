"""generate: prompts in, candidate responses out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .errors import UsageError
from .formats.conversations import Message
from .formats.prompts import read_prompts
from .formats.rows import Row, count_rows
from .ids import response_id, seed_of
from .llm.answers import Answer
from .llm.bounds import DEFAULT_MAX_FAILURES, Bounds
from .llm.meter import Meter
from .llm.models import Model, parse_models
from .llm.prices import require_prices
from .llm.requests import Sampling, chat
from .llm.session import Session, forecast_warnings
from .llm.store import DEFAULT_PATH
from .reading import display
from .summary import Figure, Summary
from .tables import RESPONSES, Status
from .writing import TableWriter, provenance_of


def generate(
    prompts: str | Path,
    output: str | Path,
    *,
    models: Sequence[str],
    samples: int = 1,
    system: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    prompt_column: str | None = None,
    store: str | Path = DEFAULT_PATH,
    concurrency: int | None = None,
    max_calls: int | None = None,
    max_cost: float | None = None,
    max_failures: float = DEFAULT_MAX_FAILURES,
    retry_failed: bool = False,
    batch: bool = False,
    wait: bool = True,
    dry_run: bool = False,
    meter: Meter | None = None,
) -> Summary:
    """Ask every model for answers to every prompt, and write a responses table.

    A failed call is a row whose status and error say so. Prompts that stand in the file twice are asked once. What a
    model thinks before it answers is kept apart from the content, so that neither judges nor trainers take it for it.

    Args:
        prompts: Parquet, JSON lines, JSON or CSV with `prompt`, `messages` or `instruction` (+ `input`), or `-`.
        output: Where the responses go: .parquet, .jsonl, or `-`.
        models: Model specs.
        samples: Answers of each model to each prompt.
        system: A system message for prompts that bring none.
        temperature: Passed to the models; left to their servers where it is None.
        max_tokens: The most tokens of an answer.
        seed: Passed to the models, mixed with the sample's number.
        prompt_column: The column that holds the prompt, where it has another name.
        store: The answer store.
        concurrency: The most calls in flight to each model; None to find out how many its servers take.
        max_calls: The most calls to send; a run that needs more stops there, with everything kept.
        max_cost: The most US dollars to spend, likewise; the price of every model must be known.
        max_failures: The largest share of calls that may end without an answer before the run stops.
        retry_failed: Ask once more, and pay, for what the store holds a useless answer to: refused, cut off, or empty.
            What gave no answer at all is asked again in any case.
        batch: Send requests through the servers' batch API: at half the price, within a day.
        wait: Whether to wait for batches; if not, the same command collects them later.
        dry_run: Say what would be asked and what it would cost; send and write nothing.
        meter: Counts progress for whoever watches.

    Raises:
        UsageError: The prompts, a model spec or an option cannot be used.
        RunError: A server refuses all calls, or a bound is reached.
    """
    if samples < 1:
        raise UsageError(f"--samples must be at least 1, not {samples}.", "Ask for one answer or more.")
    asked = parse_models(models, to_send=not dry_run)
    if max_cost is not None:
        require_prices(asked)
    meter = meter or Meter()
    session = Session("generate", store, meter, concurrency, Bounds(max_calls, max_cost, max_failures), batch, wait)
    sampling = Sampling(temperature, max_tokens, seed)
    settings = {
        "models": [model.name for model in asked],
        "samples": samples,
        "system": system,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": seed,
    }
    made = provenance_of("generate", settings, [prompts], [output])
    if count := count_rows(prompts):
        meter.expect(asked, count * samples)
    counts: Counter[str] = Counter()
    calls = (
        ((prompt, model, sample), chat(model, _with_system(prompt["prompt"], system), sampling, sample))
        for prompt in _distinct(read_prompts(prompts, prompt_column), display(prompts), counts)
        for model in asked
        for sample in range(samples)
    )
    again = _failed if retry_failed else None
    if dry_run:
        figures = session.forecast(calls, again)
        return _summary("nothing: a dry run", counts, figures, forecast_warnings(figures))
    with TableWriter(output, RESPONSES.schema, made) as writer, session.answers(calls, again) as answers:
        rows = (_row(*about, answer) for about, answer in answers)
        writer.write_rows(_counted(rows, counts))
    figures = {
        "responses": writer.rows,
        **{status.value: counts[status] for status in Status if counts[status]},
        **meter.figures(),
    }
    return _summary(str(output), counts, figures, _warnings(counts, writer.rows))


def _summary(output: str, counts: Counter[str], figures: Mapping[str, Figure], warnings: tuple[str, ...]) -> Summary:
    return Summary(
        "generate",
        output,
        "prompts",
        rows_in=counts["read"],
        rows_out=counts["read"] - counts["repeated"],
        dropped={"stood in the file before": counts["repeated"]},
        figures=figures,
        warnings=warnings,
    )


def _distinct(prompts: Iterator[Row], name: str, counts: Counter[str]) -> Iterator[Row]:
    """Pass each prompt on once.

    Raises:
        UsageError: Two different prompts have the same id.
    """
    seen: dict[str, int] = {}
    for prompt in prompts:
        counts["read"] += 1
        content = seed_of(prompt["prompt"])
        if seen.setdefault(prompt["prompt_id"], content) != content:
            raise UsageError(
                f"{name}: two different prompts have the id {prompt['prompt_id']}.",
                "Give each its own, or leave the column 'prompt_id' out to have it derived from the prompt.",
            )
        if len(seen) == counts["read"] - counts["repeated"]:
            yield prompt
        else:
            counts["repeated"] += 1


def _with_system(messages: list[Message], system: str | None) -> list[Message]:
    """Return what is sent: a prompt that brings a system message keeps its own."""
    if system is None or messages[0]["role"] in {"system", "developer"}:
        return messages
    return [{"role": "system", "content": system}, *messages]


def _row(prompt: Row, model: Model, sample: int, answer: Answer) -> Row:
    return {
        **prompt,
        "response_id": response_id(prompt["prompt_id"], model.name, sample, answer.text),
        "model": model.name,
        "sample": sample,
        "content": answer.text,
        "reasoning": answer.reasoning,
        "status": answer.status,
        "error": answer.error,
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "cost": answer.cost,
        "latency": answer.latency,
        "request_key": answer.key,
    }


def _counted(rows: Iterator[Row], counts: Counter[str]) -> Iterator[Row]:
    for row in rows:
        counts[row["status"]] += 1
        yield row


def _failed(_about: object, answer: Answer) -> bool:
    return answer.status is not Status.OK


def _warnings(counts: Counter[str], responses: int) -> tuple[str, ...]:
    failed = responses - counts[Status.OK]
    if not failed:
        return ()
    return (
        f"{failed:,} of {responses:,} responses cannot be used; their rows say why (columns status and error). "
        "Calls that gave no answer are asked again when the command is run again, the others with --retry-failed.",
    )
