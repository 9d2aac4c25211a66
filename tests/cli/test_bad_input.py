import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Run = Callable[..., CompletedProcess[str]]

GENERATE = ["generate", "{file}", "--model", "sim:weak"]
JUDGE = ["judge", "{file}", "--judge", "sim:judge"]
RANK = ["rank", "{file}"]
FILTER = ["filter", "{file}", "--keep-top", "0.5"]
EXPORT = ["export", "{file}", "--responses", "{responses}"]
INSPECT = ["inspect", "{file}"]
STAGES = [GENERATE, JUDGE, RANK, FILTER, EXPORT]


def check(result: CompletedProcess[str], before: set[Path], *parts: str) -> None:
    """Check that a command ended with one sentence and a hint, and left nothing behind."""
    assert (result.returncode, result.stdout) == (2, "")
    sentence, hint = result.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert sentence.endswith((".", "?"))
    assert hint.startswith("hint:  ")
    assert hint.endswith((".", "?"))
    for part in parts:
        assert part in sentence
    assert files() == before


def files() -> set[Path]:
    """Return what stands in the test's folder, but for the answer store."""
    return {path for path in Path().rglob("*") if path.parts[0] != ".prefpipe"}


def call(prefpipe: Run, data: Path, command: list[str], file: object, *more: str) -> CompletedProcess[str]:
    names = {"file": file, "responses": data / "responses.parquet"}
    output = [] if command[0] == "inspect" else ["-o", "table.parquet"]
    return prefpipe(*(part.format_map(names) for part in command), *output, *more)


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("command", [*STAGES, INSPECT], ids=lambda command: command[0])
def test_a_file_that_is_missing_or_empty_or_a_folder_is_named(
    prefpipe: Run, data: Path, command: list[str], ending: str
) -> None:
    name = f"input.{ending}"
    check(call(prefpipe, data, command, name), set(), f"There is no file {name}.")
    Path(name).touch()
    check(call(prefpipe, data, command, name), {Path(name)}, f"{name} is empty.")
    Path(name).unlink()
    Path(name).mkdir()
    check(call(prefpipe, data, command, name), {Path(name)}, f"{name} is a folder, not a file.")


@pytest.mark.parametrize("command", [*STAGES, INSPECT], ids=lambda command: command[0])
def test_a_broken_line_is_named_with_its_number(prefpipe: Run, data: Path, command: list[str]) -> None:
    good = {"generate": "prompts", "judge": "responses", "rank": "votes", "inspect": "prompts"}
    kind = good.get(command[0], "rankings")
    lines = [json.dumps(row) for row in pq.read_table(data / "votes.parquet").to_pylist()]
    if kind != "votes":
        lines = (data / f"{kind}.jsonl").read_text().splitlines()
    Path("input.jsonl").write_text("\n".join([lines[0], "", lines[1][:-9]]))
    before = files()
    check(call(prefpipe, data, command, "input.jsonl"), before, "input.jsonl, line 3 is not valid JSON")
    Path("input.jsonl").write_bytes(lines[0].encode() + b'\n{"prompt": "\xff"}\n')
    check(call(prefpipe, data, command, "input.jsonl"), before, "input.jsonl, line 2 is not UTF-8 text")


@pytest.mark.parametrize("command", [*STAGES, INSPECT], ids=lambda command: command[0])
def test_a_parquet_file_that_was_cut_short_is_named(prefpipe: Run, data: Path, command: list[str]) -> None:
    Path("cut.parquet").write_bytes((data / "votes.parquet").read_bytes()[:-200])
    check(call(prefpipe, data, command, "cut.parquet"), files(), "cut.parquet is not a readable Parquet file")


@pytest.mark.parametrize("command", [RANK, FILTER, EXPORT, ["leaderboard", "{file}"]], ids=lambda command: command[0])
def test_an_ending_that_names_no_format_is_not_taken_for_a_broken_line(
    prefpipe: Run, data: Path, command: list[str]
) -> None:
    Path("table.csv").write_text("prompt_id,judge\np,j\n")
    check(call(prefpipe, data, command, "table.csv"), files(), "The ending of table.csv names no format")


WRONG = {
    "generate": ["responses.parquet", "responses.jsonl", "votes.parquet", "rankings.jsonl"],
    "judge": ["prompts.jsonl", "votes.parquet", "rankings.jsonl"],
    "rank": ["prompts.jsonl", "responses.parquet", "rankings.jsonl"],
    "filter": ["prompts.jsonl", "responses.parquet", "votes.parquet"],
    "export": ["prompts.jsonl", "responses.parquet", "votes.parquet"],
}


