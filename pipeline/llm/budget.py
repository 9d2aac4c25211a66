"""What a call may need, so that limits on money and on tokens a minute hold before its answer is here."""

import msgspec

from .estimate import estimate_request
from .meter import Meter, ModelSpend
from .prices import cost
from .requests import Request

UNKNOWN_ANSWER_TOKENS = 1000
"""Tokens that an answer is taken to have before the first one has come, where no limit is set."""


class _Limits(msgspec.Struct):
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


_limits = msgspec.json.Decoder(_Limits).decode


def expected_tokens(request: Request, use: ModelSpend | None) -> tuple[int, int]:
    """Return about how many tokens a call's prompt and its answer have.

    The prompt is estimated. The answer is taken to be as long as its limit allows, as servers count it until they know
    better; where it has none, as long as those of this model in this run were on average.
    """
    limits = _limits(request.body)
    mean = round(use.completion_tokens / use.sent) if use and use.sent else UNKNOWN_ANSWER_TOKENS
    return estimate_request(request.body), limits.max_completion_tokens or limits.max_tokens or mean


def expected_cost(request: Request, meter: Meter) -> float:
    """Return about what a call will cost in US dollars; where its price is not known, as this run's did on average."""
    use = meter.uses.get(request.model)
    known = cost(request.model, *expected_tokens(request, use))
    if known is not None:
        return known
    return use.spent / use.sent if use and use.sent else 0.0
