"""What a probe asks, and what an answer shows: whether the server has done what a field of the request wants."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from .answers import Answer
from .requests import TOP_LOGPROBS

LIMIT = 16
"""Tokens that the answer to COUNT is limited to; it needs more than twice as many."""

ROOM = 1024
"""Tokens for answers of a few words, as a model may think first."""


class Heed(StrEnum):
    """What a server makes of a field of a request."""

    YES = "yes"
    IGNORED = "ignored"
    REFUSED = "refused"
    UNCLEAR = "unclear"


def _ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


COUNT = _ask("Write the numbers from 1 to 40, separated by blanks.")
SAY_OK = _ask("Say OK.")
COMPARE = _ask(
    'Which response is the better answer to the question "What is 2 + 2?"\n\n'
    "<response_A>\n4\n</response_A>\n\n<response_B>\n5\n</response_B>"
)
"""It says nothing of JSON: where the answer is what the schema wants, then because of the schema."""

_VERDICTS = ("A", "B", "tie")
_SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": _VERDICTS}},
    "required": ["verdict"],
    "additionalProperties": False,
}

JSON_SCHEMA: dict[str, Any] = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": _SCHEMA},
    }
}

OPTIONS: dict[str, dict[str, Any]] = {
    "temperature": {"temperature": 0.5},  # models that take only their own default, 1, refuse any other
    "seed": {"seed": 1},
    "logprobs": {"logprobs": True, "top_logprobs": TOP_LOGPROBS},
}


def heeds_limit(answer: Answer) -> Heed:
    """Tell from the answer to COUNT whether LIMIT has cut it."""
    tokens = answer.completion_tokens or len((answer.text or "").split())
    if answer.finish_reason == "length" or tokens == LIMIT:
        return Heed.YES
    return Heed.IGNORED if tokens > LIMIT else Heed.UNCLEAR


def heeds_schema(answer: Answer) -> Heed:
    """Tell from the answer to COMPARE whether it is what JSON_SCHEMA wants; one that was cut short tells nothing."""
    try:
        said = msgspec.json.decode(answer.text or "")
    except msgspec.DecodeError:
        return Heed.UNCLEAR if answer.finish_reason == "length" else Heed.IGNORED
    fits = isinstance(said, dict) and said.keys() == {"verdict"} and said["verdict"] in _VERDICTS
    return Heed.YES if fits else Heed.IGNORED


class _Token(msgspec.Struct):
    top_logprobs: list[msgspec.Raw] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


def gives_logprobs(answer: Answer) -> Heed:
    """Tell whether an answer says of every token what else could have stood there."""
    try:
        tokens = msgspec.json.decode(answer.logprobs or b"{}", type=_Logprobs).content
    except msgspec.MsgspecError:
        return Heed.IGNORED
    return Heed.YES if tokens and all(token.top_logprobs for token in tokens) else Heed.IGNORED


def is_taken(_: Answer) -> Heed:
    """Tell that an option is taken, as there is an answer; what a temperature and a seed do cannot be seen in one."""
    return Heed.YES


JUDGED: dict[str, Callable[[Answer], Heed]] = {
    "temperature": is_taken,
    "seed": is_taken,
    "logprobs": gives_logprobs,
}
"""How the answer to a question with one of OPTIONS is judged."""
