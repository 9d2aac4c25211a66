"""judge: responses in, votes out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RunError, UsageError, did_you_mean
from .formats.responses import candidate_counts, read_candidates
from .formats.rows import Row
from .ids import vote_id
from .judging import pairwise
from .judging.advice import asked_in_words, may_be_refused, remedies, without_probabilities
from .judging.material import Conversation
from .judging.probabilities import perplexity, verdict_probabilities
from .judging.protocols import PROTOCOLS, JudgingProtocol
from .judging.questions import Question
from .llm.answers import Answer
from .llm.bounds import DEFAULT_MAX_FAILURES, Bounds
from .llm.meter import Meter
from .llm.models import Model, parse_models
from .llm.prices import require_prices
from .llm.requests import Request, Sampling, chat
from .llm.session import Session, forecast_warnings
from .llm.store import DEFAULT_PATH
from .llm.tokens import read_tokens
from .summary import Figure, Summary
from .tables import VOTES, Status
from .writing import TableWriter, provenance_of

ORDERS = ("both", "one")
VERDICTS = ("words", "json")


@dataclass(frozen=True)
class _Form:
    """What judges are asked for, besides an opinion."""

    protocol: JudgingProtocol
    verdicts: str
    logprobs: bool
    sampling: Sampling

    def in_json(self, model: Model) -> bool:
        """Tell whether a judge is asked for an object: one that may not know the form is asked in words."""
        return self.verdicts == "json" and model.takes_schema

    def remedy(self, judges: Sequence[Model]) -> str | None:
        """Return what to do if a server refuses the form; simulated ones take any."""
        others = [model for model in judges if not model.simulated]
        return remedies(
            [model.name for model in others if self.in_json(model)],
            [model.name for model in others if self.logprobs],
        )

    def warnings(self, judges: Sequence[Model]) -> Iterator[str]:
        """Name the judges that are asked in another form, unless prefpipe.toml wants them to."""
        unknown = [model.name for model in judges if model.response_format is None and not model.takes_schema]
        yield from asked_in_words(unknown if self.verdicts == "json" else [])


def judge(
    responses: str | Path,
    output: str | Path,
    *,
    judges: Sequence[str],
    protocol: str = pairwise.NAME,
    repeats: int = 1,
    orders: str = "both",
    verdicts: str = "words",
    logprobs: bool = False,
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
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
        verdicts: "words", read from double brackets; or "json", an object with the reasons first, that the server holds
            to a schema. A judge that is not known to take a schema is asked in words, and the summary says so.
        logprobs: For pairwise: ask for the probabilities of tokens, and write how probable it was that either candidate
            would win (`scores`; the rest is the tie's), and how sure the judge was of its words (`perplexity`).
        temperature: Passed to the judges; left to their servers where it is None.
        max_tokens: The most tokens of an answer.
        seed: What shuffles depend on; passed to the judges as well, if given.
        store: The answer store.
        concurrency: The most calls in flight to each model; None to find out how many its servers take.
        max_calls: The most calls to send; a run that needs more stops there, with everything kept.
        max_cost: The most US dollars to spend, likewise; the price of every model must be known.
        max_failures: The largest share of calls that may end without an answer before the run stops.
        retry_failed: Ask once more, and pay, for what the store holds a useless answer to: refused, cut off, or without
            a verdict. What gave no answer at all is asked again in any case.
        batch: Send requests through the servers' batch API: at half the price, within a day.
        wait: Whether to wait for batches; if not, the same command collects them later.
        dry_run: Say what would be asked and what it would cost; send and write nothing.
        meter: Counts progress for whoever watches.

    Raises:
        UsageError: The responses, a judge, or an option cannot be used.
        RunError: A server refuses all calls, or a bound is reached.
    """
    asked = check_options(
        judges=judges,
        protocol=protocol,
        repeats=repeats,
        orders=orders,
        verdicts=verdicts,
        logprobs=logprobs,
        dry_run=dry_run,
    )
    if max_cost is not None:
        require_prices(asked)
    meter = meter or Meter()
    session = Session("judge", store, meter, concurrency, Bounds(max_calls, max_cost, max_failures), batch, wait)
    way = PROTOCOLS[protocol]
    form = _Form(way, verdicts, logprobs, Sampling(temperature, max_tokens, seed))
    settings = {
        "judges": [model.name for model in asked],
        "protocol": protocol,
        "repeats": repeats,
        "orders": orders if way.HAS_ORDERS else None,
        "verdicts": verdicts,
        "logprobs": logprobs,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": seed,
    }
    made = provenance_of("judge", settings, [responses], [output])
    if sizes := candidate_counts(responses):
        questions = sum(prompts * way.count(size, orders) for size, prompts in sizes.items())
        meter.expect(asked, questions * repeats)
    counts: Counter[str] = Counter()
    unscored: Counter[str] = Counter()
    answered: set[str] = set()
    calls = (
        ((candidates, question, model), _request(candidates, question, form, model))
        for candidates in _judgeable(read_candidates(responses), counts)
        for question in _questions(candidates, way, repeats, orders, seed or 0, counts)
        for model in asked
    )

    def failed(about: tuple[list[Row], Question, Model], answer: Answer) -> bool:
        return bool(_row(*about, form, answer)["status"] != Status.OK)

    def counted(row: Row) -> Row:
        counts[row["status"]] += 1
        if row["ranks"] and not row["scores"]:
            unscored[row["judge"]] += 1
        if row["status"] != Status.ERROR:
            answered.add(row["judge"])
        return row

    again = failed if retry_failed else None
    if dry_run:
        figures = session.forecast(calls, again)
        return _summary("nothing: a dry run", counts, figures, (*forecast_warnings(figures), *form.warnings(asked)))
    try:
        with TableWriter(output, VOTES.schema, made) as writer, session.answers(calls, again) as answers:
            writer.write_rows(counted(_row(*about, form, answer)) for about, answer in answers)
    except RunError as error:
        if may_be_refused(error.message) and (remedy := form.remedy(asked)):
            raise RunError(error.message, f"{remedy} {error.hint or ''}".rstrip()) from error
        raise
    figures = {
        "votes": writer.rows,
        **{status.value: counts[status] for status in Status if counts[status]},
        "unusable_responses": counts["unusable"],
        "identical_pairs_not_asked": counts["identical"],
        **meter.figures(),
    }
    warnings = [*_warnings(counts, writer.rows), *form.warnings(asked)]
    if logprobs:
        warnings += without_probabilities(unscored)
    silent = [model for model in asked if counts[Status.ERROR] and model.name not in answered]
    if remedy := form.remedy(silent):
        warnings.append(remedy)
    return _summary(str(output), counts, figures, tuple(warnings))


