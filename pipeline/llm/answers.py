"""What came back from a model: kept raw, and read here each time it is needed."""

from dataclasses import dataclass
from typing import Any

import msgspec

from ..tables import Status
from .failures import PermanentError, TransientError
from .prices import Usage
from .thinking import split_thinking


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request.

    Attributes:
        key: The request's.
        status: What became of the call.
        text: What the model said, without its reasoning; also for a truncated answer.
        error: Why the status is not ok.
        finish_reason: As the server gave it.
        prompt_tokens: As the server counted them.
        completion_tokens: As the server charges them, hidden reasoning included.
        snapshot: The exact model that the server says has answered.
        latency: Seconds from sending to the whole answer, of the attempt that succeeded.
        usage: All that the server counted, for the answer's cost.
        cost: US dollars that the answer cost, whenever it was paid; None where that is not known.
        reasoning: What the model thought before it spoke, where the server shows it.
        logprobs: The probabilities of the answer's tokens, as the server gave them; see `read_tokens`.
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
    reasoning: str | None = None
    logprobs: bytes | None = None


class _Part(msgspec.Struct):
    """A part of a content that comes in parts: Mistral's reasoning models think in some and speak in others."""

    text: str | None = None
    thinking: "str | list[_Part] | None" = None

    @property
    def thought(self) -> str:
        if isinstance(self.thinking, list):
            return "".join(part.text or "" for part in self.thinking)
        return self.thinking or ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    # No standard says what they hold, and none may make an answer unreadable.
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def text(self) -> str | None:
        """The content in one piece, without the parts that are reasoning."""
        return "".join(part.text or "" for part in self.content) if isinstance(self.content, list) else self.content

    @property
    def apart(self) -> str | None:
        """The reasoning that the server keeps apart from the content; some give it under both names."""
        found = self.reasoning_content or self.reasoning
        if isinstance(self.content, list):
            found = found or "".join(part.thought for part in self.content)
        return found.strip() or None if isinstance(found, str) else None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    logprobs: msgspec.Raw = msgspec.Raw()


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    model: str | None = None
    usage: Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Completion).decode

_NO_LOGPROBS = (b"", b"null")


def read_answer(key: str, raw: bytes, latency: float | None) -> Answer:
    """Return the answer that a chat completion's JSON holds.

    Reasoning is kept apart from the text, whether the server does so, as `reasoning_content` or `reasoning`, or leaves
    it inside the content.

    Raises:
        TransientError: It is no chat completion: a proxy's page, or a body cut short.
        PermanentError: The server put an error into an answer that says it succeeded.
    """
    try:
        completion = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TransientError(f"the server's answer is not a chat completion ({error})") from error
    if not completion.choices:
        if reported := bytes(completion.error):
            raise PermanentError(f"the server answered with an error: {reported.decode()[:200]}")
        raise TransientError("the server's answer holds no choice")
    choice, usage = completion.choices[0], completion.usage or Usage()
    message, logprobs = choice.message, bytes(choice.logprobs)
    content = message.text
    said, thought = split_thinking(content or "")
    reasoning = message.apart
    if thought:
        reasoning = f"{reasoning}\n\n{thought}" if reasoning else thought
    status, reason = _status(choice, said, reasoning)
    return Answer(
        key,
        status,
        said if content is not None else None,
        reason,
        choice.finish_reason,
        usage.prompt_tokens,
        usage.answer_tokens,
        completion.model,
        latency,
        usage,
        reasoning=reasoning,
        logprobs=logprobs if logprobs not in _NO_LOGPROBS else None,
    )


def _status(choice: _Choice, said: str | None, reasoning: str | None) -> tuple[Status, str | None]:
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return Status.REFUSED, choice.message.refusal or "stopped by the server's content filter"
    if choice.finish_reason == "length":
        return Status.TRUNCATED, "the answer reached the limit of tokens"
    if said is None:
        return Status.INVALID, "the thinking never ends"
    if not said.strip():
        return Status.INVALID, "the answer holds nothing but reasoning" if reasoning else "the answer is empty"
    return Status.OK, None
