"""The answer to a request for chat completions: what the model has to say, as OpenAI would send it."""

from dataclasses import replace
from math import log
from random import Random

from ...ids import seed_of
from .answering import answer
from .cases import Case, read_case
from .draft import Draft, token_estimate
from .judging import decide, in_prose, spoil
from .models import SimulatedModel
from .schemas import allows_tie, in_json, read_schema, wants_ranking
from .wire import (
    AnswerMessage,
    ApiError,
    ChatCompletion,
    ChatRequest,
    Choice,
    Logprobs,
    Message,
    TokenLogprob,
    TopLogprob,
    Usage,
)

TOKENS_AROUND_A_MESSAGE = 4

_SURE = log(0.9)  # any fixed chance will do for words that are not the verdict
_NEVER = -9999.0  # what OpenAI sends for a probability of 0


def complete(request: ChatRequest, model: SimulatedModel) -> ChatCompletion:
    """Return the answers of a model to a request: the same for the same model, messages and seed.

    Temperature, limits and formats leave the draws as they are. Of `n` answers, each has its own draws.

    Raises:
        ApiError: 400, for what the simulator cannot do, and for a conversation longer than the context.
    """
    _check(request)
    prompt_tokens = _prompt_tokens(request.messages)
    if prompt_tokens + (request.limit or 0) > model.context:
        raise _too_long(model.context, prompt_tokens, request.limit)
    seed = seed_of(model.voice, request.messages, request.seed)
    case = read_case(request.messages)
    choices = []
    completion_tokens = 0
    for index in range(request.n or 1):
        chance = Random(seed + index)  # noqa: S311 - chance that can be repeated is the point
        draft = _draft(request, model, case, chance).cut(request.limit)
        pieces = draft.pieces()
        completion_tokens += len(pieces)
        choices.append(_choice(index, draft, _logprobs(request, draft, pieces)))
    return ChatCompletion(
        id=f"chatcmpl-{seed:016x}",
        model=request.model,
        choices=choices,
        usage=Usage(prompt_tokens, completion_tokens, prompt_tokens + completion_tokens),
        system_fingerprint=f"fp_{model.voice[:10]}",
    )


def _check(request: ChatRequest) -> None:
    if request.stream:
        raise ApiError(400, "The simulator does not stream.", param="stream", code="unsupported_value")
    if request.top_logprobs and not request.logprobs:
        message = "top_logprobs is only allowed when logprobs is true."
        raise ApiError(400, message, param="top_logprobs", code="invalid_value")


def _prompt_tokens(messages: list[Message]) -> int:
    return sum(TOKENS_AROUND_A_MESSAGE + token_estimate(message.text) for message in messages)


def _too_long(context: int, prompt_tokens: int, limit: int | None) -> ApiError:
    asked = f"{prompt_tokens} in the messages" + (f", {limit} in the completion" if limit else "")
    return ApiError(
        400,
        f"This model's maximum context length is {context} tokens. However, you requested more: {asked}. "
        "Please reduce the length of the messages or completion.",
        param="messages",
        code="context_length_exceeded",
    )


def _draft(request: ChatRequest, model: SimulatedModel, case: Case | None, chance: Random) -> Draft:
    schema = read_schema(request.response_format)
    if case is None:
        if schema is not None:
            message = "The simulator answers with JSON only to judge: the prompt shows no two candidates."
            raise ApiError(400, message, param="response_format", code="unsupported_value")
        return answer(model, request.messages, chance, request.limit)
    if schema is not None and wants_ranking(schema):
        case = replace(case, listwise=True)
    fate = Random(chance.random())  # noqa: S311 - failures must not move the draws of the verdict
    judgement = decide(model, case, chance, may_tie=schema is None or allows_tie(schema))
    return spoil(model, in_prose(judgement) if schema is None else in_json(judgement, case, schema), fate)


def _choice(index: int, draft: Draft, logprobs: Logprobs | None) -> Choice:
    if draft.refused:
        return Choice(index, AnswerMessage(None, draft.text), draft.finish_reason)
    return Choice(index, AnswerMessage(draft.text), draft.finish_reason, logprobs)


def _logprobs(request: ChatRequest, draft: Draft, pieces: list[str]) -> Logprobs | None:
    if not request.logprobs or draft.refused:
        return None
    width = request.top_logprobs or 0
    tokens = []
    at = 0
    for piece in pieces:
        if draft.menu and at == draft.menu.start:
            chances = sorted(draft.menu.probabilities.items(), key=lambda item: -item[1])
            menu = [_token(token, log(p) if p > 0 else _NEVER) for token, p in chances]
        else:
            menu = [_token(piece, _SURE)]
        said = next(token for token in menu if token.token == piece)
        tokens.append(TokenLogprob(piece, said.logprob, said.bytes, menu[:width]))
        at += len(piece)
    return Logprobs(tokens)


def _token(text: str, logprob: float) -> TopLogprob:
    return TopLogprob(text, logprob, list(text.encode()))