def check_options(
    *,
    judges: Sequence[str],
    protocol: str = pairwise.NAME,
    repeats: int = 1,
    orders: str = "both",
    verdicts: str = "words",
    logprobs: bool = False,
    dry_run: bool = False,
    **_others: object,
) -> list[Model]:
    """Return the judges, if the options say what to ask them; known before anything is asked.

    Raises:
        UsageError: A judge or an option cannot be used, or not together with another.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"There is no protocol '{protocol}'.", did_you_mean(protocol, PROTOCOLS))
    if orders not in ORDERS:
        raise UsageError(f"There is no choice of orders '{orders}'.", did_you_mean(orders, ORDERS))
    if verdicts not in VERDICTS:
        raise UsageError(f"There is no form of verdicts '{verdicts}'.", did_you_mean(verdicts, VERDICTS))
    if repeats < 1:
        raise UsageError(f"With {repeats} repeats, nothing is asked.", "Ask once or more.")
    if logprobs and not PROTOCOLS[protocol].MENU:
        raise UsageError(
            f"--logprobs reads how probable each verdict on a pair was; --protocol {protocol} has none.",
            "Leave it out, or judge with --protocol pairwise.",
        )
    asked = parse_models(judges, to_send=not dry_run)
    if logprobs and (without := [model.name for model in asked if model.logprobs is False]):
        raise UsageError(
            f"prefpipe.toml says that {', '.join(without)} gives no probabilities of tokens (logprobs = false).",
            "Leave out --logprobs, or judge with another model.",
        )
    return asked


def _summary(output: str, counts: Counter[str], figures: Mapping[str, Figure], warnings: tuple[str, ...]) -> Summary:
    return Summary(
        "judge",
        output,
        "prompts",
        rows_in=counts["prompts"],
        rows_out=counts["prompts"] - counts["too_few"] - counts["alike"],
        dropped={
            "with fewer than two usable candidates": counts["too_few"],
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
            counts["too_few"] += 1
        elif len({row["content"] for row in candidates}) < 2:
            counts["alike"] += 1
        else:
            yield candidates


def _questions(
    candidates: list[Row], protocol: JudgingProtocol, repeats: int, orders: str, seed: int, counts: Counter[str]
) -> Iterator[Question]:
    """Yield the questions about a prompt, but none that would show identical texts only."""
    count, prompt = len(candidates), candidates[0]["prompt_id"]
    if protocol.MOST_CANDIDATES is not None and count > protocol.MOST_CANDIDATES:
        raise UsageError(
            f"The prompt {prompt} has {count} candidates; a {protocol.NAME} question takes {protocol.MOST_CANDIDATES}.",
            "Judge them with --protocol pairwise, or take fewer candidates.",
        )
    for question in protocol.questions(count, repeats, orders, seed, prompt):
        first, *others = (candidates[index]["content"] for index in question.shown)
        if all(text == first for text in others):
            counts["identical"] += 1
        else:
            yield question


def _request(candidates: list[Row], question: Question, form: _Form, model: Model) -> Request:
    conversation = Conversation(candidates[0]["prompt"], candidates[0]["reference"])
    texts = [row["content"] for row in candidates]
    in_json = form.in_json(model)
    return chat(
        model,
        form.protocol.messages(question, conversation, texts, in_json=in_json),
        form.sampling,
        question.repeat,
        schema=form.protocol.schema(len(question.shown)) if in_json else None,
        logprobs=form.logprobs,
    )


def _row(candidates: list[Row], question: Question, model: Model, form: _Form, answer: Answer) -> Row:
    shown = [candidates[index]["response_id"] for index in question.shown]
    prompt = candidates[0]["prompt_id"]
    row: dict[str, Any] = {
        "vote_id": vote_id(prompt, model.name, form.protocol.NAME, question.repeat, shown),
        "prompt_id": prompt,
        "judge": model.name,
        "protocol": form.protocol.NAME,
        "repeat": question.repeat,
        "shown": shown,
        "status": answer.status,
        "ranks": None,
        "scores": None,
        "error": answer.error,
        "raw": answer.text,
        "reasoning": answer.reasoning,
        "model_snapshot": answer.snapshot,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "cost": answer.cost,
        "latency": answer.latency,
        "request_key": answer.key,
    }
    tokens = read_tokens(answer.logprobs) if form.logprobs else ()
    row["perplexity"] = perplexity(tokens)
    if answer.status == Status.OK and answer.text is not None:
        read = form.protocol.verdict_in_json if form.in_json(model) else form.protocol.verdict
        verdict = read(answer.text, len(shown))
        row["rationale"] = verdict.rationale
        if verdict.ranks is None:
            row |= {"status": Status.INVALID, "error": verdict.reason}
        else:
            row["ranks"] = list(verdict.ranks)
            if probabilities := verdict_probabilities(tokens, verdict.tail, form.protocol.MENU):
                row["scores"] = list(probabilities[:2])
    return row


def _warnings(counts: Counter[str], votes: int) -> Iterator[str]:
    if failed := votes - counts[Status.OK]:
        yield (
            f"{failed:,} of {votes:,} votes carry no verdict; their rows say why (columns status and error). "
            "Calls that gave no answer are asked again when the command is run again, the others with --retry-failed."
        )
    if not votes:
        yield "No prompt has two different usable candidates, so nothing was asked."
