"""The Batch API from end to end: the openai package against the simulator, embedded and on a loopback port."""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from prefpipe.pipeline.errors import RunError, UsageError, WaitingError
from prefpipe.pipeline.llm.answers import Answer
from prefpipe.pipeline.llm.ask import ask
from prefpipe.pipeline.llm.batch.ask import ask_in_batches
from prefpipe.pipeline.llm.batch.files import FileLimits
from prefpipe.pipeline.llm.batch.journal import Journal
from prefpipe.pipeline.llm.batch.records import Batch, BatchStep
from prefpipe.pipeline.llm.batch.server import BatchServer, Remote, Servers
from prefpipe.pipeline.llm.bounds import Bounds
from prefpipe.pipeline.llm.failures import TransientError
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.llm.models import Model, parse_model
from prefpipe.pipeline.llm.requests import Request, Sampling, chat
from prefpipe.pipeline.llm.simulator import BatchRules, Simulator, running
from prefpipe.pipeline.llm.store import AnswerStore
from prefpipe.pipeline.tables import Status

ROUGH = "strong?error_429=0.1&error_500=0.1&drop=0.1&garbage=0.1&expire=0.1"


def requests_to(model: Model, numbers: Sequence[int]) -> list[tuple[int, Request]]:
    return [
        (number, chat(model, [{"role": "user", "content": f"Question {number}?"}], Sampling(seed=1), 0))
        for number in numbers
    ]


class Bench:
    """A server that outlives the processes which use it; each `run` is such a process, with a memory of its own."""

    def __init__(self, folder: Path, simulator: Simulator | None = None, url: str | None = None) -> None:
        self.folder = folder
        self.simulator = simulator or Simulator()
        self.url = url
        self.meter = Meter()

    def model(self, name: str = "strong") -> Model:
        return parse_model(f"{name}@{self.url}" if self.url else f"sim:{name}")

    def run(
        self,
        numbers: Sequence[int] = range(20),
        model: str = "strong",
        requests: Iterable[tuple[int, Request]] | None = None,
        **options: Any,
    ) -> list[tuple[int, Answer]]:
        self.meter = Meter()
        with AnswerStore(self.folder / "answers.db") as store, Journal.beside(store.path) as journal:
            return list(
                ask_in_batches(
                    requests_to(self.model(model), numbers) if requests is None else requests,
                    store=store,
                    journal=journal,
                    meter=self.meter,
                    poll_seconds=0,
                    servers=Servers() if self.url else Servers(self.simulator),
                    **{"attempts": 4} | options,
                )
            )

    def batches(self) -> list[Batch]:
        with Journal.beside(self.folder / "answers.db") as journal:
            return journal.batches()

    def stored(self, name: str = "answers.db") -> dict[str, bytes]:
        database = sqlite3.connect(self.folder / name)
        rows: list[tuple[bytes, bytes]] = database.execute("SELECT key, raw FROM answers").fetchall()
        database.close()
        return {key.hex(): raw for key, raw in rows}

    @property
    def computed(self) -> int:
        """How many requests the server works on in the end, which is what is paid."""
        for batch in json.loads(self.simulator.respond("GET", "/v1/batches?limit=100", {}, b"").body)["data"]:
            for _ in range(9):
                self.simulator.respond("GET", f"/v1/batches/{batch['id']}", {}, b"")
        return sum(self.simulator.served.by_model.values())


