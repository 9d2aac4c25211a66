"""The documentation is true: the tutorial runs, every column and every command is described."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from prefpipe.cli.main import COMMANDS, GROUPS
from prefpipe.pipeline.config import read_config
from prefpipe.pipeline.formats import dpo
from prefpipe.pipeline.tables import KINDS, TableKind

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of this environment are found, whether it is activated or not."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/tutorial.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 5
    script = "set -euo pipefail\n" + "\n".join(blocks)
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "preferences.parquet").exists()
    assert (tmp_path / "out" / "preferences.parquet").read_bytes()


def test_what_the_page_on_asking_shows_does_what_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/asking.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Why?"}\n')
    responses = tmp_path / "responses.parquet"
    seen = []
    for block in blocks:
        ran = subprocess.run(["bash", "-euc", block], cwd=tmp_path, check=True, capture_output=True, text=True)
        seen.append((ran.stdout + ran.stderr, responses.exists()))
    (checked, _), (planned, written), (stored, _), (asked, _) = seen
    assert re.search(r"^sim:strong +\S+ +yes ", checked, re.MULTILINE)
    assert ("calls 1 · to send 1 " in planned, "a dry run" in planned, written) == (True, True, False)
    assert ".prefpipe/answers.db: 0 answers" in stored
    assert "calls 1 · sent 1 " in asked
    assert pq.read_table(responses)["status"].to_pylist() == ["ok"]


def test_the_configuration_shown_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/asking.md").read_text("utf-8")
    (shown,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "prefpipe.toml").write_text(shown)
    monkeypatch.chdir(tmp_path)
    assert list(read_config().models) == ["llama", "o4", "qwen", "tier-1", "gateway"]


def test_the_example_script_runs_as_it_stands(tmp_path: Path) -> None:
    subprocess.run([ROOT / "examples/chain.sh"], cwd=tmp_path, check=True)
    assert (tmp_path / "out" / "preferences.parquet").exists()


def test_the_example_recipe_runs_as_it_stands(tmp_path: Path) -> None:
    recipe = ROOT / "examples" / "repeat-ranking.toml"
    subprocess.run(["prefpipe", "run", recipe, "-o", "out"], cwd=tmp_path, check=True)
    assert (tmp_path / "out" / "preferences.parquet").exists()


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "examples" / "prompts.jsonl", tmp_path)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README
    assert (tmp_path / "preferences.parquet").exists()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_column_is_described(kind: TableKind) -> None:
    text = (ROOT / "docs/tables.md").read_text("utf-8")
    section = text.split(f"## {kind.name}\n")[1].split("\n## ")[0]
    described = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(described) == sorted(kind.schema.names)


def test_every_column_of_a_preference_is_described() -> None:
    section = (ROOT / "docs/tables.md").read_text("utf-8").split("## preferences\n")[1]
    assert set(dpo.SCHEMA.names) <= set(re.findall(r"`(\w+)`", section))


def test_every_command_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in [*COMMANDS, *GROUPS] if f"`prefpipe {name}`" not in readme] == []
