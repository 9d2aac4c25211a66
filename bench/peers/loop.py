"""The plainest way to ask: `AsyncOpenAI` and a semaphore. It keeps nothing."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI


async def main(questions: list[Any], url: str, concurrency: int) -> None:
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    gate = asyncio.Semaphore(concurrency)

    async def call(messages: Any) -> str | None:
        async with gate:
            completion = await client.chat.completions.create(model="load", messages=messages)
            return completion.choices[0].message.content

    await asyncio.gather(*map(call, questions))


asked = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
asyncio.run(main(asked, sys.argv[2], int(sys.argv[3])))
