"""Responses that give a wanted number of pairwise questions of about 1.5 kB, and the same questions as messages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefpipe.pipeline.formats.responses import read_candidates
from prefpipe.pipeline.ids import prompt_id, response_id
from prefpipe.pipeline.judging import pairwise
from prefpipe.pipeline.judging.material import Conversation
from prefpipe.pipeline.provenance import Provenance
from prefpipe.pipeline.tables import RESPONSES
from prefpipe.pipeline.writing import TableWriter

CALLS_A_PROMPT = 12
"""Four candidates give six pairs, each asked in both orders."""

_MODELS = ("one", "two", "three", "four")


def write_responses(path: Path, calls: int) -> int:
    """Write a responses table as `prefpipe generate` does; return the number of calls that it gives."""
    prompts = max(1, calls // CALLS_A_PROMPT)
    with TableWriter(path, RESPONSES.schema, Provenance("generate", {}, [])) as writer:
        writer.write_rows(_response(number, model) for number in range(prompts) for model in _MODELS)
    return prompts * CALLS_A_PROMPT


def _response(number: int, model: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"How many ways are there to write {number} as a sum of odd numbers?"}]
    content = f"The {model} answer to {number} is that there are as many ways as with distinct parts."
    identity = prompt_id(messages)
    return {
        "prompt_id": identity,
        "response_id": response_id(identity, model, 0, content),
        "prompt": messages,
        "metadata": "{}",
        "model": model,
        "sample": 0,
        "content": content,
        "status": "ok",
    }


def questions(responses: Path) -> Iterator[list[dict[str, str]]]:
    """Yield the messages of every question that `prefpipe judge` asks about a responses file."""
    for candidates in read_candidates(responses):
        texts = [row["content"] for row in candidates]
        for question in pairwise.questions(len(texts), 1, "both"):
            yield pairwise.messages(question, Conversation(candidates[0]["prompt"]), texts)


def write_questions(responses: Path, path: Path) -> None:
    """Write the messages of every question as JSON lines, for whoever only sends them."""
    with path.open("w") as file:
        for messages in questions(responses):
            file.write(json.dumps(messages) + "\n")