@pytest.fixture(params=["embedded", "on a port"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    simulator = Simulator()
    with ExitStack() as stack:
        yield Bench(
            tmp_path, simulator, stack.enter_context(running(simulator)) if request.param != "embedded" else None
        )


@pytest.fixture
def embedded(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        pass

    monkeypatch.setattr("prefpipe.pipeline.llm.retry.sleep", sleep)


def statuses(answers: list[tuple[int, Answer]]) -> set[Status]:
    return {answer.status for _, answer in answers}


def texts(answers: list[tuple[int, Answer]]) -> list[tuple[int, str | None]]:
    return [(number, answer.text) for number, answer in answers]


def test_batches_leave_the_very_store_that_calls_leave(bench: Bench) -> None:
    answers = bench.run(range(50), limits=FileLimits(20))
    requests = requests_to(bench.model(), range(50))
    with AnswerStore(bench.folder / "live.db") as store:
        live = list(ask(requests, store=store, meter=Meter()))
    assert [about for about, _ in answers] == list(range(50))
    assert [(answer.key, answer.text) for _, answer in answers] == [(answer.key, answer.text) for _, answer in live]
    assert bench.stored() == bench.stored("live.db")
    assert [batch.requests for batch in bench.batches()] == [20, 20, 10]


def test_failures_of_every_kind_cost_further_batches_but_no_answer(bench: Bench) -> None:
    answers = bench.run(range(200), ROUGH, limits=FileLimits(70))
    assert statuses(answers) == {Status.OK}
    said = [(answer.text or "").split("[simulated")[0] for _, answer in answers]
    assert said == [(answer.text or "").split("[simulated")[0] for _, answer in bench.run(range(200))]
    assert {batch.state for batch in bench.batches()} == {"expired", "completed"}


def test_strange_lines_are_counted_and_give_nobody_an_answer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Simulator(rules=BatchRules(duplicated=0.5, foreign=0.5)))
    plain = Bench(tmp_path / "plain")
    (tmp_path / "plain").mkdir()
    assert texts(bench.run(model="strong?garbage=0.3")) == texts(plain.run(model="strong?garbage=0.3"))
    odd = [batch.odd for batch in bench.batches()]
    assert all(sum(counts) for counts in zip(*odd, strict=True))
    assert len(bench.stored()) == 20


def test_what_the_store_holds_is_not_sent(bench: Bench) -> None:
    bench.run(range(10))
    answers = bench.run([12, 3, 11, 4])
    assert [about for about, _ in answers] == [12, 3, 11, 4]
    assert [batch.requests for batch in bench.batches()] == [10, 2]
    assert (bench.meter.done, bench.meter.stored, bench.meter.sent) == (4, 2, 2)
    bench.run(range(10))
    assert (bench.computed, len(bench.batches())) == (12, 2)


def test_the_same_request_many_times_is_sent_once(embedded: Bench) -> None:
    answers = embedded.run([7, 8] * 300, limits=FileLimits(1))
    assert len({answer.text for _, answer in answers}) == 2
    assert (len(answers), embedded.computed) == (600, 2)


def test_each_model_has_files_of_its_own(bench: Bench) -> None:
    models = [bench.model(name) for name in ("strong", "weak")]
    mixed = [pair for number in range(10) for model in models for pair in requests_to(model, [number])]
    answers = bench.run(requests=mixed)
    assert statuses(answers) == {Status.OK}
    found = {batch.model.removeprefix("sim:"): batch.requests for batch in bench.batches()}
    assert found == {"strong": 10, "weak": 10}


def test_permanent_failures_are_rows_with_their_reason_and_touch_no_neighbour(bench: Bench) -> None:
    model = bench.model("strong?context=40")
    requests = [
        (length, chat(model, [{"role": "user", "content": "word " * length}], Sampling(), 0)) for length in (1, 90, 2)
    ]
    answers = bench.run(requests=requests)
    assert [answer.status for _, answer in answers] == [Status.OK, Status.ERROR, Status.OK]
    assert "HTTP 400: This model's maximum context length is 40 tokens" in (answers[1][1].error or "")
    assert (bench.meter.failed, len(bench.batches())) == (1, 1)


def test_a_request_is_given_up_after_so_many_batches(embedded: Bench) -> None:
    answers = embedded.run(range(5), "strong?drop=1", attempts=2)
    assert statuses(answers) == {Status.ERROR}
    assert {answer.error for _, answer in answers} == {"its batch ended without an answer"}
    assert (len(embedded.batches()), embedded.meter.retries, embedded.stored()) == (2, 5, {})


def test_a_failure_is_asked_again_by_the_next_run(embedded: Bench) -> None:
    embedded.run(range(5), "strong?expire=1&failures_in_a_row=1", attempts=1)
    assert statuses(embedded.run(range(5), "strong?expire=1&failures_in_a_row=1", attempts=1)) == {Status.OK}


def test_a_request_too_large_for_any_file_is_a_row(embedded: Bench) -> None:
    requests = requests_to(embedded.model(), range(3))
    large = chat(embedded.model(), [{"role": "user", "content": "x" * 500}], Sampling(), 0)
    answers = embedded.run(requests=[*requests, (3, large)], limits=FileLimits(bytes=400))
    assert [answer.status for _, answer in answers] == [Status.OK] * 3 + [Status.ERROR]
    assert "a batch takes 400" in (answers[3][1].error or "")


def test_nothing_is_sent_before_all_requests_have_been_read(embedded: Bench) -> None:
    def broken() -> Iterator[tuple[int, Request]]:
        yield from requests_to(embedded.model(), range(5))
        raise UsageError("Row 6 is no prompt.")

    with pytest.raises(UsageError, match="Row 6"):
        embedded.run(requests=broken(), limits=FileLimits(1))
    assert sum(embedded.simulator.served.by_status.values()) == 0


def test_the_meter_and_whoever_waits_are_told(embedded: Bench) -> None:
    seen: list[tuple[str | None, int, int]] = []

    def on_wait(batches: Sequence[Batch]) -> None:
        seen.extend((batch.state, batch.answered, embedded.meter.in_flight) for batch in batches)

    embedded.run(range(6), "strong?batch_looks=2", on_wait=on_wait)
    assert seen == [("in_progress", 0, 6), ("in_progress", 3, 6), ("finalizing", 6, 6)]
    meter = embedded.meter
    assert (meter.done, meter.sent, meter.failed, meter.in_flight, meter.completion_tokens > 6) == (6, 6, 0, 0, True)


def test_leaving_says_how_to_go_on_and_the_next_runs_collect(bench: Bench) -> None:
    for _ in range(2):
        with pytest.raises(WaitingError, match=r"2 batches are under way, with 20 requests\.") as left:
            bench.run(limits=FileLimits(15), wait=False)
        assert "Run the same command again" in (left.value.hint or "")
        assert left.value.exit_code == 75
    assert statuses(bench.run(wait=False)) == {Status.OK}
    assert (bench.computed, len(bench.batches())) == (20, 2)


def test_another_command_waits_for_what_it_shares_and_asks_only_for_the_rest(embedded: Bench) -> None:
    with pytest.raises(WaitingError):
        embedded.run(range(10), wait=False)
    answers = embedded.run([15, 9, 14, 5])
    assert (statuses(answers), embedded.computed) == ({Status.OK}, 12)
    assert [batch.requests for batch in embedded.batches()] == [10, 2]


def test_batches_that_are_too_much_go_out_smaller_and_one_by_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Simulator(rules=BatchRules(most_enqueued=7)))
    assert statuses(bench.run(range(40))) == {Status.OK}
    assert bench.computed == 40
    sizes = [(batch.requests, batch.state) for batch in bench.batches()]
    assert sizes[:4] == [(40, "failed"), (20, "failed"), (10, "failed"), (5, "completed")]


def test_files_that_are_too_much_go_out_smaller(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Simulator(rules=BatchRules(most_bytes=2000)))
    assert statuses(bench.run(range(40))) == {Status.OK}
    assert {batch.state for batch in bench.batches()} == {"completed"}


def test_a_server_that_takes_nothing_at_all_stops_the_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Simulator(rules=BatchRules(most_enqueued=0)))
    with pytest.raises(RunError, match="takes not even one request to sim:strong"):
        bench.run(range(9))


