import asyncio
from collections.abc import Sequence

import pytest

from prefpipe.pipeline.llm import retry
from prefpipe.pipeline.llm.failures import CallError, PermanentError, TransientError, UnreachableError
from prefpipe.pipeline.llm.retry import ATTEMPTS, ATTEMPTS_TO_REACH, with_retries


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time does not pass in these tests; the waits that would have been are listed."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("prefpipe.pipeline.llm.retry.sleep", sleep)
    return waited


def run(outcomes: Sequence[CallError | str], *, reached: bool = True) -> tuple[str, int]:
    """Return what came of calls with these outcomes, one after another, and how many retries there were."""
    left, attempts = list(outcomes), 0

    async def send() -> str:
        nonlocal attempts
        attempts += 1
        outcome = left.pop(0)
        if isinstance(outcome, CallError):
            raise outcome
        return outcome

    answer = asyncio.run(with_retries(send, lambda: reached))
    assert not left
    return answer, attempts - 1


def test_a_call_that_succeeds_is_sent_once() -> None:
    assert run(["answer"]) == ("answer", 0)


def test_transient_failures_are_tried_again() -> None:
    assert run([TransientError("a"), TransientError("b"), "answer"]) == ("answer", 2)


def test_the_wait_that_the_server_asks_for_is_kept(waits: list[float]) -> None:
    run([TransientError("slow", retry_after=7.5), TransientError("slow", retry_after=0.0), "answer"])
    assert waits == [7.5, 0.0]


def test_without_a_wish_of_the_server_waits_grow_within_a_bound(waits: list[float]) -> None:
    with pytest.raises(TransientError):
        run([TransientError("x")] * ATTEMPTS)
    assert len(waits) == ATTEMPTS - 1
    assert all(0 <= wait <= retry.LONGEST_WAIT_SECONDS for wait in waits)


def test_the_last_failure_is_the_one_that_is_told() -> None:
    with pytest.raises(TransientError, match="last"):
        run([TransientError("x")] * (ATTEMPTS - 1) + [TransientError("last")])


def test_permanent_failures_are_not_tried_again() -> None:
    with pytest.raises(PermanentError):
        run([PermanentError("no")])
    with pytest.raises(PermanentError):
        run([TransientError("x"), PermanentError("no")])


def test_a_server_that_never_answered_is_given_up_sooner() -> None:
    with pytest.raises(UnreachableError):
        run([UnreachableError("refused")] * ATTEMPTS_TO_REACH, reached=False)


def test_a_server_that_answered_before_is_given_time_to_come_back() -> None:
    assert run([UnreachableError("refused")] * (ATTEMPTS - 1) + ["answer"]) == ("answer", ATTEMPTS - 1)
