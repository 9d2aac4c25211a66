"""What the calls in flight may still cost, so that a limit on money holds before their answers are here."""

import msgspec

from .estimate import estimate_request
from .meter import Meter
from .prices import cost
from .requests import Request

UNKNOWN_ANSWER_TOKENS = 1000
"""Tokens that an answer is taken to have before the first one has come, where no limit is set."""


class _Limits(msgspec.Struct):
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


_limits = msgspec.json.Decoder(_Limits).decode


def expected_cost(request: Request, meter: Meter) -> float:
    """Return about what a call will cost in US dollars; 0 where the server tells its charges only afterwards.

    The prompt is estimated. The answer is taken to be as long as its limit allows, so that a limit on money holds;
    where it has none, as long as those of this model in this run were on average.
    """
    limits, use = _limits(request.body), meter.uses.get(request.model)
    mean = round(use.completion_tokens / use.sent) if use and use.sent else UNKNOWN_ANSWER_TOKENS
    answer = limits.max_completion_tokens or limits.max_tokens or mean
    return cost(request.model, estimate_request(request.body), answer) or 0.0
