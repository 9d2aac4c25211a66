"""How fast servers of different kinds are asked, in time that passes at once: no real clock decides anything."""

import asyncio
import json
import math
import os
import random
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefpipe.pipeline.errors import RunError
from prefpipe.pipeline.llm.ask import ask
from prefpipe.pipeline.llm.failures import CallError, ThrottledError, TransientError, UnreachableError
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.requests import Request, Sampling, chat
from prefpipe.pipeline.llm.sender import Headers, Reply
from prefpipe.pipeline.llm.store import AnswerStore
from prefpipe.pipeline.tables import Status

MODEL = Model("m", "m", "http://a/v1", "KEY")
TWO = Model("m", "m", "http://a/v1", "KEY", other_urls=("http://b/v1",))
OUTAGE_BEGINS = 20.0

pytestmark = pytest.mark.usefixtures("virtual_time")


class Server:
    """Answers after its latency; kinds of it refuse, fail or queue."""

    def __init__(self, latency: float | Callable[[], float] = 1.0) -> None:
        self.latency = latency
        self.chance = random.Random(1)  # noqa: S311 - a server's chance is no secret
        self.in_flight = self.most_in_flight = self.sent = self.refused = 0
        self.done: list[tuple[float, str, str]] = []  # when, where, which model

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def admit(self, base_url: str) -> CallError | None:
        return None

    def headers(self) -> Headers:
        return ()

    async def serve(self) -> None:
        await asyncio.sleep(self.latency if isinstance(self.latency, float) else self.latency())

    async def send(self, request: Request, base_url: str) -> Reply:
        self.sent += 1
        error = self.admit(base_url)
        headers = self.headers()
        if error:
            self.refused += 1
            await asyncio.sleep(0.005)
            error.headers = headers
            raise error
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.serve()
        finally:
            self.in_flight -= 1
        self.done.append((self.now, base_url, request.model.name))
        body = {
            "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 50, "completion_tokens": 12},
        }
        return Reply(json.dumps(body).encode(), 0.1, headers)

    async def close(self) -> None:
        pass

    def seconds(self, share: float = 1.0) -> float:
        """Return when so large a share of the calls was done."""
        return self.done[math.ceil(share * len(self.done)) - 1][0]


class Tier(Server):
    """500 requests and 30,000 tokens a minute: a bucket that fills continuously, or any 60 seconds."""

    requests, tokens = 500, 30_000

    def __init__(self, kind: str, declares: bool, latency: float | Callable[[], float] = 1.0) -> None:
        super().__init__(latency)
        self.kind = kind
        self.declares = declares
        self.filled_at: float | None = None
        self.left = [float(self.requests), float(self.tokens)]
        self.taken: deque[float] = deque()

    def admit(self, base_url: str) -> CallError | None:
        while self.taken and self.taken[0] <= self.now - 60:
            self.taken.popleft()
        if self.kind == "bucket":
            passed = self.now - (self.now if self.filled_at is None else self.filled_at)
            self.filled_at = self.now
            full = self.requests, self.tokens
            self.left = [min(most, left + passed * most / 60) for left, most in zip(self.left, full, strict=True)]
        else:
            self.left = [self.requests - len(self.taken), self.tokens - 62 * len(self.taken)]
        if self.left[0] < 1 or self.left[1] < 62:
            return ThrottledError("too many", 1.0)
        self.taken.append(self.now)
        self.left = [self.left[0] - 1, self.left[1] - 62]
        return None

    def headers(self) -> Headers:
        if not self.declares:
            return ()
        said: list[tuple[bytes, bytes]] = []
        for kind, left, most in zip(("requests", "tokens"), self.left, (self.requests, self.tokens), strict=True):
            full_in = (1 - left / most) * 60 if self.kind == "bucket" else 60.0
            values = {"limit": f"{most}", "remaining": f"{max(0, int(left))}", "reset": f"{full_in * 1000:.0f}ms"}
            said += [(f"x-ratelimit-{field}-{kind}".encode(), value.encode()) for field, value in values.items()]
        return said


class Crowded(Server):
    """Takes so many calls at once, and refuses more without saying for how long."""

    def __init__(self, most: int, latency: float | Callable[[], float] = 0.5) -> None:
        super().__init__(latency)
        self.most = most

    def admit(self, base_url: str) -> CallError | None:
        return ThrottledError("too many at once") if self.in_flight >= self.most else None


class Queueing(Server):
    """Takes any number of calls and works on so many of them at once."""

    def __init__(self, slots: int) -> None:
        super().__init__(1.0)
        self.free = asyncio.Semaphore(slots)

    async def serve(self) -> None:
        async with self.free:
            await super().serve()


class Fails(Server):
    """Fails by a rule."""

    def __init__(self, rule: Callable[["Fails", str], CallError | None], latency: float = 1.0) -> None:
        super().__init__(latency)
        self.rule = rule

    def admit(self, base_url: str) -> CallError | None:
        return self.rule(self, base_url)


