import json
import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from prefpipe.pipeline.ranking.boards import METHODS

Run = Callable[..., CompletedProcess[str]]


def test_the_table_goes_to_standard_output_and_the_account_beside_it(prefpipe: Run, data: Path) -> None:
    done = prefpipe("leaderboard", data / "votes.parquet", "--responses", data / "responses.parquet")
    header, *rows = done.stdout.splitlines()
    assert done.returncode == 0
    assert header.split() == ["rank", "model", "logit", "95", "%", "interval", "win", "rate", "votes", "prompts"]
    assert [row.split()[1] for row in rows] == ["sim:strong", "sim:fair", "sim:weak"]
    assert "leaderboard  30 votes in = 30 out + 0 dropped" in done.stderr


@pytest.mark.parametrize("setting", [{}, {"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}, {"COLUMNS": "20"}])
def test_the_table_is_plain_on_any_terminal(
    prefpipe: Run, data: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]
) -> None:
    plain = prefpipe("leaderboard", data / "votes.parquet", "--responses", data / "responses.parquet").stdout
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    done = prefpipe("leaderboard", data / "votes.parquet", "--responses", data / "responses.parquet")
    assert done.stdout == plain
    assert "\x1b" not in done.stdout


def test_json_is_one_object_with_head_to_head_counts(prefpipe: Run, data: Path) -> None:
    done = prefpipe(
        *("leaderboard", data / "votes.parquet", "--responses", data / "responses.parquet"),
        *("--json", "--scale", "elo", "--anchor", "sim:fair", "--by", "topic", "-o", "out.jsonl"),
    )
    told = json.loads(done.stdout)
    assert [board["value"] for board in told["boards"]] == [None, "any"]
    best = told["boards"][0]["standings"][0]
    assert [other["model"] for other in best["against"]] == ["sim:fair", "sim:weak"]
    assert told["summary"]["output"] == "out.jsonl"
    rows = [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]
    assert [row["score"] for row in rows if row["model"] == "sim:fair"] == [1000, 1000]
    assert rows[0]["against"] == best["against"]


def test_written_to_standard_output_there_are_only_rows(prefpipe: Run, data: Path) -> None:
    done = prefpipe("leaderboard", data / "votes.parquet", "--responses", data / "responses.parquet", "-o", "-")
    assert [json.loads(line)["rank"] for line in done.stdout.splitlines()] == [1, 2, 3]


def test_the_table_and_the_json_do_not_share_standard_output(prefpipe: Run, data: Path) -> None:
    refused = prefpipe("leaderboard", data / "votes.parquet", "-o", "-", "--json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: -o - and --json would both write to standard output.\n"
        "hint:  Leave one of them out, or write the table to a file.\n"
    )


def test_a_position_effect_can_be_given(prefpipe: Run, data: Path) -> None:
    arguments = ("leaderboard", data / "votes.parquet", "--responses", data / "responses.parquet", "--json")
    told = json.loads(prefpipe(*arguments, "--position-effect", 0.4).stdout)
    assert told["boards"][0]["position_effect"] == 0.4
    wrong = prefpipe(*arguments, "--position-effect", "none")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "'none' is neither a number of logits nor 'estimate'" in wrong.stderr


def test_votes_come_from_standard_input(prefpipe: Run) -> None:
    rows = [{"prompt_id": p, "judge": "ana", "shown": ["a", "b"], "ranks": [1, 2]} for p in "pqrs"]
    done = prefpipe("leaderboard", "-", "--method", "win-rate", stdin="".join(json.dumps(row) + "\n" for row in rows))
    assert [row.split()[1] for row in done.stdout.splitlines()[1:]] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--method", "elos"], "error: There is no method 'elos'."),
        (["--anchor", "sim:string"], "error: There is no model 'sim:string' to fix."),
        (["--by", "topics"], "has a column 'topics'."),
        (["-o", "out.txt"], "error: The ending of out.txt names no format that can be written."),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(
    prefpipe: Run, data: Path, arguments: list[str], sentence: str
) -> None:
    done = prefpipe(
        "leaderboard",
        data / "votes.parquet",
        "--responses",
        data / "responses.parquet",
        "-o",
        "out.parquet",
        *arguments,
    )
    assert (done.returncode, done.stdout) == (2, "")
    first, hint = done.stderr.splitlines()
    assert sentence in first
    assert hint.startswith("hint:  ")
    assert not list(Path().glob("*out*"))


def test_votes_by_several_criteria_are_ranked_by_the_one_that_is_named(prefpipe: Run) -> None:
    votes = [
        {"prompt_id": f"p{number}", "judge": "ana", "shown": shown, "ranks": [1, 2], "criterion": criterion}
        for number in range(3)
        for shown, criterion in ((["x", "y"], "tone"), (["y", "x"], "facts"))
    ]
    Path("votes.jsonl").write_text("".join(json.dumps(vote) + "\n" for vote in votes))
    refused = prefpipe("leaderboard", "votes.jsonl")
    assert refused.returncode == 2
    assert "by several criteria (facts, tone)" in " ".join(refused.stderr.split())
    for criterion, best in {"tone": "x", "facts": "y"}.items():
        done = prefpipe("leaderboard", "votes.jsonl", "--criterion", criterion, "--json")
        [board] = json.loads(done.stdout)["boards"]
        assert (board["standings"][0]["model"], board["standings"][0]["wins"]) == (best, 3)


def test_a_value_with_a_line_break_leaves_the_title_on_one_line(prefpipe: Run) -> None:
    votes = [{"prompt_id": p, "judge": "ana", "shown": ["a", "b"], "ranks": [1, 2]} for p in "pq"]
    answers = [
        {"prompt": p, "prompt_id": p, "response_id": m, "model": m, "content": m, "k": "x\ny"}
        for p in "pq"
        for m in "ab"
    ]
    Path("votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in votes))
    Path("responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    done = prefpipe("leaderboard", "votes.jsonl", "--responses", "responses.jsonl", "--by", "k")
    assert "k: x y" in done.stdout.splitlines()


def test_the_page_shows_what_its_commands_print(prefpipe: Run) -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "leaderboard.md").read_text("utf-8")
    section = page[page.index("### Judges who compete") : page.index("# How many repeats to ask for")]
    shown = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    commands = [line for line in shown if line.startswith("prefpipe ")]
    assert [command.split()[1] for command in commands] == ["generate", "judge", "leaderboard"]
    for command in commands:
        done = prefpipe(*shlex.split(command.replace("prompts/demo.jsonl", f"'{root}/prompts/demo.jsonl'"))[1:])
        assert done.returncode == 0
    seen = done.stdout.splitlines()
    for method in ("robust", "bradley-terry"):
        again = ("leaderboard", "votes.parquet", "--responses", "responses.parquet", "--method", method)
        seen += prefpipe(*again).stdout.splitlines()
    assert [line for line in shown if line not in {*commands, *seen}] == []


def test_the_help_names_every_method_and_the_page_describes_it(prefpipe: Run) -> None:
    shown = " ".join(prefpipe("leaderboard", "--help").stdout.replace("│", " ").split())
    page = (Path(__file__).resolve().parents[2] / "docs" / "leaderboard.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    for method in METHODS:
        assert method in shown
        assert any(f"`{method}`" in row for row in rows)
