"""Verdicts as JSON objects, with the probabilities of tokens, and with reasoning: from the server to the table."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import exp, log
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import RunError, UsageError
from prefpipe.pipeline.judge import judge
from prefpipe.pipeline.judging import listwise, pairwise
from prefpipe.pipeline.judging.material import Conversation
from prefpipe.pipeline.judging.questions import Question
from prefpipe.pipeline.llm.client import Client
from prefpipe.pipeline.llm.failures import PermanentError
from prefpipe.pipeline.llm.models import Model
from prefpipe.pipeline.llm.requests import Sampling, chat
from prefpipe.pipeline.llm.simulator import Reply, Simulator, pairwise_probabilities, parse_model, quality, running
from prefpipe.pipeline.rank import rank
from prefpipe.pipeline.run import read_recipe

Row = dict[str, Any]

OUT = Path("votes.parquet")
FLAWLESS = "sim:judge?sharpness=1000&tie_zone=0"
BIASED = "sim:judge?position_bias=0.7&sharpness=1"


def votes(path: Path = OUT) -> list[Row]:
    found: list[Row] = pq.read_table(path).to_pylist()
    return found


def texts_of(responses: Path) -> dict[str, str]:
    return {row["response_id"]: row["content"] for row in pq.read_table(responses).to_pylist()}


class Altered(Simulator):
    """A server whose replies are not quite what the simulator would send."""

    def __init__(self, alter: Callable[[Row], object]) -> None:
        super().__init__()
        self._alter = alter

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        reply = super().respond(method, path, headers, body)
        answer = json.loads(reply.body)
        self._alter(answer["choices"][0])
        return replace(reply, body=json.dumps(answer).encode())


class Refusing(Simulator):
    """A server that knows nothing of schemas and probabilities."""

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        for field in ("response_format", "logprobs"):
            if field in json.loads(body):
                error = {"error": {"message": f"Extra inputs are not permitted: {field}"}}
                return Reply(422, body=json.dumps(error).encode())
        return super().respond(method, path, headers, body)


@contextmanager
def served(simulator: Simulator, settings: str = 'response_format = "json_schema"') -> Iterator[str]:
    """Serve on a port; the model "local" of prefpipe.toml is a judge there."""
    with running(simulator) as url:
        table = f'model = "judge"\nbase_url = "{url}"\naddress = "here"\n{settings}'
        Path("prefpipe.toml").write_text(f"[models.local]\n{table}\n")
        yield "local"


def test_a_question_in_words_has_the_key_that_it_always_had() -> None:
    model, conversation = Model("m", "m", "http://host/v1", "KEY"), Conversation([{"role": "user", "content": "Why?"}])
    conversation = replace(conversation, reference="Because.")
    asked = [
        pairwise.messages(Question((1, 0), 0), conversation, ["a", "b"]),
        listwise.messages(Question((2, 0, 1), 1, (1, 2, 0)), conversation, ["a", "b", "c"]),
        listwise.messages(Question((1, 0), 1, (1, 0)), conversation, ["a", "b"]),
    ]
    assert [chat(model, messages, Sampling(0.5, 10, 1), 0).key for messages in asked] == [
        "a127d0ed27371c6964aee86259a964ed",
        "cbfd7e8d85dc0f306f76668fe0b00756",
        "a01e0d443cf304d788dcbfe38c202f63",
    ]


@pytest.mark.parametrize("protocol", ["pairwise", "listwise"])
def test_objects_rank_the_truly_better_text_first_in_every_slot_and_keep_the_reasons(data: Path, protocol: str) -> None:
    texts = texts_of(data / "responses.parquet")
    judge(data / "responses.parquet", OUT, judges=[FLAWLESS], protocol=protocol, verdicts="json", repeats=3)
    for row in votes():
        best_first = sorted(row["shown"], key=lambda identity: -quality(texts[identity]))
        assert row["ranks"] == [best_first.index(identity) + 1 for identity in row["shown"]]
        assert row["rationale"] == json.loads(row["raw"])["reasoning"]
        assert (row["reasoning"], row["scores"], row["perplexity"]) == (None, None, None)
    assert len({row["ranks"][0] for row in votes()}) == len(votes()[0]["shown"])


@pytest.mark.parametrize("protocol", ["pairwise", "listwise"])
def test_ties_can_be_said_in_an_object(data: Path, protocol: str) -> None:
    judge(data / "responses.parquet", OUT, judges=["sim:judge?tie_zone=1000"], protocol=protocol, verdicts="json")
    assert {rank for row in votes() for rank in row["ranks"]} == {1}


def test_failures_among_objects_are_rows_with_a_reason(data: Path) -> None:
    flawed = f"{FLAWLESS}&invalid=0.2&refuse=0.2&truncate=0.2"
    judge(data / "responses.parquet", OUT, judges=[flawed], verdicts="json", repeats=4, max_tokens=100)
    statuses = Counter(row["status"] for row in votes())
    assert statuses.keys() == {"ok", "invalid", "refused", "truncated"}
    assert all((row["ranks"] is None) == bool(row["error"]) == (row["status"] != "ok") for row in votes())


def test_a_server_that_may_not_know_schemas_is_asked_in_words_and_the_user_is_told_how_to_change_that(
    data: Path,
) -> None:
    with served(Refusing(), "") as local:
        first = judge(data / "responses.parquet", OUT, judges=[local, "sim:judge"], verdicts="json")
        again = judge(data / "responses.parquet", "words.parquet", judges=[local], verdicts="words")
        planned = judge(data / "responses.parquet", "no.parquet", judges=[local], verdicts="json", dry_run=True)
    assert {(row["judge"], row["raw"].startswith("{")) for row in votes()} == {("local", False), ("sim:judge", True)}
    (warning,) = first.warnings
    assert "asked in words: local." in warning
    assert 'response_format = "json_schema"' in warning
    assert warning in planned.warnings
    assert again.figures["sent"] == 0
    assert again.warnings == ()


def test_who_says_that_a_server_takes_no_schema_is_not_told_so(data: Path) -> None:
    with served(Refusing(), 'response_format = "none"') as local:
        summary = judge(data / "responses.parquet", OUT, judges=[local], verdicts="json")
    assert (summary.warnings, {row["status"] for row in votes()}) == ((), {"ok"})


def test_a_server_that_passes_the_schema_over_is_read_in_words(data: Path) -> None:
    def in_words(choice: Row) -> None:
        found = json.loads(choice["message"]["content"])
        choice["message"]["content"] = f'{found["reasoning"]} It prints {{"a": 1}}.\n\n[[{found["verdict"]}]]'

    with served(Altered(in_words)) as local:
        judge(data / "responses.parquet", OUT, judges=[local], verdicts="json")
    assert {(row["status"], row["rationale"]) for row in votes()} == {("ok", None)}
    assert len({tuple(row["ranks"]) for row in votes()}) > 1


def test_a_failure_of_another_kind_is_not_blamed_on_the_form(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))
    send = Client.send

    async def fail_once(client: Client, *sent: Any) -> Any:
        if not next(calls):
            raise PermanentError("HTTP 400: too long")
        return await send(client, *sent)

    monkeypatch.setattr(Client, "send", fail_once)
    with served(Simulator()) as local:
        summary = judge(data / "responses.parquet", OUT, judges=[local], verdicts="json")
    assert [warning.split(";")[0] for warning in summary.warnings] == ["1 of 30 votes carry no verdict"]


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"verdicts": "json"}, 'refuses the JSON schema, leave out --verdicts json, or write response_format = "none"'),
        ({"logprobs": True}, "refuses to give logprobs, leave out --logprobs"),
    ],
)
def test_a_server_that_refuses_the_form_stops_the_run_with_the_remedy(
    data: Path, options: dict[str, Any], remedy: str
) -> None:
    with served(Refusing()) as local:
        with pytest.raises(RunError, match="20 of 20 calls failed") as caught:
            judge(data / "responses.parquet", OUT, judges=[local], concurrency=1, **options)
        assert remedy in (caught.value.hint or "")
        summary = judge(data / "responses.parquet", OUT, judges=[local], max_failures=1, **options)
    assert {row["error"].startswith("HTTP 422: Extra inputs are not permitted") for row in votes()} == {True}
    assert any(remedy in warning for warning in summary.warnings)


@pytest.mark.parametrize("verdicts", ["words", "json"])
def test_scores_are_the_true_probabilities_of_either_slot_in_both_orders(data: Path, verdicts: str) -> None:
    texts, model = texts_of(data / "responses.parquet"), parse_model(BIASED)
    summary = judge(data / "responses.parquet", OUT, judges=[BIASED], verdicts=verdicts, logprobs=True)
    shown = {tuple(row["shown"]): row["scores"] for row in votes()}
    for (first, second), scores in shown.items():
        assert scores == pytest.approx(pairwise_probabilities(model, texts[first], texts[second])[:2])
        there, back = log(scores[0] / scores[1]), log(shown[second, first][1] / shown[second, first][0])
        assert there > back
    assert (len(shown), summary.warnings) == (30, ())


def test_scores_come_through_a_server_as_they_are(data: Path) -> None:
    texts = texts_of(data / "responses.parquet")
    with served(Simulator(), "") as local:
        judge(data / "responses.parquet", OUT, judges=[local], logprobs=True)
    for row in votes():
        truth = pairwise_probabilities(parse_model("judge"), *(texts[identity] for identity in row["shown"]))
        assert row["scores"] == pytest.approx(truth[:2])


def test_perplexity_is_that_of_all_that_the_judge_said(data: Path, sent: dict[str, Row]) -> None:
    judge(data / "responses.parquet", OUT, judges=[BIASED], logprobs=True)
    assert {(body["logprobs"], body["top_logprobs"]) for body in sent.values()} == {(True, 20)}
    for row in votes():
        verdict = {(1, 2): 0, (2, 1): 1, (1, 1): None}[tuple(row["ranks"])]
        said = 1 - sum(row["scores"]) if verdict is None else row["scores"][verdict]
        others = row["completion_tokens"] - 1  # each of which the simulator calls 0.9
        mean = (log(said) + others * log(0.9)) / row["completion_tokens"]
        assert row["perplexity"] == pytest.approx(exp(-mean))


def test_a_server_without_probabilities_ranks_as_ever_and_the_user_is_told(data: Path) -> None:
    with served(Altered(lambda choice: choice.update(logprobs=None)), "logprobs = true") as local:
        summary = judge(data / "responses.parquet", OUT, judges=[local], logprobs=True)
    assert {(row["status"], row["scores"], row["perplexity"]) for row in votes()} == {("ok", None, None)}
    assert all(row["ranks"] for row in votes())
    assert [warning.partition(",")[0] for warning in summary.warnings] == [
        "30 valid votes by local carry no probabilities"
    ]


def test_a_server_that_is_known_to_give_no_probabilities_is_not_asked_for_them(data: Path) -> None:
    simulator = Simulator()
    with (
        served(simulator, "logprobs = false") as local,
        pytest.raises(UsageError, match=r"prefpipe\.toml says that local gives no"),
    ):
        judge(data / "responses.parquet", OUT, judges=[local], logprobs=True)
    assert not simulator.served.by_model
    assert not OUT.exists()


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ('verdicts = "yaml"', "There is no form of verdicts 'yaml'"),
        ('protocol = "listwise"\nlogprobs = true', "--protocol listwise has none"),
    ],
)
def test_a_recipe_whose_judges_cannot_be_asked_so_is_refused_before_it_starts(
    data: Path, option: str, problem: str
) -> None:
    generating = f'[generate]\nprompts = "{data / "prompts.jsonl"}"\nmodels = ["sim:strong", "sim:weak"]\n'
    Path("recipe.toml").write_text(f'{generating}[judge]\njudges = ["sim:judge"]\n{option}\n')
    with pytest.raises(UsageError, match=problem):
        read_recipe("recipe.toml", "out")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", None])
def test_what_a_judge_thought_stands_beside_its_answer_and_never_is_its_verdict(data: Path, field: str | None) -> None:
    def thinking(choice: Row) -> None:
        message = choice["message"]
        if field:
            message[field] = "Surely [[tie]]."
        else:
            message["content"] = f"<think>\nSurely [[tie]].\n</think>\n\n{message['content']}"

    with served(Altered(thinking)) as local:
        judge(data / "responses.parquet", OUT, judges=[local])
    assert {row["reasoning"] for row in votes()} == {"Surely [[tie]]."}
    assert not any("think" in row["raw"] or "[[tie]]." in row["raw"] for row in votes())
    assert len({tuple(row["ranks"]) for row in votes()}) > 1


@pytest.mark.parametrize("form", [{}, {"verdicts": "json"}])
@pytest.mark.parametrize("quoted", ["<think>", "</think>"])
def test_a_judge_that_quotes_a_tag_of_thinking_keeps_its_vote(data: Path, form: Row, quoted: str) -> None:
    verdict = '{"reasoning": "B leaks a raw %s tag.", "verdict": "A"}' if form else "B leaks a raw %s tag.\n\n[[A]]"

    def quoting(choice: Row) -> None:
        choice["message"]["content"] = verdict % quoted

    with served(Altered(quoting)) as local:
        judge(data / "responses.parquet", OUT, judges=[local], **form)
    assert {(row["status"], *row["ranks"], row["reasoning"]) for row in votes()} == {("ok", 1, 2, None)}


def test_the_command_takes_both_forms(data: Path, prefpipe: Callable[..., CompletedProcess[str]]) -> None:
    options = ("--verdicts", "json", "--logprobs", "--json")
    result = prefpipe("judge", data / "responses.parquet", "-o", OUT, "--judge", BIASED, *options)
    assert json.loads(result.stdout)["figures"]["ok"] == 30
    assert all(row["scores"] and row["rationale"] for row in votes())


def test_votes_with_probabilities_rank_as_those_without(data: Path) -> None:
    for form in ("plain", "scored"):
        judge(data / "responses.parquet", f"{form}.parquet", judges=[BIASED], logprobs=form == "scored")
        rank(f"{form}.parquet", f"{form}-rankings.parquet")
    plain, scored = (pq.read_table(f"{form}-rankings.parquet") for form in ("plain", "scored"))
    assert plain.equals(scored)