def test_a_batch_that_is_refused_stops_the_run_with_the_servers_words(tmp_path: Path) -> None:
    with running(Simulator()) as url:
        bench = Bench(tmp_path, url=url)
        with pytest.raises(RunError, match=r"a batch of nobody: The model 'nobody' does not exist[^;]*\.$"):
            bench.run(model="nobody")
        assert [batch.step for batch in bench.batches()] == [BatchStep.COLLECTED]


def test_a_wrong_key_stops_the_run_and_is_kept_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFPIPE_API_KEY", "sk-very-secret")
    simulator = Simulator(api_key="another")
    with running(simulator) as url:
        bench = Bench(tmp_path, simulator, url)
        with pytest.raises(RunError, match="HTTP 401") as caught:
            bench.run()
        assert "PREFPIPE_API_KEY" in (caught.value.hint or "")
        monkeypatch.setenv("PREFPIPE_API_KEY", "another")
        assert statuses(bench.run()) == {Status.OK}
    assert "sk-very-secret" not in f"{caught.value.message} {caught.value.hint}"
    for file in tmp_path.iterdir():
        assert b"sk-very-secret" not in file.read_bytes()


def test_a_server_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot be reached: no connection to http://127\.0\.0\.1:9/v1"):
        Bench(tmp_path, url="http://127.0.0.1:9/v1").run()


@pytest.mark.parametrize("limits", [FileLimits(requests=0), FileLimits(bytes=0)])
def test_a_batch_of_nothing_is_refused(embedded: Bench, limits: FileLimits) -> None:
    with pytest.raises(UsageError, match="nothing is asked"):
        embedded.run(limits=limits)


