"""One stage's asking from beginning to end: the store opened, calls or batches, and the run noted for its money."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..errors import UsageError
from .answers import Answer
from .ask import ask
from .bounds import Bounds
from .estimate import forecast
from .meter import Meter
from .prices import BATCH_SHARE, prices_as_of
from .requests import Request
from .store import AnswerStore

About = TypeVar("About")


@dataclass(frozen=True)
class Session:
    """How a stage asks.

    Attributes:
        stage: The command.
        store: The answer store.
        meter: Counts what happens.
        concurrency: The most calls in flight to each model; None to find out how many its servers take.
        bounds: Where the run stops by itself.
        batch: Whether requests go through the servers' batch API instead of one by one.
        wait: Whether to wait for batches.
    """

    stage: str
    store: str | Path
    meter: Meter
    concurrency: int | None
    bounds: Bounds
    batch: bool = False
    wait: bool = True

    @contextmanager
    def answers(
        self, requests: Iterable[tuple[About, Request]], again: Callable[[About, Answer], bool] | None = None
    ) -> Iterator[Generator[tuple[About, Answer], None, None]]:
        """Give the answers, in the order of the requests; note at the end what was spent, also when it fails.

        Args:
            requests: What each is about, and what to send.
            again: Tells which answers of the store are to be asked for once more.

        Raises:
            UsageError: Batches cannot ask for anything once more.
        """
        if again and self.batch:
            raise UsageError(
                "--retry-failed does not go through batches.", "Leave out --batch: what is left is mostly little."
            )
        with ExitStack() as stack:
            kept = stack.enter_context(AnswerStore(self.store))
            stack.callback(lambda: kept.record_run(self.stage, self.meter.uses.values()))
            stream = self._ask_in_batches(requests, kept, stack) if self.batch else self._ask(requests, kept, again)
            yield stack.enter_context(closing(stream))

    def _ask(
        self,
        requests: Iterable[tuple[About, Request]],
        kept: AnswerStore,
        again: Callable[[About, Answer], bool] | None,
    ) -> Generator[tuple[About, Answer], None, None]:
        return ask(
            requests,
            store=kept,
            meter=self.meter,
            concurrency=self.concurrency,
            bounds=self.bounds,
            again=again,
        )

    def _ask_in_batches(
        self, requests: Iterable[tuple[About, Request]], kept: AnswerStore, stack: ExitStack
    ) -> Generator[tuple[About, Answer], None, None]:
        from .batch.ask import ask_in_batches
        from .batch.journal import Journal

        journal = stack.enter_context(Journal.beside(kept.path))
        return ask_in_batches(
            requests, store=kept, journal=journal, meter=self.meter, bounds=self.bounds, wait=self.wait
        )

    def forecast(
        self, requests: Iterable[tuple[About, Request]], again: Callable[[About, Answer], bool] | None = None
    ) -> dict[str, int | float | str | None]:
        """Return what the run would need, as figures for a summary; nothing is sent."""
        with AnswerStore(self.store) as kept:
            models = forecast(requests, kept, again)
        share = BATCH_SHARE if self.batch else 1.0
        return {
            "calls": sum(model.calls for model in models),
            "from_store": sum(model.stored for model in models),
            "to_send": sum(model.sent for model in models),
            "prompt_tokens_about": sum(model.prompt_tokens for model in models),
            "cost_at_least_usd": _sum([model.prompt_cost for model in models], share),
            "cost_about_usd": _sum([model.cost for model in models], share),
            "cost_at_most_usd": _sum([model.most_cost for model in models], share),
            "prices_as_of": prices_as_of(),
        }


def _sum(costs: list[float | None], share: float) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) * share if len(known) == len(costs) else None


def forecast_warnings(figures: dict[str, int | float | str | None]) -> tuple[str, ...]:
    """Say what a forecast leaves open."""
    if figures["cost_at_least_usd"] is None:
        return ("A model's price is not known; give prompt_price and completion_price in prefpipe.toml.",)
    if figures["cost_about_usd"] is None:
        return (
            "How long the answers will be is not known yet. Run with --max-calls 20 first, and the forecast will know.",
        )
    return ()
