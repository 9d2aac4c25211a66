"""Trying a failed call again: what is transient, with patience, jitter and an end."""

import random
from asyncio import sleep
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from .failures import CallError, ThrottledError, TransientError, UnreachableError

Result = TypeVar("Result")

ATTEMPTS = 8
ATTEMPTS_TO_REACH = 3
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
_DOUBLINGS = 10


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


async def pause(seconds: float) -> None:
    """Wait before another attempt."""
    await sleep(seconds)


async def with_retries(
    send: Callable[[], Awaitable[Result]],
    was_reached: Callable[[], bool],
    *,
    refusals_count: bool = True,
    wait: Callable[[float], Awaitable[None]] = pause,
) -> Result:
    """Return what `send` gives, trying again after transient failures.

    Before another attempt, it waits as long as the server asks for, else exponentially longer each time, with jitter.
    tenacity is entered only after a first failure, as most calls never need it.

    Args:
        send: Sends the call once.
        was_reached: Tells whether the server has ever answered; one that never did is given up sooner.
        refusals_count: Whether a refusal as one call too many counts as an attempt. Without, only `wait` can end them.
        wait: Waits so many seconds before a further attempt.

    Raises:
        CallError: The last failure.
    """
    try:
        return await send()
    except TransientError as error:
        first: TransientError | None = error
    failures = 0

    async def attempt() -> Result:
        nonlocal first
        if first is not None:
            failure, first = first, None
            raise failure
        return await send()

    def seconds_to_wait(state: RetryCallState) -> float:
        failure = _failure(state)
        if isinstance(failure, CallError) and failure.retry_after is not None:
            return failure.retry_after
        alike = (
            failures if refusals_count or not isinstance(failure, ThrottledError) else state.attempt_number - failures
        )
        longest = min(FIRST_WAIT_SECONDS * 2.0 ** min(alike - 1, _DOUBLINGS), LONGEST_WAIT_SECONDS)
        return random.uniform(0.0, longest)  # noqa: S311 - jitter is no secret

    def is_last(state: RetryCallState) -> bool:
        nonlocal failures
        failure = _failure(state)
        failures += refusals_count or not isinstance(failure, ThrottledError)
        unreachable = isinstance(failure, UnreachableError) and not was_reached()
        return failures >= (ATTEMPTS_TO_REACH if unreachable else ATTEMPTS)

    retrying = AsyncRetrying(
        sleep=wait, retry=retry_if_exception_type(TransientError), wait=seconds_to_wait, stop=is_last, reraise=True
    )
    return await retrying(attempt)
