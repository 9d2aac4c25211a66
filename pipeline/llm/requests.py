"""What is sent to a model, serialised once, and the key under which its answer is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from ..ids import seed_of
from .models import OPENAI_URL, Model

TOP_LOGPROBS = 20
"""Alternatives that are asked for at each token: the most that OpenAI gives, and vLLM unless it is told otherwise."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn; what is None is left to the server.

    Attributes:
        temperature: 0 for the likeliest answer, higher for more variety.
        max_tokens: The most tokens that an answer may have.
        seed: Sent with every call, mixed with what makes the call different from its repeats.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        model: Whom to ask.
        body: The JSON that is sent.
        key: Hex digits that stand for all that is sent, where to, and which repeat.
    """

    model: Model
    body: bytes
    key: str


def chat(
    model: Model,
    messages: Sequence[dict[str, Any]],
    sampling: Sampling,
    repeat: int,
    *,
    schema: Mapping[str, Any] | None = None,
    logprobs: bool = False,
) -> Request:
    """Return the request for an answer to a conversation.

    Args:
        model: Whom to ask.
        messages: The conversation.
        sampling: How the answer is drawn. A simulated model always gets a seed, as it has no other source of chance.
        repeat: Which time the same thing is asked; each has an answer of its own.
        schema: The JSON schema that the answer is to satisfy; not sent to a model that is not known to take one.
        logprobs: Whether to ask for the probabilities of the answer's tokens and of what could have stood there.
    """
    body: dict[str, Any] = {"model": model.sent_name, "messages": messages}
    if sampling.temperature is not None and model.takes_temperature:
        body["temperature"] = sampling.temperature
    if sampling.max_tokens is not None:
        body[_max_tokens_name(model)] = sampling.max_tokens
    if (sampling.seed is not None or model.simulated) and model.takes_seed:
        body["seed"] = seed_of(sampling.seed or 0, repeat) % 2**31
    if model.reasoning_effort is not None:
        body["reasoning_effort"] = model.reasoning_effort
    if schema is not None and model.takes_schema:
        form = {"name": "answer", "strict": True, "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    if logprobs:
        body |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    encoded = _encode(body | dict(model.extra_body))
    return Request(model, encoded, _key(model.address, encoded, repeat))


def _max_tokens_name(model: Model) -> str:
    """Return the name of the limit: OpenAI's newer models refuse the old one, most other servers know only that."""
    return model.max_tokens_name or ("max_completion_tokens" if model.base_url == OPENAI_URL else "max_tokens")


def _key(address: str, body: bytes, repeat: int) -> str:
    return sha256(b"%b\n%d\n%b" % (address.encode(), repeat, body)).hexdigest()[:32]
