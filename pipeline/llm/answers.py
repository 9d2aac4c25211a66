"""What came back from a model: kept raw, and read here each time it is needed."""

from dataclasses import dataclass

import msgspec

from ..tables import Status
from .failures import PermanentError, TransientError
from .prices import Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request.

    Attributes:
        key: The request's.
        status: What became of the call.
        text: What the model said; also for a truncated answer.
        error: Why the status is not ok.
        finish_reason: As the server gave it.
        prompt_tokens: As the server counted them.
        completion_tokens: As the server charges them, hidden reasoning included.
        snapshot: The exact model that the server says has answered.
        latency: Seconds from sending to the whole answer, of the attempt that succeeded.
        usage: All that the server counted, for the answer's cost.
        cost: US dollars that the answer cost, whenever it was paid; None where that is not known.
    """

    key: str
    status: Status
    text: str | None = None
    error: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    snapshot: str | None = None
    latency: float | None = None
    usage: Usage | None = None
    cost: float | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    model: str | None = None
    usage: Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Completion).decode


def read_answer(key: str, raw: bytes, latency: float | None) -> Answer:
    """Return the answer that a chat completion's JSON holds.

    Raises:
        TransientError: It is no chat completion: a proxy's page, or a body cut short.
        PermanentError: The server put an error into an answer that says it succeeded.
    """
    try:
        completion = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TransientError(f"the server's answer is no chat completion ({error})") from error
    if not completion.choices:
        if reported := bytes(completion.error):
            raise PermanentError(f"the server answered with an error: {reported.decode()[:200]}")
        raise TransientError("the server's answer holds no choice")
    choice, usage = completion.choices[0], completion.usage or Usage()
    status, reason = _status(choice)
    return Answer(
        key,
        status,
        choice.message.content,
        reason,
        choice.finish_reason,
        usage.prompt_tokens,
        usage.answer_tokens,
        completion.model,
        latency,
        usage,
    )


def _status(choice: _Choice) -> tuple[Status, str | None]:
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return Status.REFUSED, choice.message.refusal or "stopped by the server's content filter"
    if choice.finish_reason == "length":
        return Status.TRUNCATED, "the answer reached the limit of tokens"
    if not (choice.message.content or "").strip():
        return Status.INVALID, "the answer is empty"
    return Status.OK, None
