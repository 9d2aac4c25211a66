"""Plain counters of a run in progress: written by whoever asks, read by whoever shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from ..tables import Status
from .models import Model
from .prices import Usage, charged


@dataclass
class Traffic:
    """What goes on between a run and one model.

    Attributes:
        total: Calls that the run needs, stored ones included; unknown until the stage has counted them.
        done: Calls that are finished, in whatever way; those that the store answered included.
        stored: Calls of those that the store answered.
        in_flight: Calls that wait for a server now.
        retries: Attempts beyond the first.
        throttled: Attempts that the server refused as one too many.
        last_failure: Why the last attempt failed that is or was made again.
        wait: Seconds until the next call may be sent; more than 0 while a limit or a pause holds it back, inf while all
            calls that may be in flight are.
    """

    total: int | None = None
    done: int = 0
    stored: int = 0
    in_flight: int = 0
    retries: int = 0
    throttled: int = 0
    last_failure: str | None = None
    wait: float = 0.0


@dataclass
class ModelSpend:
    """What a run asked of a model, and what of it the store answered.

    Attributes:
        model: As it stands in tables.
        base_url: What stands for its servers.
        sent: Calls that a server answered.
        from_store: Calls that the store answered.
        prompt_tokens: Of the calls that were sent.
        completion_tokens: Of the calls that were sent.
        spent: US dollars for the calls that were sent, as far as their costs are known.
        saved: US dollars that the store's answers would have cost, as far as that is known.
        unpriced_sent: Calls that were sent and whose cost is not known.
        unpriced_from_store: Calls that the store answered and whose cost is not known.
    """

    model: str
    base_url: str
    sent: int = 0
    from_store: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    spent: float = 0.0
    saved: float = 0.0
    unpriced_sent: int = 0
    unpriced_from_store: int = 0

    def count_sent(self, prompt_tokens: int | None, completion_tokens: int | None, cost: float | None) -> None:
        """Count a call that a server answered; what is not known is None."""
        self.sent += 1
        self.prompt_tokens += prompt_tokens or 0
        self.completion_tokens += completion_tokens or 0
        self.spent += cost or 0.0
        self.unpriced_sent += cost is None

    def count_from_store(self, cost: float | None) -> None:
        """Count a call that the store answered, and what it would have cost."""
        self.from_store += 1
        self.saved += cost or 0.0
        self.unpriced_from_store += cost is None


@dataclass
class Meter:
    """How far a run is.

    Attributes:
        total: Calls that the run needs, stored ones included; unknown until the stage has counted them.
        done: Calls that are finished, in whatever way.
        stored: Calls of those that the answer store answered.
        failed: Calls of those that gave no usable answer.
        retries: Attempts beyond the first.
        in_flight: Calls that wait for their server now.
        stopping: Whether nothing more is sent, and only calls in flight are waited for.
        uses: What was asked of each model, what it cost, and what the store saved.
        traffic: What goes on with each model, by its name.
        started: When the run started, on the monotonic clock.
    """

    total: int | None = None
    done: int = 0
    stored: int = 0
    failed: int = 0
    retries: int = 0
    in_flight: int = 0
    stopping: bool = False
    uses: dict[Model, ModelSpend] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=dict)
    started: float = field(default_factory=monotonic)

    @property
    def sent(self) -> int:
        """Calls of this run that a server finished."""
        return self.done - self.stored

    def count_retry(self) -> None:
        """Count an attempt beyond a call's first."""
        self.retries += 1

    def count_sent(self, model: Model, usage: Usage | None, price_share: float = 1.0) -> float | None:
        """Count an answer that a server gave; return what it cost in US dollars, where that is known."""
        usage = usage or Usage()
        price = charged(model, usage)
        cost = None if price is None else price * price_share
        self.use_of(model).count_sent(usage.prompt_tokens, usage.answer_tokens, cost)
        return cost

    def count_done(self, model: Model, status: Status) -> None:
        """Count a call that is finished, in whatever way."""
        self.done += 1
        self.failed += status is not Status.OK
        self.traffic_of(model).done += 1

    def count_from_store(self, model: Model, usage: Usage | None) -> float | None:
        """Count an answer that the store gave; return what it would have cost, where that is known."""
        cost = charged(model, usage or Usage())
        self.stored += 1
        self.traffic_of(model).stored += 1
        self.use_of(model).count_from_store(cost)
        return cost

    def use_of(self, model: Model) -> ModelSpend:
        """Return what was asked of a model so far."""
        if model not in self.uses:
            self.uses[model] = ModelSpend(model.name, model.address)
        return self.uses[model]

    def expect(self, models: Sequence[Model], calls: int) -> None:
        """Take how many calls the run needs of each model, stored ones included."""
        self.total = calls * len(models)
        for model in models:
            self.traffic_of(model).total = calls

    def traffic_of(self, model: Model) -> Traffic:
        """Return what goes on with a model."""
        return self.traffic.setdefault(model.name, Traffic())

    @property
    def prompt_tokens(self) -> int:
        """Tokens sent in this run; what the store answered is not counted."""
        return sum(use.prompt_tokens for use in self._uses())

    @property
    def completion_tokens(self) -> int:
        """Tokens received in this run."""
        return sum(use.completion_tokens for use in self._uses())

    @property
    def spent(self) -> float:
        """US dollars for the calls of this run, as far as their prices are known."""
        return sum(use.spent for use in self._uses())

    def _uses(self) -> list[ModelSpend]:
        """Return the uses so far; a copy, as whoever shows them is another thread than whoever adds to them."""
        return list(self.uses.values())

    def figures(self) -> dict[str, int | float]:
        """Return the counts for a closing summary."""
        return {
            "calls": self.done,
            "sent": self.sent,
            "from_store": self.stored,
            "failed": self.failed,
            "retries": self.retries,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "spent_usd": self.spent,
            "saved_usd": sum(use.saved for use in self._uses()),
            "of_unknown_price": sum(use.unpriced_sent for use in self._uses()),
        }
