"""Preferences for DPO as TRL reads them: the explicit conversational form.

`prompt` is a list of messages; `chosen` and `rejected` hold the assistant's turn alone. The popular form with a text as
prompt and whole conversations as chosen and rejected is not read by current TRL. The columns beside these are passed
over by trainers and kept for whoever wants to look.
"""

import pyarrow as pa

from ..tables import CONVERSATION
from .rows import Row

NAME = "dpo"

SCHEMA = pa.schema(
    [
        pa.field("prompt", CONVERSATION, nullable=False),
        pa.field("chosen", CONVERSATION, nullable=False),
        pa.field("rejected", CONVERSATION, nullable=False),
        pa.field("prompt_id", pa.string(), nullable=False),
        pa.field("chosen_model", pa.string(), nullable=False),
        pa.field("rejected_model", pa.string(), nullable=False),
        pa.field("chosen_score", pa.float64()),
        pa.field("rejected_score", pa.float64()),
        pa.field("margin", pa.float64()),
        pa.field("consistency", pa.float64()),
        pa.field("metadata", pa.string()),
    ]
)


def row(
    chosen: Row,
    rejected: Row,
    chosen_score: float | None,
    rejected_score: float | None,
    consistency: float | None,
) -> Row:
    """Return one preference from two responses to the same prompt."""
    margin = None if chosen_score is None or rejected_score is None else chosen_score - rejected_score
    return {
        "prompt": chosen["prompt"],
        "chosen": [{"role": "assistant", "content": chosen["content"]}],
        "rejected": [{"role": "assistant", "content": rejected["content"]}],
        "prompt_id": chosen["prompt_id"],
        "chosen_model": chosen["model"],
        "rejected_model": rejected["model"],
        "chosen_score": chosen_score,
        "rejected_score": rejected_score,
        "margin": margin,
        "consistency": consistency,
        "metadata": chosen["metadata"],
    }
