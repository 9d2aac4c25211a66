import inspect
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from prefpipe.cli.models import COMMANDS, check
from prefpipe.pipeline.llm.probe import Probe
from prefpipe.pipeline.llm.probe_questions import Heed
from prefpipe.pipeline.llm.simulator import Simulator, running
from prefpipe.pipeline.models import TIMEOUT_SECONDS, Check

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(prefpipe: Run, command: str) -> None:
    shown = prefpipe("models", command, "--help").stdout
    assert f"Example: prefpipe models {command}" in " ".join(shown.split())


def test_the_time_that_a_question_may_take_is_that_of_the_pipeline() -> None:
    assert inspect.signature(check).parameters["timeout"].default == TIMEOUT_SECONDS


def test_a_check_is_a_table_with_notes_and_says_what_it_cost(prefpipe: Run) -> None:
    with running(Simulator()) as url:
        ran = prefpipe("models", "check", "sim:judge", f"strong@{url}")
    assert ran.returncode == 0
    head, judge, strong, *notes = ran.stdout.splitlines()
    assert head.split()[:4] == ["model", "server", "answers", "seconds"]
    assert judge.split()[0::2][:2] == ["sim:judge", "yes"]
    assert strong.split()[:3] == ["strong", url, "yes"]
    assert strong.split()[-4:] == ["yes"] * 4
    assert "strong answers as strong; price: not known" in notes
    assert "[models.strong]" in notes
    assert 'response_format = "json_schema"' in notes
    assert "8 answers, " in ran.stderr
    assert "$0.00 and 4 answers of unknown price" in ran.stderr


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        (Heed.YES, Heed.YES, "both names"),
        (Heed.YES, Heed.REFUSED, "max_tokens"),
        (Heed.UNCLEAR, Heed.YES, "max_completion_tokens"),
        (Heed.UNCLEAR, Heed.IGNORED, "unclear"),
        (Heed.IGNORED, Heed.REFUSED, "none"),
    ],
)
def test_the_names_of_the_limit_are_those_that_are_heeded(
    one: Heed, other: Heed, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = dict.fromkeys(("temperature", "seed", "logprobs", "json_schema"), Heed.YES)
    found = Probe("m", "url", seconds=0.5, heeds={"max_tokens": one, "max_completion_tokens": other, **options})
    monkeypatch.setattr("prefpipe.pipeline.models.check", lambda *_, **__: Check([found]))
    check(["m"])
    head, row = capsys.readouterr().out.splitlines()[:2]
    assert row[head.index("limit") : head.index("temperature")].strip() == shown


def test_a_model_that_cannot_be_used_is_named_with_the_reason_and_makes_the_check_fail(
    prefpipe: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFPIPE_API_KEY", "sk-secret")
    with running(Simulator(api_key="another")) as url:
        ran = prefpipe("models", "check", "sim:judge", f"strong@{url}", "gpt-4o")
    assert ran.returncode == 1
    assert [line.split()[:2] for line in ran.stdout.splitlines()[2:4]] == [["strong", url], ["gpt-4o", "no"]]
    assert "strong cannot be used: HTTP 401: Incorrect API key provided.\n" in ran.stdout
    assert "OPENAI_API_KEY is not set.\n" in ran.stdout
    assert "sk-secret" not in ran.stdout + ran.stderr


def test_what_a_check_found_as_json_is_one_object(prefpipe: Run) -> None:
    ran = prefpipe("models", "check", "sim:judge", "m@http://127.0.0.1:9/v1", "--json")
    found = json.loads(ran.stdout)
    judge, gone = found["probes"]
    assert (ran.returncode, found["advice"]) == (1, {})
    assert (judge["model"], judge["problem"], judge["heeds"]["json_schema"]) == ("sim:judge", None, "yes")
    assert "no connection" in gone["problem"]


def test_the_configured_models_are_shown_without_being_asked(prefpipe: Run) -> None:
    assert "names no model" in prefpipe("models", "show").stdout
    Path("prefpipe.toml").write_text(
        '[models.a]\nbase_url = "http://gpu/v1"\nprompt_price = 0.1\ncompletion_price = 2\nconcurrency = 8\n[models.b]'
    )
    _, first, second = prefpipe("models", "show").stdout.splitlines()
    assert first.split() == ["a", "a", "http://gpu/v1", "PREFPIPE_API_KEY", "(not", "set)", "0.1", "2", "8"]
    assert second.split()[-2:] == ["?", "?"]
    assert [model["model"] for model in json.loads(prefpipe("models", "show", "--json").stdout)] == ["a", "b"]
