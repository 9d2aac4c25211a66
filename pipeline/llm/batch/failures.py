"""What can go wrong with files and batches: the errors of the openai package in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai

from ..client import TIMEOUT_SECONDS
from ..failures import CallError, TransientError, failure_of, without_key
from ..openai_failures import connection_failure, retry_after
from .records import Address

_MISSING_FILE = "Cannot find file"


class TooMuchError(CallError):
    """The server takes no batch that large, or no more batches for now."""


class GoneError(CallError):
    """The server does not know the batch or the file, or no longer."""


@contextmanager
def in_our_words(address: Address) -> Iterator[None]:
    """Raise what the openai package raises as a CallError, and never show the key."""
    key, place = address.api_key, address.base_url
    try:
        yield
    except openai.APIStatusError as error:
        failure = _failure(error)
        failure.reason = without_key(failure.reason, key)
        raise failure from None
    except openai.APIConnectionError as error:
        raise connection_failure(error.__cause__, place, TIMEOUT_SECONDS) from None
    except httpx2.RequestError as error:
        # While a file arrives, the package leaves its http library's errors as they are.
        raise connection_failure(error, place, TIMEOUT_SECONDS) from None


def _failure(error: openai.APIStatusError) -> CallError:
    status, body = error.status_code, error.response.content
    failure = failure_of(status, body, retry_after(error.response.headers))
    if status == 413 or is_queue_limit("", failure.reason):
        return TooMuchError(failure.reason)
    if status == 404:
        return GoneError(failure.reason)
    if _MISSING_FILE in failure.reason:
        # A file that has just been sent is sometimes not to be found for a moment.
        return TransientError(failure.reason)
    return failure


def is_queue_limit(code: str, message: str) -> bool:
    """Tell whether an error says that too much is waiting: it will pass as batches end, or with smaller ones."""
    return code in {"token_limit_exceeded", "too_many_tasks"} or ("nqueued" in message and "limit" in message)
