"""Whatever changes what is sent is asked again, and nothing else is: counted by the server that is asked."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prefpipe import prompts as templates
from prefpipe.pipeline import export, filter, generate, judge, rank  # noqa: A004 - the verb of the command
from prefpipe.pipeline.judging import listwise, pairwise
from prefpipe.pipeline.llm.simulator import Simulator, running

Options = dict[str, Any]

PROMPTS = ("Why is the sky blue?", "How do whales sleep?", "What is a good password?")
MODELS = ("strong", "weak")
GENERATE: Options = {"system": "Be brief.", "temperature": 0.5, "max_tokens": 500, "seed": 1}
JUDGE: Options = {"temperature": 0.5, "max_tokens": 500, "seed": 1}

RESPONSES, VOTES, RANKINGS, KEPT = (Path(f"{name}.parquet") for name in ("responses", "votes", "rankings", "kept"))


class Server:
    """A simulator on a port, and how often it has answered."""

    def __init__(self, url: str, simulator: Simulator) -> None:
        self.url = url
        self._simulator = simulator

    def asked(self, run: Callable[[], object]) -> int:
        """Return how many requests come while something runs."""
        before = self._simulator.served.by_status.total()
        run()
        return self._simulator.served.by_status.total() - before


@pytest.fixture
def server() -> Iterator[Server]:
    simulator = Simulator()
    with running(simulator) as url:
        yield Server(url, simulator)


@pytest.fixture
def other_server() -> Iterator[Server]:
    simulator = Simulator()
    with running(simulator) as url:
        yield Server(url, simulator)


def written(*prompts: str) -> Path:
    path = Path("prompts.jsonl")
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    return path


def generated(server: Server, *prompts: str, output: Path = RESPONSES, **changed: Any) -> int:
    """Return how many requests it takes to have all responses."""
    models = [f"{model}@{server.url}" for model in MODELS]
    path = written(*(prompts or PROMPTS))
    return server.asked(lambda: generate(path, output, models=models, **(GENERATE | changed)))


def judged(server: Server, output: Path = VOTES, **changed: Any) -> int:
    """Return how many requests it takes to have all votes."""
    judges = [f"judge@{server.url}"]
    return server.asked(lambda: judge(RESPONSES, output, judges=judges, **(JUDGE | changed)))


@pytest.mark.parametrize(
    "change", [{"system": "Be brief!"}, {"temperature": 0.51}, {"max_tokens": 501}, {"seed": 2}], ids=str
)
def test_every_response_is_asked_for_again_when_anything_sent_with_it_changes(server: Server, change: Options) -> None:
    assert generated(server) == 6
    assert generated(server, **change) == 6
    assert generated(server) == generated(server, **change) == 0


@pytest.mark.parametrize("change", [{"temperature": 0.51}, {"max_tokens": 501}, {"seed": 2}], ids=str)
def test_every_vote_is_asked_for_again_when_anything_sent_with_it_changes(server: Server, change: Options) -> None:
    generated(server)
    assert judged(server) == 6
    assert judged(server, **change) == 6
    assert judged(server) == judged(server, **change) == 0


@pytest.mark.parametrize("part", ["system", "user"])
@pytest.mark.parametrize(("protocol", "votes"), [(pairwise.NAME, 6), (listwise.NAME, 3)])
def test_one_character_of_a_template_asks_every_question_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, protocol: str, votes: int, part: str
) -> None:
    generated(server)
    assert judged(server, protocol=protocol) == votes
    template = templates.load(protocol)
    changed = replace(template, **{part: getattr(template, part).replace(".", "!", 1)})
    monkeypatch.setattr(templates, "load", lambda _: changed)
    assert judged(server, protocol=protocol) == votes


def test_one_character_of_a_prompt_asks_for_its_responses_and_their_votes_again(server: Server) -> None:
    generated(server)
    judged(server)
    first, *others = PROMPTS
    assert generated(server, first.replace("?", "!"), *others) == 2
    assert judged(server) == 2


def test_another_server_is_asked_for_everything(server: Server, other_server: Server) -> None:
    generated(server)
    judged(server)
    asked: list[int] = []
    assert server.asked(lambda: asked.extend([generated(other_server), judged(other_server)])) == 0
    assert asked == [6, 6]


def test_what_prefpipe_toml_sends_along_asks_again(server: Server) -> None:
    def asked(table: str) -> int:
        Path("prefpipe.toml").write_text(f'[models.weak]\nbase_url = "{server.url}"\n{table}\n')
        return server.asked(lambda: generate(written(*PROMPTS), RESPONSES, models=["weak"], **GENERATE))

    sent = ["", "temperature = false", "seed = false", 'max_tokens_name = "max_completion_tokens"']
    sent += ["extra_body = {top_p = 0.8}", "extra_body = {top_p = 0.9}", 'reasoning_effort = "low"']
    assert [asked(table) for table in sent] == [3] * len(sent)
    assert [asked(table) for table in sent] == [0] * len(sent)
    assert asked("prompt_price = 1\ncompletion_price = 2") == 0


def test_new_prompts_ask_for_themselves_only_wherever_they_stand(server: Server) -> None:
    generated(server)
    judged(server)
    more = ("How deep is the sea?", *reversed(PROMPTS), "Who was Ada Lovelace?")
    assert generated(server, *more) == 4
    assert judged(server) == 4


def test_neither_the_order_of_rows_nor_the_names_of_files_nor_the_number_in_flight_asks_again(server: Server) -> None:
    generated(server)
    judged(server)
    assert generated(server, *reversed(PROMPTS), output=Path("others.jsonl"), concurrency=1) == 0
    pl.read_parquet(RESPONSES).reverse().write_parquet(RESPONSES)
    assert judged(server, Path("others.parquet"), concurrency=1) == 0


def test_no_threshold_of_a_later_stage_asks_anything(server: Server) -> None:
    def chain(prior_sd: float, threshold: float) -> None:
        generated(server)
        judged(server, repeats=2)
        rank(VOTES, RANKINGS, responses=RESPONSES, prior_sd=prior_sd)
        filter(RANKINGS, KEPT, min_consistency=threshold)
        export(KEPT, Path("preferences.parquet"), responses=RESPONSES)

    assert server.asked(lambda: chain(1.0, 0.0)) == 6 + 12
    assert server.asked(lambda: chain(2.0, 0.0)) == 0
    assert server.asked(lambda: chain(1.0, 0.5)) == 0