def away(where: str, begin: float, end: float) -> Callable[[Fails, str], CallError | None]:
    return lambda server, url: UnreachableError("no way") if where in url and begin <= server.now < end else None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnswerStore]:
    with AnswerStore(tmp_path / "answers.db") as opened:
        yield opened


def run(
    store: AnswerStore, server: Server, calls: int, *models: Model, concurrency: int | None = None
) -> Counter[Status]:
    requests = (
        (number, chat(model, [{"role": "user", "content": f"{number} " + 40 * "word "}], Sampling(max_tokens=50), 0))
        for number in range(calls)
        for model in models or (MODEL,)
    )
    answers = ask(requests, store=store, meter=Meter(), concurrency=concurrency, sender=server)
    return Counter(answer.status for _, answer in answers)


def spread_latency() -> Callable[[], float]:
    chance = random.Random(3)  # noqa: S311 - likewise
    return lambda: math.exp(chance.uniform(math.log(0.1), math.log(10.0)))


@pytest.mark.parametrize("kind", ["bucket", "any minute"])
def test_limits_of_the_configuration_are_used_and_kept(store: AnswerStore, kind: str) -> None:
    server = Tier(kind, declares=False)
    model = Model("m", "m", "http://a/v1", "KEY", requests_per_minute=500, tokens_per_minute=30_000)
    assert run(store, server, 1200, model) == {Status.OK: 1200}
    assert server.refused == 0
    assert server.seconds() <= 1200 * 62 / 30_000 * 60 / 0.95 + 1


@pytest.mark.parametrize("latency", [1.0, 5.0, "spread"])
@pytest.mark.parametrize("kind", ["bucket", "any minute"])
def test_limits_that_the_server_declares_are_used_and_kept(store: AnswerStore, kind: str, latency: float | str) -> None:
    server = Tier(kind, declares=True, latency=latency if isinstance(latency, float) else spread_latency())
    assert run(store, server, 1500) == {Status.OK: 1500}
    assert server.refused <= 32  # what was sent before the first answer
    slowest = latency if isinstance(latency, float) else 10.0
    assert server.seconds() <= 1500 * 62 / 30_000 * 60 / 0.95 + 3 * slowest


@pytest.mark.parametrize(("most", "refused"), [(2, 0.4), (40, 0.05)])
def test_a_server_that_takes_so_many_at_once_is_kept_busy(store: AnswerStore, most: int, refused: float) -> None:
    server = Crowded(most)
    calls = 75 * most + 1000
    assert run(store, server, calls) == {Status.OK: calls}
    assert server.seconds() <= calls * 0.5 / most / 0.9
    assert server.refused <= refused * calls


def trouble(server: Fails, url: str) -> CallError | None:
    draw = server.chance.random()
    if draw < 0.20:
        return ThrottledError("HTTP 429", 1.0)
    return TransientError("HTTP 500") if draw < 0.28 else None  # lost and garbled answers are as transient


def test_random_trouble_loses_no_row_and_hardly_any_time(store: AnswerStore) -> None:
    """The last rows are left out: some are refused several times in a row, each time with a second to wait."""
    server = Fails(trouble, 0.5)
    assert run(store, server, 6000, concurrency=64) == {Status.OK: 6000}
    # Of all tries, 72 % are answered after half a second, the rest holds a place for 5 ms.
    ideal = 0.9 * 6000 / 64 * (0.5 + 0.28 / 0.72 * 0.005)
    assert server.seconds(0.9) <= ideal / 0.85


