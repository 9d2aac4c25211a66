"""The shape of the source, as CONTRIBUTING.md describes it."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from prefpipe.cli.main import COMMANDS, EXAMPLES

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("cli", "pipeline", "prompts")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

BASE = {
    f"pipeline.{name}" for name in ("errors", "ids", "tables", "config", "provenance", "reading", "writing", "summary")
}
"""What all stand on."""
WORKINGS = {f"pipeline.{name}" for name in ("llm", "judging", "ranking", "formats")}
SUMMARIES = {"pipeline.rank_summary", "pipeline.run_summary"}
"""What closes a stage or a recipe, in files of their own."""
COMPOSED = {"pipeline", "pipeline.run", "pipeline.demo"}
"""What runs several stages: the recipe and the demonstration."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield level and absolute name of everything that a file imports, wherever in it."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            target = ".".join([*above, *([node.module] if node.module else [])])
            for name in node.names:
                full = f"{target}.{name.name}" if target else name.name
                yield node.level, full if is_module(full) else target


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def layer(module: str) -> str:
    """Return "cli", "prompts", "base", "summary", "stage", "composed", or the name of a working."""
    top = module.partition(".")[0]
    if top != "pipeline":
        return top
    if module in BASE:
        return "base"
    if module in SUMMARIES:
        return "summary"
    working = ".".join(module.split(".")[:2])
    return working if working in WORKINGS else "composed" if module in COMPOSED else "stage"


def foreign() -> list[tuple[Path, str]]:
    """Return each file beside the top-level package of each absolute import of it."""
    return [(path, name.partition(".")[0]) for path in FILES for level, name in imports(path) if not level]


def test_the_layers_are_all_there() -> None:
    layers = {layer(module_of(path)) for path in FILES}
    assert layers == {"cli", "prompts", "base", "summary", "stage", "composed", *WORKINGS}
    assert {module_of(path) for path in FILES} >= COMPOSED


ALLOWED = {
    "cli": {"cli", "stage", "composed", "base", "pipeline.llm"},
    "composed": {"composed", "stage", "summary", "base", "prompts", *WORKINGS},
    "stage": {"summary", "base", *WORKINGS},
    "summary": {"base", *WORKINGS},
    "base": {"base"},
    "prompts": {"prompts"},
    **{working: {working, "base", "prompts"} for working in WORKINGS},
}


def test_imports_run_one_way() -> None:
    found = {(module_of(path), name) for path in FILES for level, name in imports(path) if level}
    assert ("pipeline.judge", "pipeline.judging.pairwise") in found
    assert ("pipeline.judging.pairwise", "prompts") in found
    wrong = [f"{module} imports {name}" for module, name in found if layer(name) not in ALLOWED[layer(module)]]
    assert wrong == []


def test_the_source_imports_itself_only_by_relative_names() -> None:
    own = {"prefpipe", *FOLDERS}
    assert [(path, name) for path, name in foreign() if name in own] == []


def test_only_the_asking_of_models_knows_the_openai_package_and_only_the_command_line_a_terminal() -> None:
    for names, place in (({"openai", "httpx2", "tenacity"}, "pipeline.llm"), ({"typer", "rich"}, "cli")):
        users = {layer(module_of(path)) for path, name in foreign() if name in names}
        assert users == {place}


def test_nothing_that_only_tests_need_is_imported() -> None:
    needless = {"pytest", "hypothesis", "scipy", "pandas"}
    assert [(path, name) for path, name in foreign() if name in needless] == []


def test_a_file_has_one_idea_and_at_most_400_lines() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in [*FILES, *TESTS]}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_every_file_starts_with_a_sentence_about_it() -> None:
    said = {path: (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0] for path in FILES}
    assert [path for path, sentence in said.items() if not sentence.endswith((".", ":", "?"))] == []


def test_every_folder_that_is_a_package_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    packages = {f"prefpipe.{module_of(path)}" for path in FILES if path.name == "__init__.py"}
    assert set(project["packages"]) == packages
    assert project["package-dir"] == {f"prefpipe.{folder}": folder for folder in FOLDERS}
    assert {path.parent for path in FILES} == {path.parent for path in FILES if path.name == "__init__.py"}


def test_every_bundled_file_is_installed() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    folders = {package: ROOT.joinpath(*package.split(".")[1:]) for package in data}
    installed = {path for package in data for pattern in data[package] for path in folders[package].glob(pattern)}
    everything = {path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert {path for path in everything if path.suffix not in {".py", ".pyc"}} == installed
    assert installed >= {ROOT / folder / "py.typed" for folder in FOLDERS}


def test_every_command_has_an_example_and_a_file_of_its_name() -> None:
    assert EXAMPLES.keys() == COMMANDS.keys()
    for name in COMMANDS:
        assert EXAMPLES[name].startswith(f"prefpipe {name}")
        assert (ROOT / "cli" / f"{name}.py").exists()


def test_tests_stand_where_their_source_stands() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in TESTS}
    assert Path("pipeline/formats") in folders
    assert [folder for folder in folders if folder.parts and not (ROOT / folder).is_dir()] == []