def test_a_cancelled_batch_stops_the_run_and_the_next_one_asks_for_the_rest(bench: Bench) -> None:
    def cancel(batches: Sequence[Batch]) -> None:
        if batches[0].answered and batches[0].state == "in_progress":
            path = f"/v1/batches/{batches[0].batch_id}/cancel"
            assert bench.simulator.respond("POST", path, {}, b"").status == 200

    with pytest.raises(RunError, match="was cancelled; 5 of its 10 requests have an answer"):
        bench.run(range(10), "strong?batch_looks=2", on_wait=cancel)
    assert statuses(bench.run(range(10), "strong?batch_looks=2")) == {Status.OK}
    assert bench.computed == 10


def test_a_batch_of_a_simulator_that_is_gone_is_asked_again(embedded: Bench) -> None:
    with pytest.raises(WaitingError):
        embedded.run(wait=False)
    embedded.simulator = Simulator()
    assert statuses(embedded.run()) == {Status.OK}


def test_a_batch_that_a_paid_server_does_not_know_is_not_paid_twice(tmp_path: Path) -> None:
    simulator = Simulator()
    with running(simulator) as url:
        bench = Bench(tmp_path, simulator, url)
        with pytest.raises(WaitingError):
            bench.run(wait=False)
        simulator._desk = Simulator()._desk
        with pytest.raises(RunError, match="does not know the batch") as caught:
            bench.run()
    assert f"prefpipe batch forget {bench.batches()[0].batch_id}" in (caught.value.hint or "")


def test_answers_taken_out_of_the_store_are_asked_again(bench: Bench) -> None:
    bench.run()
    for file in bench.folder.glob("answers.db*"):
        file.unlink()
    assert statuses(bench.run()) == {Status.OK}
    assert bench.computed == 40


def test_answers_outlast_a_power_cut_once_the_journal_calls_them_collected(
    embedded: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = Journal.collected

    def copy_what_is_on_disk(journal: Journal, *arguments: Any) -> None:
        # What stands in the log only, beside the database itself, is what a power cut can take.
        shutil.copy(embedded.folder / "answers.db", embedded.folder / "disk.db")
        collected(journal, *arguments)

    monkeypatch.setattr(Journal, "collected", copy_what_is_on_disk)
    embedded.run()
    assert embedded.stored("disk.db") == embedded.stored() != {}


def test_no_more_requests_go_out_than_the_bounds_let(embedded: Bench) -> None:
    embedded.run(range(5))
    with pytest.raises(RunError, match=r"The run stopped: --max-calls 8 is reached\.") as stopped:
        embedded.run(range(20), bounds=Bounds(max_calls=8))
    assert "run the same command again" in (stopped.value.hint or "")
    assert (embedded.computed, len(embedded.stored())) == (13, 13)
    assert embedded.meter.stopping
    assert len(embedded.run(range(20), bounds=Bounds(max_calls=7))) == 20


def test_further_attempts_and_refused_batches_do_not_count_as_calls(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Simulator(rules=BatchRules(most_enqueued=7)))
    assert statuses(bench.run(range(20), "strong?drop=0.3", bounds=Bounds(max_calls=20))) == {Status.OK}


def test_too_many_failures_end_the_run_before_its_next_batch(embedded: Bench) -> None:
    short, long = embedded.model("strong?context=40"), "word " * 90
    texts = [long if number % 3 else f"{number}" for number in range(30)]
    requests = [chat(short, [{"role": "user", "content": text}], Sampling(), place) for place, text in enumerate(texts)]
    late = requests_to(embedded.model("strong?expire=1&failures_in_a_row=1"), [0])
    with pytest.raises(RunError, match=r"20 of 30 calls failed, which is more than --max-failures 0\.5"):
        embedded.run(requests=[*enumerate(requests), *late])
    assert (len(embedded.stored()), len(embedded.batches())) == (10, 2)


def test_a_server_that_is_away_for_a_while_is_waited_for(embedded: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    look, calls = BatchServer.look, iter(range(10**9))

    async def seldom(server: BatchServer, batch_id: str) -> Remote:
        if next(calls) % 20:
            raise TransientError("HTTP 503")
        return await look(server, batch_id)

    monkeypatch.setattr(BatchServer, "look", seldom)
    assert statuses(embedded.run()) == {Status.OK}


def test_a_server_that_is_away_for_good_is_not(embedded: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(server: BatchServer, batch_id: str) -> Remote:
        raise TransientError("HTTP 503")

    monkeypatch.setattr(BatchServer, "look", never)
    with pytest.raises(RunError, match="HTTP 503"):
        embedded.run()
    monkeypatch.undo()
    assert (statuses(embedded.run()), embedded.computed) == ({Status.OK}, 20)