@pytest.mark.parametrize(("slots", "most_waiting"), [(96, 300), (40, 160)])
def test_a_server_that_queues_is_kept_busy_without_a_long_queue(
    store: AnswerStore, slots: int, most_waiting: int
) -> None:
    in_flight: list[int] = []

    class Watched(Queueing):
        def admit(self, base_url: str) -> CallError | None:
            in_flight.append(self.in_flight)
            return None

    server = Watched(slots)
    calls = 100 * slots
    assert run(store, server, calls) == {Status.OK: calls}
    assert server.seconds() <= 100 / 0.9
    later = in_flight[calls // 2 :]
    assert sum(later) / len(later) <= most_waiting


def test_a_server_with_four_slots_is_kept_busy(store: AnswerStore) -> None:
    server = Queueing(4)
    assert run(store, server, 600) == {Status.OK: 600}
    assert server.seconds() <= 150 / 0.9
    assert server.most_in_flight <= 128


def test_a_thousand_calls_at_once_take_as_long_as_one(store: AnswerStore) -> None:
    server = Server(1.0)
    assert run(store, server, 5000, concurrency=1000) == {Status.OK: 5000}
    assert server.seconds() == pytest.approx(5.0, abs=0.1)


def test_slow_calls_hold_nobody_back(store: AnswerStore) -> None:
    server = Server(spread_latency())
    assert run(store, server, 6000, concurrency=120) == {Status.OK: 6000}
    mean = 9.9 / math.log(100)
    assert server.seconds() <= 1.15 * 6000 / 120 * mean


@pytest.mark.parametrize("begin", [0.0, OUTAGE_BEGINS])
@pytest.mark.parametrize("where", ["//a/", "//b/"])
def test_of_two_servers_one_may_die_or_never_have_been_there(store: AnswerStore, where: str, begin: float) -> None:
    server = Fails(away(where, begin, math.inf))
    assert run(store, server, 3000, TWO, concurrency=50) == {Status.OK: 3000}
    assert server.refused <= 60
    assert server.seconds() <= 3000 / 50 * 1.1 + 2


@pytest.mark.parametrize("where", ["//a/", "//b/"])
def test_a_server_that_is_back_is_used_again(store: AnswerStore, where: str) -> None:
    server = Fails(away(where, OUTAGE_BEGINS, OUTAGE_BEGINS + 120))
    assert run(store, server, 12_000, TWO, concurrency=50) == {Status.OK: 12_000}
    assert server.refused <= 100
    later = [url for at, url, _ in server.done if at > OUTAGE_BEGINS + 200]
    assert 0.3 < sum(where in url for url in later) / len(later) < 0.7


@pytest.mark.parametrize("concurrency", [1, 32])
def test_an_outage_of_five_minutes_costs_time_only(store: AnswerStore, concurrency: int) -> None:
    server = Fails(away("", OUTAGE_BEGINS, OUTAGE_BEGINS + 300))
    calls = 40 * concurrency
    assert run(store, server, calls, TWO, concurrency=concurrency) == {Status.OK: calls}
    assert server.seconds() <= 40 + 300 + 60 + 30


def test_an_outage_of_an_hour_ends_the_run_with_everything_kept(store: AnswerStore) -> None:
    server = Fails(away("", OUTAGE_BEGINS, OUTAGE_BEGINS + 3600))
    with pytest.raises(RunError, match=r"No call to m succeeded for 1[5-7] min"):
        run(store, server, 2000, TWO, concurrency=32)
    answered = len(server.done)
    again = Server()
    assert run(store, again, 2000, TWO, concurrency=32) == {Status.OK: 2000}
    assert again.sent == 2000 - answered


def test_a_server_that_asks_for_hours_ends_the_run_at_once(store: AnswerStore) -> None:
    server = Fails(lambda server, url: ThrottledError("come back tomorrow", 7200.0) if server.sent > 50 else None)
    with pytest.raises(RunError, match=r"takes no more calls for 2\.0 h"):
        run(store, server, 500)
    assert server.refused <= 64
    assert server.seconds() <= 10


def test_refusals_without_end_end_the_run_after_a_quarter_of_an_hour(store: AnswerStore) -> None:
    last_refused = 0.0

    def refuse(server: Fails, url: str) -> CallError | None:
        nonlocal last_refused
        if server.now < 5:
            return None
        last_refused = server.now
        return ThrottledError("too many")

    server = Fails(refuse)
    with pytest.raises(RunError, match="No call to m succeeded"):
        run(store, server, 500, concurrency=32)
    assert 900 <= last_refused <= 1000
    assert server.refused <= 250


def test_ctrl_c_does_not_wait_for_calls_that_rest(store: AnswerStore) -> None:
    ended_at = math.inf

    class Interrupted(Fails):
        async def close(self) -> None:
            nonlocal ended_at
            ended_at = self.now

    def refuse(server: Fails, url: str) -> CallError | None:
        if server.sent == 100:
            os.kill(os.getpid(), signal.SIGINT)
        return ThrottledError("too many", 600.0) if server.sent % 2 else None

    with pytest.raises(KeyboardInterrupt):
        run(store, Interrupted(refuse), 500, concurrency=16)
    assert ended_at < 60


def test_a_refused_row_is_never_given_up(store: AnswerStore) -> None:
    turn = 0

    def refuse(server: Fails, url: str) -> CallError | None:
        nonlocal turn
        turn += 1
        return ThrottledError("too many", 0.1) if turn % 40 else None

    server = Fails(refuse, 0.01)
    assert run(store, server, 20, concurrency=4) == {Status.OK: 20}
    assert server.sent == 20 * 40


def test_a_model_with_narrow_limits_does_not_slow_another_one_down(store: AnswerStore) -> None:
    narrow = Model("narrow", "narrow", "http://a/v1", "KEY", requests_per_minute=60)
    free = Model("free", "free", "http://b/v1", "KEY")
    server = Server(1.0)
    assert run(store, server, 600, narrow, free, concurrency=50) == {Status.OK: 1200}
    done = {name: [at for at, _, model in server.done if model == name] for name in ("narrow", "free")}
    assert done["free"][-1] <= 600 / 50 * 1.1 + 1
    assert done["narrow"][-1] <= 600 / 0.95
