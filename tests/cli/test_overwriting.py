import inspect
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from prefpipe.cli.main import COMMANDS

Run = Callable[..., CompletedProcess[str]]

NEW = "new.parquet"
RANK = ["rank", "votes.parquet", "--responses", "responses.parquet", "-o"]
FILTER = ["filter", "rankings.jsonl", "--keep-top", "0.5"]
EXPORT = ["export", "rankings.jsonl", "--responses", "responses.parquet", "-o"]
LEADERBOARD = ["leaderboard", "votes.parquet", "--responses", "responses.parquet", "-o"]
CACHE = ["cache", "export", "--store", "answers.db", "--of", "votes.parquet", "--of", "responses.parquet"]

COMMANDS_THAT_WRITE = [
    (["generate", "prompts.jsonl", "--model", "sim:weak", "-o"], "prompts.jsonl"),
    (["judge", "responses.parquet", "--judge", "sim:judge", "-o"], "responses.parquet"),
    (RANK, "votes.parquet"),
    (RANK, "responses.parquet"),
    ([*FILTER, "-o"], "rankings.jsonl"),
    ([*FILTER, "-o", NEW, "--dropped"], "rankings.jsonl"),
    (EXPORT, "rankings.jsonl"),
    (EXPORT, "responses.parquet"),
    (LEADERBOARD, "votes.parquet"),
    (LEADERBOARD, "responses.parquet"),
    (CACHE, "votes.parquet"),
    (CACHE, "responses.parquet"),
]
"""Each command up to the name of its output, and a file that it reads."""

IDS = [f"{command[0]} {'dropped ' * ('--dropped' in command)}{source}" for command, source in COMMANDS_THAT_WRITE]


@pytest.fixture(autouse=True)
def _copies(data: Path) -> None:
    for name in ("prompts.jsonl", "responses.parquet", "votes.parquet", "rankings.jsonl", "answers.db"):
        shutil.copy(data / name, name)


def contents() -> dict[Path, bytes]:
    """Return what stands in the test's folder, but for the answer store."""
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file() and path.parts[0] != ".prefpipe"}


def spellings(source: str) -> Iterator[str]:
    """Yield names that lead to a file."""
    ending = Path(source).suffix
    Path("symbolic").with_suffix(ending).symlink_to(source)
    Path("hard").with_suffix(ending).hardlink_to(source)
    Path("folder").mkdir()
    Path("linked").symlink_to("folder/..")
    yield from (source, f"./{source}", f"folder/../{source}", str(Path(source).absolute()))
    yield from (f"symbolic{ending}", f"hard{ending}", f"linked/{source}")


@pytest.mark.parametrize(("command", "source"), COMMANDS_THAT_WRITE, ids=IDS)
def test_no_command_replaces_what_it_reads(prefpipe: Run, command: list[str], source: str) -> None:
    names = list(spellings(source))
    before = contents()
    for name in names:
        result = prefpipe(*command, name)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"{Path(name)} is read by this command and would be replaced by it." in result.stderr.splitlines()[0]
        assert contents() == before


@pytest.mark.parametrize(("command", "source"), COMMANDS_THAT_WRITE, ids=IDS)
def test_the_same_command_writes_to_any_other_name(prefpipe: Run, command: list[str], source: str) -> None:
    before = contents()
    result = prefpipe(*command, "other.parquet")
    assert result.returncode == 0, result.stderr
    assert contents().items() >= before.items()
    assert Path("other.parquet").exists()


def test_every_command_that_takes_an_output_is_looked_at() -> None:
    writes = {name for name, command in COMMANDS.items() if "output" in inspect.signature(command).parameters}
    assert writes - {"demo", "run"} == {command[0] for command, _ in COMMANDS_THAT_WRITE} - {"cache"}


def test_a_recipe_does_not_replace_its_prompts(prefpipe: Run) -> None:
    Path("out").mkdir()
    Path("out/dropped.parquet").write_bytes(Path("responses.parquet").read_bytes())
    Path("recipe.toml").write_text(
        '[generate]\nprompts = "out/dropped.parquet"\nmodels = ["sim:weak", "sim:fair"]\n'
        '[judge]\njudges = ["sim:judge"]\n[rank]\n[filter]\nkeep_top = 0.5\n'
    )
    before = contents()
    result = prefpipe("run", "recipe.toml")
    assert (result.returncode, result.stdout) == (2, "")
    assert "out/dropped.parquet is read by this command and would be replaced by it." in result.stderr
    assert contents() == before


def test_an_export_of_answers_does_not_replace_the_store(prefpipe: Run) -> None:
    shutil.move("answers.db", "answers.parquet")
    before = contents()
    result = prefpipe("cache", "export", "answers.parquet", "--store", "answers.parquet")
    assert result.returncode == 2
    assert "answers.parquet is read by this command and would be replaced by it." in result.stderr
    assert contents() == before


def test_kept_and_dropped_rows_never_go_to_one_file(prefpipe: Run) -> None:
    for output in ("table.jsonl", "-"):
        result = prefpipe(*FILTER, "-o", output, "--dropped", output)
        assert (result.returncode, result.stdout) == (2, "")
        name = "standard output" if output == "-" else output
        assert f"Two tables cannot both go to {name}." in result.stderr