@pytest.mark.parametrize(
    ("command", "name"),
    [(command, name) for command in STAGES for name in WRONG[command[0]]],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_table_of_another_stage_is_refused_by_name(prefpipe: Run, data: Path, command: list[str], name: str) -> None:
    check(call(prefpipe, data, command, data / name), set(), name)


@pytest.mark.parametrize("name", ["prompts.jsonl", "votes.parquet", "rankings.jsonl", "none.parquet"])
def test_the_responses_of_rank_and_export_are_checked_too(prefpipe: Run, data: Path, name: str) -> None:
    path = data / name
    check(prefpipe("export", data / "rankings.jsonl", "-o", "table.parquet", "--responses", path), set(), name)
    check(prefpipe("rank", data / "votes.parquet", "-o", "table.parquet", "--responses", path), set(), name)


PROMPT: dict[str, Any] = {"prompt": "Why?"}
ANSWERED = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([PROMPT, {"text": "Why?"}], ["line 2", "has no column 'prompt', 'messages' or 'instruction'"]),
        ([PROMPT, {"prompt": ""}], ["line 2", "the prompt is empty"]),
        ([PROMPT, {"prompt": 5}], ["line 2", "neither a text nor a list of messages"]),
        ([PROMPT, {"prompt": ANSWERED}], ["line 2", "ends with an assistant's turn"]),
        ([PROMPT, {"prompt": [{"role": "user"}]}], ["line 2", "message 1 has no text"]),
        ([PROMPT | {"prompt_id": "x"}, {"prompt": "How?", "prompt_id": "x"}], ["two different prompts have the id x"]),
    ],
)
def test_a_prompt_that_cannot_be_asked_is_named(
    prefpipe: Run, data: Path, rows: list[dict[str, Any]], parts: list[str]
) -> None:
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    check(call(prefpipe, data, GENERATE, "p.jsonl"), files(), "p.jsonl", *parts)


def test_prompts_that_stand_there_twice_are_asked_once_and_accounted_for(prefpipe: Run) -> None:
    Path("p.jsonl").write_text(f"{json.dumps(PROMPT)}\n" * 3)
    result = prefpipe("generate", "p.jsonl", "-o", "-", "--model", "sim:weak")
    assert (result.returncode, result.stdout.count("\n")) == (0, 1)
    assert "3 prompts in = 1 out + 2 dropped (2 stood in the file before)" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("p.csv", b'prompt,n\n"Why?,1\nHow?,2\n', ["p.csv, line", "is not valid CSV"]),
        ("p.csv", b"prompt,n\nWhy, then?,1\n", ["p.csv, line 2 does not have as many fields as the header (2)"]),
        ("p.csv", b"prompt\n", ["p.csv holds no prompts"]),
        ("p.csv", "prompt\nWas heißt das?\n".encode("latin-1"), ["p.csv is not UTF-8 text"]),
        ("p.json", b'[{"prompt": "Why?"}', ["p.json is not valid JSON"]),
        ("p.txt", b"Why?\n", ["The ending of p.txt names no format that can be read"]),
        ("p.jsonl", b"\n\n", ["p.jsonl holds no prompts"]),
        (
            "p.jsonl",
            b"PAR1",
            ["p.jsonl, line 1 is not valid JSON: this is a Parquet file."],
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    prefpipe: Run, data: Path, name: str, content: bytes, parts: list[str]
) -> None:
    Path(name).write_bytes(content)
    check(call(prefpipe, data, GENERATE, name), {Path(name)}, *parts)


