"""What goes over the wire, shaped as OpenAI's chat completions: requests, answers and errors."""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

FinishReason = Literal["stop", "length", "content_filter"]


class Part(Struct):
    """One part of a message's content; only text is read."""

    type: str
    text: str = ""


class Message(Struct):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def text(self) -> str:
        """The text of the message, its parts joined by line ends."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or ())


class JsonSchema(Struct):
    """The schema that an answer must satisfy."""

    name: str
    schema: dict[str, Any]


class ResponseFormat(Struct):
    """The form that an answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChatRequest(Struct):
    """A request for chat completions; fields that are not listed are ignored, as most servers do."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None

    @property
    def limit(self) -> int | None:
        """Most tokens that one answer may have."""
        return self.max_completion_tokens or self.max_tokens


class TopLogprob(Struct):
    """A token that could have stood at a place, with the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(TopLogprob):
    """A token of the answer, and the most probable ones at its place, best first."""

    top_logprobs: list[TopLogprob]


class Logprobs(Struct):
    """The tokens of one answer; joined they are its content."""

    content: list[TokenLogprob]
    refusal: None = None


class AnswerMessage(Struct):
    """What the model said: a content, or a refusal."""

    content: str | None
    refusal: str | None = None
    role: Literal["assistant"] = "assistant"


class Choice(Struct):
    """One of the answers to a request."""

    index: int
    message: AnswerMessage
    finish_reason: FinishReason
    logprobs: Logprobs | None = None


class Usage(Struct):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Struct):
    """The answers to a request."""

    id: str
    model: str
    choices: list[Choice]
    usage: Usage
    system_fingerprint: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = 0


class ApiError(Exception):
    """A request that gets no answer, with what OpenAI would say."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 - the name on the wire
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        """Take the HTTP status and the four fields of the error object."""
        super().__init__(message)
        self.status = status
        self.body = msgspec.json.encode({"error": {"message": message, "type": type, "param": param, "code": code}})


def require(method: str, allowed: str, path: str) -> None:
    """Refuse a request of another method.

    Raises:
        ApiError: 405.
    """
    if method != allowed:
        raise ApiError(405, f"{path} answers to {allowed}, not to {method}.", code="method_not_supported")


_decode = msgspec.json.Decoder(ChatRequest).decode
_PLACE = re.compile(r"`\$\.(\w+)|required field `(\w+)`")


def read_request(body: bytes) -> ChatRequest:
    """Return the request that a body holds.

    Raises:
        ApiError: 400, naming the parameter where a value is missing, of a wrong type or out of bounds.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        param = place and (place[1] or place[2])
        raise ApiError(400, f"{error}.", param=param, code="invalid_value") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ApiError(400, f"The body of your request is not valid JSON: {error}.") from None
