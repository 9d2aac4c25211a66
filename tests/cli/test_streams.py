import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.run import STAGES

Run = Callable[..., CompletedProcess[str]]


def commands(data: Path) -> dict[str, list[object]]:
    """Return a call of every stage, without its output."""
    return {
        "generate": ["generate", data / "prompts.jsonl", "--model", "sim:weak"],
        "judge": ["judge", data / "responses.parquet", "--judge", "sim:judge"],
        "rank": ["rank", data / "votes.parquet"],
        "filter": ["filter", data / "rankings.jsonl", "--min-votes", 3],
        "export": ["export", data / "rankings.jsonl", "--responses", data / "responses.parquet"],
    }


@pytest.mark.parametrize("name", STAGES)
def test_the_closing_account_goes_to_stderr_and_nothing_to_stdout(prefpipe: Run, data: Path, name: str) -> None:
    result = prefpipe(*commands(data)[name], "-o", "table.parquet")
    assert (result.returncode, result.stdout) == (0, "")
    assert f"{name}  5 prompts in = 5 out + 0 dropped" in result.stderr
    assert "→ table.parquet" in result.stderr
    assert pq.read_metadata("table.parquet").num_rows >= 5


@pytest.mark.parametrize("name", STAGES)
def test_a_script_gets_exactly_one_json_object_on_stdout(prefpipe: Run, data: Path, name: str) -> None:
    result = prefpipe(*commands(data)[name], "-o", "table.parquet", "--json")
    summary = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert (summary["stage"], summary["in"], summary["out"]) == (name, 5, 5)


@pytest.mark.parametrize("name", STAGES)
def test_a_table_on_stdout_is_not_mixed_with_anything_else(prefpipe: Run, data: Path, name: str) -> None:
    result = prefpipe(*commands(data)[name], "-o", "-", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert all("prompt_id" in row for row in rows)
    assert len(rows) >= 5
    [summary] = [line for line in result.stderr.splitlines() if line.startswith("{")]
    assert json.loads(summary)["stage"] == name


def test_all_stages_chain_through_standard_input_and_output(prefpipe: Run, data: Path) -> None:
    prompts = (data / "prompts.jsonl").read_text()
    responses = prefpipe("generate", "-", "-o", "-", "--model", "sim:strong", "--model", "sim:weak", stdin=prompts)
    Path("responses.jsonl").write_text(responses.stdout)
    judge = ("judge", "-", "-o", "-", "--judge", "sim:judge", "--repeats", 3, "--protocol", "listwise")
    votes = prefpipe(*judge, stdin=responses.stdout)
    rankings = prefpipe("rank", "-", "-o", "-", "--responses", "responses.jsonl", stdin=votes.stdout)
    kept = prefpipe("filter", "-", "-o", "-", "--keep-top", 1, stdin=rankings.stdout)
    pairs = prefpipe("export", "-", "-o", "-", "--responses", "responses.jsonl", stdin=kept.stdout)
    assert [run.returncode for run in (responses, votes, rankings, kept, pairs)] == [0] * 5
    assert [run.stdout.count("\n") for run in (responses, votes, rankings)] == [10, 15, 5]
    chosen = [json.loads(line) for line in pairs.stdout.splitlines()]
    assert chosen
    assert all(row["chosen_score"] > row["rejected_score"] for row in chosen)


def test_a_recipe_leaves_its_tables_and_gives_one_json_object_a_stage_and_one_of_the_whole(
    prefpipe: Run, data: Path
) -> None:
    recipe = f'[generate]\nprompts = "{data / "prompts.jsonl"}"\nmodels = ["sim:strong", "sim:weak"]\n'
    Path("recipe.toml").write_text(f'{recipe}[judge]\njudges = ["sim:judge"]\n[rank]\n')
    result = prefpipe("run", "recipe.toml", "-o", "out", "--json")
    assert result.returncode == 0
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [summary["stage"] for summary in told] == ["generate", "judge", "rank", "run"]
    assert told[-1]["figures"]["calls"] == 20
    assert {path.name for path in Path("out").iterdir()} == {"responses.parquet", "votes.parquet", "rankings.parquet"}


def test_the_demo_prints_what_it_found_beside_what_is_true(prefpipe: Run) -> None:
    result = prefpipe("demo", "-o", "out")
    assert result.returncode == 0
    assert "found by prefpipe" in result.stdout
    assert "strong > good > fair > weak" in result.stdout
    assert Path("out/preferences.parquet").exists()
    assert not Path(".prefpipe").exists()


def test_the_store_may_be_named_in_the_environment(prefpipe: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFPIPE_STORE", "mine/answers.db")
    assert prefpipe(*commands(data)["generate"], "-o", "-").returncode == 0
    assert Path("mine/answers.db").exists()
    assert not Path(".prefpipe").exists()


def test_votes_on_standard_input_bring_their_strengths(prefpipe: Run) -> None:
    pairs = (("ab", 1), ("bc", 2), ("ac", 2))
    rows = [
        {"prompt_id": "p", "judge": "j", "shown": list(pair), "ranks": [1, 2], "strength": strength}
        for pair, strength in pairs
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    result = prefpipe("rank", "-", "-o", "-", "--vote-weight", "strength", stdin=lines)
    assert (result.returncode, json.loads(result.stdout)["response_ids"]) == (0, ["a", "b", "c"])
