"""judge: responses in, votes out."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import UsageError
from .formats.responses import candidate_counts, read_candidates
from .formats.rows import Row
from .ids import vote_id
from .judging import listwise, pairwise
from .judging.material import Conversation
from .judging.questions import Question
from .llm.answers import Answer
from .llm.ask import DEFAULT_CONCURRENCY
from .llm.bounds import DEFAULT_MAX_FAILURES, Bounds
from .llm.meter import Meter
from .llm.models import Model, parse_models
from .llm.prices import require_prices
from .llm.requests import Request, Sampling, chat
from .llm.session import Session, forecast_warnings
from .llm.store import DEFAULT_PATH
from .provenance import Provenance
from .reading import BATCH_ROWS, fingerprint
from .summary import Figure, Summary
from .tables import VOTES, Status
from .writing import TableWriter, spare_inputs

PROTOCOLS = {pairwise.NAME: pairwise, listwise.NAME: listwise}
ORDERS = ("both", "one")


def judge(
    responses: str | Path,
    output: str | Path,
    *,
    judges: Sequence[str],
    protocol: str = pairwise.NAME,
    repeats: int = 1,
    orders: str = "both",
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    store: str | Path = DEFAULT_PATH,
    concurrency: int = DEFAULT_CONCURRENCY,
    max_calls: int | None = None,
    max_cost: float | None = None,
    max_failures: float = DEFAULT_MAX_FAILURES,
    batch: bool = False,
    wait: bool = True,
    dry_run: bool = False,
    meter: Meter | None = None,
) -> Summary:
    """Ask every judge which candidates are better, and write a votes table with one row a call.

    The questions about a prompt depend only on its candidates and the seed: neither the order of rows nor other prompts
    change them, so an answer that was paid for serves again.

    Args:
        responses: A responses table, or a file with `prompt`, `model` and `content`, or `-`.
        output: Where the votes go: .parquet, .jsonl, or `-`.
        judges: Model specs.
        protocol: "pairwise" asks every pair; "listwise" asks for a ranking of all candidates at once.
        repeats: How often everything is asked.
        orders: For pairwise, "both" orders of each pair, or "one" drawn by chance.
        temperature: Passed to the judges; left to their servers where it is None.
        max_tokens: The most tokens of an answer.
        seed: What shuffles depend on; passed to the judges as well, if given.
        store: The answer store.
        concurrency: The most calls in flight.
        max_calls: The most calls to send; a run that needs more stops there, with everything kept.
        max_cost: The most US dollars to spend, likewise; the price of every model must be known.
        max_failures: The largest share of calls that may end without an answer before the run stops.
        batch: Send requests through the servers' batch API: at half the price, within a day.
        wait: Whether to wait for batches; if not, the same command collects them later.
        dry_run: Say what would be asked and what it would cost; send and write nothing.
        meter: Counts progress for whoever watches.

    Raises:
        UsageError: The responses, a judge, or an option cannot be used.
        RunError: A server refuses all calls, or a bound is reached.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"There is no protocol '{protocol}'.", f"Known: {', '.join(PROTOCOLS)}.")
    if orders not in ORDERS:
        raise UsageError(f"There is no choice of orders '{orders}'.", f"Known: {', '.join(ORDERS)}.")
    if repeats < 1:
        raise UsageError(f"With {repeats} repeats, nothing is asked.", "Ask once or more.")
    asked = parse_models(judges)
    if max_cost is not None:
        require_prices(asked)
    meter = meter or Meter()
    session = Session("judge", store, meter, concurrency, Bounds(max_calls, max_cost, max_failures), batch, wait)
    sampling = Sampling(temperature, max_tokens, seed)
    settings = {
        "judges": [model.name for model in asked],
        "protocol": protocol,
        "repeats": repeats,
        "orders": orders if protocol == pairwise.NAME else None,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": seed,
    }
    spare_inputs(output, responses)
    made = Provenance("judge", settings, [fingerprint(responses)])
    if sizes := candidate_counts(responses):
        questions = sum(prompts * _questions_of(size, protocol, orders) for size, prompts in sizes.items())
        meter.total = questions * repeats * len(asked)
    counts: Counter[str] = Counter()
    calls = (
        ((candidates, question, model), _request(candidates, question, protocol, model, sampling))
        for candidates in _judgeable(read_candidates(responses), counts)
        for question in _questions(candidates, protocol, repeats, orders, seed or 0, counts)
        for model in asked
    )
    if dry_run:
        figures = session.forecast(calls)
        return _summary("nothing: a dry run", counts, figures, forecast_warnings(figures))
    with TableWriter(output, VOTES.schema, made) as writer, session.answers(calls) as answers:
        rows = (_row(*about, protocol, answer) for about, answer in answers)
        while chunk := list(islice(rows, BATCH_ROWS)):
            counts.update(row["status"] for row in chunk)
            writer.write_rows(chunk)
    figures = {
        "votes": writer.rows,
        **{status.value: counts[status] for status in Status if counts[status]},
        "unusable_responses": counts["unusable"],
        "identical_pairs_not_asked": counts["identical"],
        **meter.figures(),
    }
    return _summary(str(output), counts, figures, _warnings(counts, writer.rows))


