"""cache: what the answer store holds, and what it cost; answers out of it and into it.

An export is a Parquet file of answers as they came, each under the key of its request. Imported elsewhere, it lets the
same commands give the same tables, byte for byte, with no key and no network.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from .errors import UsageError, did_you_mean
from .formats.rows import rows
from .llm.answers import read_answer
from .llm.failures import CallError
from .llm.prices import Money, PastCosts, Usage
from .llm.store import ALL, DEFAULT_PATH, AnswerStore, Kept, Selection
from .reading import display, existing, is_parquet, open_parquet, parquet_batches, provenance
from .summary import Summary
from .writing import TableWriter, provenance_of, refuse_to_overwrite

EXPORT = "cache export"
FORMAT = 1
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("base_url", pa.string(), nullable=False),
        pa.field("created", pa.int64(), nullable=False),
        pa.field("latency", pa.float64(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)
"""The columns of an export; `created` is in seconds since 1970, `latency` in seconds."""

_KEY = re.compile(r"[0-9a-f]{32}")
_AGE = re.compile(r"(\d{1,6})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass
class Holding:
    """What the store holds of one model at one address, and what it did with it.

    Attributes:
        model: As it stands in tables.
        base_url: What stands for its servers.
        answers: How many are held.
        size: The bytes that the servers sent.
        prompt_tokens: As the servers counted them.
        completion_tokens: As the servers counted them.
        cost: What the answers cost at today's prices.
        oldest: When the first one arrived; None where there is none.
        newest: When the last one arrived.
        hits: How many calls of all runs were answered from the store.
        saved: What those would have cost at the prices of their time.
    """

    model: str
    base_url: str
    answers: int = 0
    size: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Money = field(default_factory=Money)
    oldest: datetime | None = None
    newest: datetime | None = None
    hits: int = 0
    saved: Money = field(default_factory=Money)

    def count(self, kept: Kept, usage: Usage, cost: float | None) -> None:
        """Count one answer."""
        self.answers += 1
        self.size += len(kept.raw)
        self.prompt_tokens += usage.prompt_tokens or 0
        self.completion_tokens += usage.answer_tokens or 0
        self.cost.add(cost)
        arrived = datetime.fromtimestamp(kept.created, UTC)
        self.oldest = min(self.oldest or arrived, arrived)
        self.newest = max(self.newest or arrived, arrived)


@dataclass
class Month:
    """What all runs that ended in one month asked.

    Attributes:
        month: Such as "2026-11", in UTC.
        sent: Calls that servers answered.
        hits: Calls that the store answered.
        spent: What the calls that were sent cost.
        saved: What the others would have cost.
    """

    month: str
    sent: int = 0
    hits: int = 0
    spent: Money = field(default_factory=Money)
    saved: Money = field(default_factory=Money)


@dataclass
class Contents:
    """What an answer store holds.

    Attributes:
        store: Its path.
        size: The bytes that it takes on the disk.
        holdings: By model and address.
        months: The runs, by month.
    """

    store: str
    size: int
    holdings: list[Holding]
    months: list[Month]


def show(store: str | Path = DEFAULT_PATH) -> Contents:
    """Return what the store holds, what it cost, and what it saved.

    Raises:
        UsageError: There is no such store.
    """
    costs = PastCosts()
    holdings: dict[tuple[str, str], Holding] = {}
    months: dict[str, Month] = {}
    with _opened(store) as held:
        for kept in held.answers():
            usage, cost = costs.of(kept.model, kept.base_url, kept.raw)
            place = kept.model, kept.base_url
            holdings.setdefault(place, Holding(*place)).count(kept, usage, cost)
        for run in held.runs():
            use, month = run.use, f"{datetime.fromtimestamp(run.ended, UTC):%Y-%m}"
            place = use.model, use.base_url
            for counted in (months.setdefault(month, Month(month)), holdings.setdefault(place, Holding(*place))):
                counted.hits += use.from_store
                counted.saved.add(use.saved, use.unpriced_from_store)
            months[month].sent += use.sent
            months[month].spent.add(use.spent, use.unpriced_sent)
        ordered = sorted(holdings.values(), key=lambda holding: (-holding.answers, holding.model, holding.base_url))
        return Contents(str(held.path), held.size(), ordered, list(months.values()))


@dataclass(frozen=True)
class Plan:
    """What a pruning would remove.

    Attributes:
        store: The answer store.
        before: Only answers that arrived before this time, in seconds since 1970.
        models: Only answers of these models; of any where there is none.
        keep: Tables whose answers stay.
        held: How many answers the store holds.
        answers: How many would go.
        size: The bytes that their servers sent.
        cost: What they cost at today's prices.
    """

    store: Path
    before: int | None
    models: tuple[str, ...]
    keep: tuple[Path, ...]
    held: int
    answers: int
    size: int
    cost: Money


def plan_pruning(
    store: str | Path = DEFAULT_PATH,
    *,
    older_than: str | None = None,
    models: Sequence[str] = (),
    keep: Sequence[str | Path] = (),
) -> Plan:
    """Return what `prune` would remove: the answers to which all of this applies. Nothing is removed.

    Args:
        store: The answer store.
        older_than: Answers that arrived longer ago: "12h", "90d", "8w".
        models: Answers of these models.
        keep: Responses or votes whose answers stay.

    Raises:
        UsageError: Nothing is said of what to remove, a model has no answers, or a table has no keys.
    """
    if older_than is None and not models and not keep:
        raise UsageError(
            "Nothing says which answers to remove.", "Use --older-than, --model or --keep; together they remove less."
        )
    before = None if older_than is None else int(time.time() - _age(older_than).total_seconds())
    costs = PastCosts()
    answers, size, cost = 0, 0, Money()
    with _opened(store) as held:
        known = held.models()
        for model in models:
            if model not in known:
                raise UsageError(f"{held.path} holds no answers of {model}.", did_you_mean(model, known))
        for kept in held.answers(_selection(held, before, models, keep)):
            answers += 1
            size += len(kept.raw)
            cost.add(costs.of(kept.model, kept.base_url, kept.raw)[1])
        tables = tuple(Path(table) for table in keep)
        return Plan(held.path, before, tuple(models), tables, sum(known.values()), answers, size, cost)


def prune(plan: Plan) -> Summary:
    """Remove what a plan says, and give the space back to the disk.

    Raises:
        UsageError: A table that is to keep its answers is gone.
        RunError: The store cannot be written.
    """
    with _opened(plan.store) as held:
        before = held.size()
        removed = held.remove(_selection(held, plan.before, plan.models, plan.keep))
        reason = held.compact()
        left, freed = sum(held.models().values()), before - held.size()
    return Summary(
        "cache prune",
        str(plan.store),
        "answers",
        rows_in=left + removed,
        rows_out=left,
        dropped={"removed": removed},
        figures={"bytes_freed": max(0, freed)},
        warnings=(f"The file keeps its size for now ({reason}); later answers use the space.",) if reason else (),
    )


def export(store: str | Path, output: str | Path, *, of: Sequence[str | Path] = ()) -> Summary:
    """Write answers as they came into a Parquet file, to be imported elsewhere.

    Args:
        store: The answer store.
        output: A file that ends in .parquet.
        of: Responses or votes whose answers are written, and no others; without them, all are.

    Raises:
        UsageError: The store or a table cannot be read, or the file cannot be written.
    """
    if not is_parquet(output):
        raise UsageError(f"An export is a Parquet file, which {display(output)} is not by its name.", "Use .parquet.")
    refuse_to_overwrite(output, store)
    made = provenance_of(EXPORT, {"format": FORMAT}, of, [output])
    with _opened(store) as held, TableWriter(output, SCHEMA, made) as writer:
        wanted = _mark(held, of) if of else None
        answers = held.answers(Selection(marked=True) if of else ALL)
        writer.write_rows(kept._asdict() for kept in answers)
    return Summary(
        EXPORT,
        str(output),
        "answers",
        rows_in=writer.rows if wanted is None else wanted,
        rows_out=writer.rows,
        dropped={} if wanted is None else {"not in this store": wanted - writer.rows},
    )


def import_(store: str | Path, file: str | Path) -> Summary:
    """Take the answers of an export into the store, which is made where there is none. What it holds stays as it is.

    Raises:
        UsageError: The file is not an export, or a row of it is not an answer; nothing is taken then.
        RunError: The store cannot be written.
    """
    counts: Counter[str] = Counter()
    for batch in _exported(file):
        counts["read"] += len(batch)
    with AnswerStore(store) as held:
        # A commit for each batch: a run that uses the store meanwhile never waits long, and after a kill the same
        # import goes on where it was.
        for batch in _exported(file):
            counts.update(held.add(batch))
    conflicting = counts["conflicting"]
    return Summary(
        "cache import",
        str(store),
        "answers",
        rows_in=counts["read"],
        rows_out=counts["new"],
        dropped={"known": counts["known"], "conflicting": conflicting},
        warnings=(
            f"For {conflicting:,} of them another answer is held here, which stays: tables made from the imported ones "
            "cannot be made again from this store.",
        )
        if conflicting
        else (),
    )


def _exported(file: str | Path) -> Iterator[list[Kept]]:
    """Yield the answers of an export, each checked.

    Raises:
        UsageError: The file is not an export, or a row is not an answer.
    """
    made = provenance(file)
    if made is None or made.stage != EXPORT or not open_parquet(file).schema_arrow.equals(SCHEMA):
        origin = f" (it was made by `prefpipe {made.stage}`)" if made else ""
        raise UsageError(f"{file} is not an export of answers{origin}.", "One comes from `prefpipe cache export`.")
    if made.settings.get("format") != FORMAT:
        raise UsageError(
            f"{file} is an export of format {made.settings.get('format')}; this prefpipe reads format {FORMAT}.",
            "Use the prefpipe that made it.",
        )
    number = 0
    for batch in parquet_batches(file):
        answers = [Kept(**row) for row in batch.to_pylist()]
        for kept in answers:
            number += 1
            _check(f"{file}, row {number:,}", kept)
        yield answers


def _check(place: str, kept: Kept) -> None:
    try:
        read_answer(kept.key, kept.raw, kept.latency)
    except CallError as error:
        raise UsageError(f"{place} is not an answer of a model: {error.reason}.", "Export it again.") from error
    if not _KEY.fullmatch(kept.key) or kept.created < 0:
        raise UsageError(f"{place}: the answer's key or time is not one of prefpipe's.", "Export it again.")


def _opened(store: str | Path) -> AnswerStore:
    """Return a store that exists: looking at one must not make it."""
    if not Path(store).exists():
        raise UsageError(f"There is no answer store {store}.", "Name another with --store; a run of a stage makes one.")
    return AnswerStore(existing(store))


def _selection(held: AnswerStore, before: int | None, models: Sequence[str], keep: Sequence[str | Path]) -> Selection:
    if keep:
        _mark(held, keep)
    return Selection(before, tuple(models), marked=False if keep else None)


def _mark(held: AnswerStore, tables: Sequence[str | Path]) -> int:
    """Mark the requests from which tables were made; return how many there are."""
    return held.mark(key for table in tables for key in _request_keys(table))


def _request_keys(table: str | Path) -> Iterator[str]:
    """Yield the keys in the column `request_key`; null stands where no model was asked.

    Raises:
        UsageError: There is no such column, nothing in it, or something else.
    """
    found = False
    for place, key in _column(table):
        if key is None:
            continue
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise UsageError(
                f"{place}: 'request_key' is not the key of a request.", "Name responses or votes that prefpipe made."
            )
        found = True
        yield key
    if not found:
        raise UsageError(
            f"{display(table)} has no request keys.",
            "Name responses or votes that `prefpipe generate` or `judge` made.",
        )


def _column(table: str | Path) -> Iterator[tuple[str, object]]:
    name = "request_key"
    if not is_parquet(table):
        yield from ((place, row.get(name)) for place, row in rows(table))
    elif name in open_parquet(table).schema_arrow.names:
        number = 0
        for batch in parquet_batches(table, [name]):
            for key in batch.column(0).to_pylist():
                number += 1
                yield f"{table}, row {number:,}", key


def _age(text: str) -> timedelta:
    """Return the time that "90d" or the like stands for.

    Raises:
        UsageError: It stands for none.
    """
    if match := _AGE.fullmatch(text):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    raise UsageError(f"'{text}' is not an age.", "Write hours, days or weeks: 12h, 90d, 8w.")
