"""bespokelabs-curator: one LLM over all questions, its limits lifted, its telemetry and viewer off."""
# mypy: ignore-errors

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ |= {"TELEMETRY_ENABLED": "false", "CURATOR_VIEWER": "0", "CURATOR_DISABLE_CACHE": "1"}
if litellm := find_spec("litellm"):  # brings the tokenizer's table along, which would be fetched from the network
    tables = Path(litellm.origin or "").with_name("litellm_core_utils") / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(tables)

from bespokelabs import curator


class Judge(curator.LLM):
    """Sends the messages as they are; keeps the answer's text."""

    def prompt(self, row: dict[str, Any]) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = row["messages"]
        return messages

    def parse(self, _row: dict[str, Any], response: str) -> dict[str, Any]:
        return {"answer": response}


def main(path: str, url: str, concurrency: int) -> None:
    rows = [{"messages": json.loads(line)} for line in Path(path).read_text().splitlines()]
    limits = {
        "max_requests_per_minute": 10_000_000,
        "max_tokens_per_minute": 10_000_000_000,
        "max_concurrent_requests": concurrency,
        "require_all_responses": True,
    }
    llm = Judge(model_name="load", backend="openai", backend_params={"base_url": url, "api_key": "none", **limits})
    answers = llm(rows)
    dataset = getattr(answers, "dataset", answers)
    if len(dataset) < len(rows):
        sys.exit(f"{len(dataset)} of {len(rows)} answered")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
