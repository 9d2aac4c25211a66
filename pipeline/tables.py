"""The tables in which stages meet: every column, its type, and which of them a file made elsewhere may leave out.

Candidates and verdicts are joined by id, never by position. In a vote, `shown` lists the candidates in slot order and
`ranks` says how each came out: 1 is best, equal ranks are a tie, null was not ranked.
"""

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa


class Status(StrEnum):
    """What became of one call."""

    OK = "ok"
    """An answer that can be used."""
    TRUNCATED = "truncated"
    """The model ran out of tokens before it was done."""
    REFUSED = "refused"
    """The model or its server declined to answer."""
    INVALID = "invalid"
    """An answer came, but it does not say what was asked for."""
    ERROR = "error"
    """No answer came."""


MESSAGE = pa.struct([pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)])
CONVERSATION = pa.list_(pa.field("item", MESSAGE, nullable=False))
IDS = pa.list_(pa.field("item", pa.string(), nullable=False))
AGAINST = pa.struct(
    [pa.field("model", pa.string(), nullable=False)]
    + [pa.field(count, pa.int64(), nullable=False) for count in ("wins", "ties", "losses", "prompts")]
)


def _columns(required: dict[str, pa.DataType], optional: dict[str, pa.DataType]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required.items()]
        + [pa.field(name, kind) for name, kind in optional.items()]
    )


@dataclass(frozen=True)
class TableKind:
    """One kind of table.

    Attributes:
        name: The table's name, as it stands in a file's provenance.
        schema: The columns as prefpipe writes them.
        made_by: The command that makes such a table, for the hint of an error message.
        needed: The columns that a file made elsewhere must have; the others are derived or left null.
    """

    name: str
    schema: pa.Schema
    made_by: str
    needed: tuple[str, ...]


PROMPTS = TableKind(
    "prompts",
    _columns(
        {"prompt_id": pa.string(), "prompt": CONVERSATION},
        {"reference": pa.string(), "metadata": pa.string()},
    ),
    made_by="your own file of prompts",
    needed=("prompt",),
)

RESPONSES = TableKind(
    "responses",
    _columns(
        {
            "prompt_id": pa.string(),
            "response_id": pa.string(),
            "prompt": CONVERSATION,
            "model": pa.string(),
            "sample": pa.int32(),
            "status": pa.string(),
        },
        {
            "content": pa.string(),
            "reasoning": pa.string(),
            "error": pa.string(),
            "reference": pa.string(),
            "metadata": pa.string(),
            "finish_reason": pa.string(),
            "prompt_tokens": pa.int64(),
            "completion_tokens": pa.int64(),
            "cost": pa.float64(),
            "latency": pa.float64(),
            "request_key": pa.string(),
        },
    ),
    made_by="prefpipe generate",
    needed=("prompt", "model", "content"),
)

VOTES = TableKind(
    "votes",
    _columns(
        {
            "vote_id": pa.string(),
            "prompt_id": pa.string(),
            "judge": pa.string(),
            "protocol": pa.string(),
            "repeat": pa.int32(),
            "shown": IDS,
            "status": pa.string(),
        },
        {
            "ranks": pa.list_(pa.int32()),
            "scores": pa.list_(pa.float64()),
            "strength": pa.int32(),
            "criterion": pa.string(),
            "error": pa.string(),
            "rationale": pa.string(),
            "raw": pa.string(),
            "reasoning": pa.string(),
            "perplexity": pa.float64(),
            "model_snapshot": pa.string(),
            "prompt_tokens": pa.int64(),
            "completion_tokens": pa.int64(),
            "cost": pa.float64(),
            "latency": pa.float64(),
            "request_key": pa.string(),
        },
    ),
    made_by="prefpipe judge",
    needed=("prompt_id", "judge", "shown", "ranks"),
)

RANKINGS = TableKind(
    "rankings",
    _columns(
        {
            "prompt_id": pa.string(),
            "response_ids": IDS,
        },
        {
            "method": pa.string(),
            "votes": pa.int32(),
            "invalid": pa.int32(),
            "conflicts": pa.int32(),
            "repeats": pa.int32(),
            "flags": IDS,
            "models": pa.list_(pa.string()),
            "ranks": pa.list_(pa.int32()),
            "scores": pa.list_(pa.float64()),
            "standard_errors": pa.list_(pa.float64()),
            "win_probabilities": pa.list_(pa.float64()),
            "kendall_w": pa.float64(),
            "consistency": pa.float64(),
            "p_value": pa.float64(),
            "repeat_consistency": pa.float64(),
            "judge_consistency": pa.float64(),
            "mean_tau": pa.float64(),
            "top_agreement": pa.float64(),
            "top_bottom_agreement": pa.float64(),
            "distinct_winners": pa.int32(),
            "position_consistency": pa.float64(),
            "first_slot_share": pa.float64(),
            "cyclic_triads": pa.int32(),
            "zeta": pa.float64(),
            "nontransitivity": pa.float64(),
            "score_variance": pa.float64(),
            "score_conflicts": pa.float64(),
            "margin": pa.float64(),
        },
    ),
    made_by="prefpipe rank",
    needed=("prompt_id", "response_ids", "ranks", "scores"),
)

LEADERBOARD = TableKind(
    "leaderboard",
    _columns(
        {"model": pa.string()},
        {
            "rank": pa.int32(),
            "rank_low": pa.int32(),
            "rank_high": pa.int32(),
            "score": pa.float64(),
            "low": pa.float64(),
            "high": pa.float64(),
            "standard_error": pa.float64(),
            "vote_error": pa.float64(),
            "prompt_error": pa.float64(),
            "over_next": pa.float64(),
            "flags": IDS,
            "win_rate": pa.float64(),
            "votes": pa.int64(),
            "prompts": pa.int64(),
            "wins": pa.int64(),
            "ties": pa.int64(),
            "losses": pa.int64(),
            "against": pa.list_(AGAINST),
            "method": pa.string(),
            "scale": pa.string(),
            "by": pa.string(),
            "value": pa.string(),
            "part": pa.int32(),
        },
    ),
    made_by="prefpipe leaderboard",
    needed=("model", "rank", "score"),
)

KINDS = {kind.name: kind for kind in (PROMPTS, RESPONSES, VOTES, RANKINGS, LEADERBOARD)}