def test_a_column_of_another_type_is_named(prefpipe: Run, data: Path) -> None:
    row = {"prompt_id": "p", "response_ids": ["a", "b"], "ranks": ["first", "second"], "scores": [1.0, 0.0]}
    pq.write_table(pa.Table.from_pylist([row]), "r.parquet")
    parts = ("r.parquet: column 'ranks' is list<", "where a rankings table has a list of whole numbers.")
    check(call(prefpipe, data, FILTER, "r.parquet"), files(), *parts)


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (["generate", "{prompts}", "--model", "sim:wek"], "Did you mean 'weak'?"),
        (["generate", "{prompts}", "--model", "sim:weak?invalidd=1"], "Did you mean 'invalid'?"),
        (["generate", "{prompts}", "--model", "sim:weak?invalid=often"], ""),
        (["generate", "{prompts}", "--model", "gpt-4o-mini"], "Set it, or name another server"),
        (["generate", "{prompts}", "--model", "gpt@host"], "Write a name"),
        (["generate", "{prompts}", "--model", "sim:weak", "--model", "sim:weak"], "Name each model once"),
        (["generate", "{prompts}", "--model", "sim:weak", "--prompt-column", "promt"], "Did you mean 'prompt'?"),
        (["generate", "{prompts}", "--model", "sim:weak", "--store", "{prompts}/a.db"], "with --store"),
        (["generate", "{prompts}", "--model", "sim:weak", "--store", "{prompts}"], "with --store"),
        (["judge", "{responses}", "--judge", "sim:jugde"], "Did you mean 'judge'?"),
        (["judge", "{responses}", "--judge", "sim:judge", "--protocol", "listwize"], "listwise"),
        (["judge", "{responses}", "--judge", "sim:judge", "--orders", "all"], "both"),
        (["rank", "{votes}", "--method", "bordo"], "Did you mean 'borda'?"),
        (["filter", "{rankings}"], "--keep-top 0.5"),
        (["filter", "{rankings}", "--keep-top", "50"], ""),
        (["filter", "{rankings}", "--min-votes", "1", "--dropped", "table.parquet"], "another name"),
        (["export", "{rankings}", "--responses", "{responses}", "--format", "dbo"], "dpo"),
        (["export", "{rankings}", "--responses", "{responses}", "--ties", "keep"], "random"),
        (["export", "-", "--responses", "-"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_value_that_makes_no_sense_is_answered_with_what_would(
    prefpipe: Run, data: Path, command: list[str], hint: str
) -> None:
    names = {
        "prompts": data / "prompts.jsonl",
        "responses": data / "responses.parquet",
        "votes": data / "votes.parquet",
        "rankings": data / "rankings.jsonl",
    }
    arguments = [part.format_map(names) for part in command]
    stdin = (data / "rankings.jsonl").read_text()
    result = prefpipe(*arguments, "-o", "table.parquet", stdin=stdin)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert hint in result.stderr.partition("hint: ")[2]
    assert files() == set()


@pytest.mark.parametrize("command", STAGES, ids=lambda command: command[0])
def test_a_place_that_cannot_be_written_is_named(prefpipe: Run, data: Path, command: list[str]) -> None:
    Path("file").touch()
    Path("folder.parquet").mkdir()
    before = files()
    sources = {
        "generate": "prompts.jsonl",
        "judge": "responses.parquet",
        "rank": "votes.parquet",
        "filter": "rankings.jsonl",
        "export": "rankings.jsonl",
    }
    for output, problem in (
        ("file/table.parquet", "file/table.parquet cannot be written"),
        ("folder.parquet", "folder.parquet is a folder"),
        ("new/table.txt", "The ending of new/table.txt names no format"),
        ("table", "The ending of table names no format"),
    ):
        check(call(prefpipe, data, command, data / sources[command[0]], "-o", output), before, problem)


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "p.jsonl", "--modle", "sim:weak"],
        ["generate", "p.jsonl", "-o", "out.parquet"],
        ["generate", "--model", "sim:weak", "-o", "out.parquet"],
        ["generate", "p.jsonl", "-o", "out.parquet", "--model", "sim:weak", "--samples", "0"],
        ["generate", "p.jsonl", "-o", "out.parquet", "--model", "sim:weak", "--temperature", "hot"],
        ["judge", "p.jsonl", "-o", "out.parquet", "--judge", "sim:judge", "--repeats", "0"],
        ["inspect", "p.jsonl", "--rows", "-1"],
        ["export", "k.jsonl", "-o", "out.parquet"],
    ],
    ids=" ".join,
)
def test_an_option_that_is_unknown_missing_or_out_of_range_is_a_mistake_of_usage(
    prefpipe: Run, arguments: list[str]
) -> None:
    result = prefpipe(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"Try 'prefpipe {arguments[0]} -h' for help." in result.stderr
    assert files() == set()


def test_a_mistyped_option_is_answered_with_the_nearest_one(prefpipe: Run) -> None:
    assert "--model" in prefpipe("generate", "p.jsonl", "--modle", "sim:weak").stderr.partition("No such option")[2]


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        ("[generate", ["recipe.toml is not valid TOML"]),
        ("[generat]", ["recipe.toml: there is no stage [generat]"]),
        ('[generate]\nprompts = "p.jsonl"\nmodels = ["sim:weak"]\nsample = 2', ["[generate] has no option 'sample'"]),
        ('[generate]\nprompts = "none.jsonl"\nmodels = ["sim:weak"]', ["There is no file none.jsonl"]),
        ("[judge]", ["recipe.toml lacks [generate]"]),
        ('[generate]\nprompts = "p"\nmodels = ["sim:weak"]\ndry_run = true', ["[generate] cannot be a dry run"]),
    ],
)
def test_a_recipe_that_cannot_be_run_is_named(prefpipe: Run, recipe: str, parts: list[str]) -> None:
    Path("recipe.toml").write_text(recipe)
    check(prefpipe("run", "recipe.toml"), {Path("recipe.toml")}, *parts)
