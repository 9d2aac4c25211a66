"""distilabel: one task over all questions, with as many in flight as a batch holds, and its cache off."""
# mypy: ignore-errors

import json
import sys
from pathlib import Path

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import ChatGeneration


def main(path: str, url: str, concurrency: int) -> None:
    rows = [{"messages": json.loads(line)} for line in Path(path).read_text().splitlines()]
    with Pipeline(name="judge") as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=concurrency)
        llm = OpenAILLM(model="load", base_url=url, api_key="none", max_retries=0)
        load >> ChatGeneration(llm=llm, input_batch_size=concurrency)
    answers = pipeline.run(use_cache=False)["default"]["train"]
    answered = sum(row["generation"] is not None for row in answers)
    if answered < len(rows):
        sys.exit(f"{answered} of {len(rows)} answered")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