def _summary(output: str, counts: Counter[str], figures: Mapping[str, Figure], warnings: tuple[str, ...]) -> Summary:
    return Summary(
        "judge",
        output,
        "prompts",
        rows_in=counts["prompts"],
        rows_out=counts["prompts"] - counts["lonely"] - counts["alike"],
        dropped={
            "with fewer than two usable candidates": counts["lonely"],
            "whose candidates all have the same text": counts["alike"],
        },
        figures=figures,
        warnings=warnings,
    )


def _judgeable(groups: Iterator[list[Row]], counts: Counter[str]) -> Iterator[list[Row]]:
    """Pass on the usable candidates of each prompt that has at least two different ones."""
    for group in groups:
        candidates = [row for row in group if row["status"] == Status.OK]
        counts["prompts"] += 1
        counts["unusable"] += len(group) - len(candidates)
        if len(candidates) < 2:
            counts["lonely"] += 1
        elif len({row["content"] for row in candidates}) < 2:
            counts["alike"] += 1
        else:
            yield candidates


def _questions(
    candidates: list[Row], protocol: str, repeats: int, orders: str, seed: int, counts: Counter[str]
) -> Iterator[Question]:
    count, prompt = len(candidates), candidates[0]["prompt_id"]
    if protocol == listwise.NAME:
        if count > listwise.MOST_CANDIDATES:
            raise UsageError(
                f"The prompt {prompt} has {count} candidates; a listwise question takes {listwise.MOST_CANDIDATES}.",
                "Judge them with --protocol pairwise, or take fewer candidates.",
            )
        yield from listwise.questions(count, repeats, seed, prompt)
        return
    for question in pairwise.questions(count, repeats, orders, seed, prompt):
        first, second = (candidates[index]["content"] for index in question.shown)
        if first == second:
            counts["identical"] += 1
        else:
            yield question


def _questions_of(candidates: int, protocol: str, orders: str) -> int:
    """Return how many questions a prompt gives at each repeat, identical texts aside."""
    if protocol == listwise.NAME:
        return int(candidates > 1)
    return math.comb(candidates, 2) * (2 if orders == "both" else 1)


def _request(candidates: list[Row], question: Question, protocol: str, model: Model, sampling: Sampling) -> Request:
    conversation = Conversation(candidates[0]["prompt"], candidates[0]["reference"])
    texts = [row["content"] for row in candidates]
    return chat(model, PROTOCOLS[protocol].messages(question, conversation, texts), sampling, question.repeat)


def _row(candidates: list[Row], question: Question, model: Model, protocol: str, answer: Answer) -> Row:
    shown = [candidates[index]["response_id"] for index in question.shown]
    prompt = candidates[0]["prompt_id"]
    row: dict[str, Any] = {
        "vote_id": vote_id(prompt, model.name, protocol, question.repeat, shown),
        "prompt_id": prompt,
        "judge": model.name,
        "protocol": protocol,
        "repeat": question.repeat,
        "shown": shown,
        "status": answer.status,
        "error": answer.error,
        "raw": answer.text,
        "model_snapshot": answer.snapshot,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "cost": answer.cost,
        "latency": answer.latency,
        "request_key": answer.key,
    }
    if answer.status == Status.OK and answer.text is not None:
        verdict = PROTOCOLS[protocol].verdict(answer.text, len(shown))
        if verdict.ranks is None:
            row |= {"status": Status.INVALID, "error": verdict.reason}
        else:
            row["ranks"] = list(verdict.ranks)
    return row


def _warnings(counts: Counter[str], votes: int) -> tuple[str, ...]:
    warnings = []
    if failed := votes - counts[Status.OK]:
        warnings.append(
            f"{failed:,} of {votes:,} votes carry no verdict; their rows say why (columns status and error)."
        )
    if not votes:
        warnings.append("No prompt has two different usable candidates, so nothing was asked.")
    return tuple(warnings)
