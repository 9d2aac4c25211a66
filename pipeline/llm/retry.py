"""Trying a failed call again: what is transient, with patience, jitter and an end."""

from asyncio import sleep
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from .failures import CallError, TransientError, UnreachableError

Result = TypeVar("Result")

ATTEMPTS = 8
ATTEMPTS_TO_REACH = 3
LONGEST_WAIT_SECONDS = 60.0

_backoff = wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_SECONDS)


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _wait(state: RetryCallState) -> float:
    """Return the seconds to wait: what the server asked for, else exponential with jitter."""
    failure = _failure(state)
    if isinstance(failure, CallError) and failure.retry_after is not None:
        return failure.retry_after
    return _backoff(state)


async def pause(seconds: float) -> None:
    """Wait before another attempt."""
    await sleep(seconds)


async def with_retries(
    send: Callable[[], Awaitable[Result]],
    was_reached: Callable[[], bool],
    on_retry: Callable[[], None],
    wait: Callable[[float], Awaitable[None]] = pause,
) -> Result:
    """Return what `send` gives, trying again after transient failures.

    tenacity is entered only after a first failure, as most calls never need it.

    Args:
        send: Sends the call once.
        was_reached: Tells whether the server has ever answered; one that never did is given up sooner.
        on_retry: Told before each further attempt.
        wait: Waits so many seconds before it.

    Raises:
        CallError: The last failure.
    """
    try:
        return await send()
    except TransientError as error:
        first: TransientError | None = error

    async def attempt() -> Result:
        nonlocal first
        if first is not None:
            failure, first = first, None
            raise failure
        on_retry()
        return await send()

    def is_last(state: RetryCallState) -> bool:
        unreachable = isinstance(_failure(state), UnreachableError) and not was_reached()
        return state.attempt_number >= (ATTEMPTS_TO_REACH if unreachable else ATTEMPTS)

    retrying = AsyncRetrying(
        sleep=wait, retry=retry_if_exception_type(TransientError), wait=_wait, stop=is_last, reraise=True
    )
    return await retrying(attempt)
