"""run: a recipe in, all its tables out, in one folder.

A recipe is a TOML file with one table of options a stage, named as the stage's parameters:

    [generate]
    prompts = "prompts.jsonl"
    models = ["sim:strong", "sim:weak"]

    [judge]
    judges = ["sim:judge"]
    repeats = 3

    [rank]

    [filter]
    keep_top = 0.5

    [export]
"""

import inspect
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from .errors import UsageError, did_you_mean
from .export import export
from .filter import check_criteria, filter  # noqa: A004 - the verb of the command
from .generate import generate
from .judge import check_options, judge
from .llm.meter import Meter
from .llm.models import parse_models
from .llm.store import DEFAULT_PATH
from .rank import rank
from .reading import existing
from .run_summary import summary_of
from .summary import Summary
from .writing import refuse_to_overwrite

STAGES: dict[str, Callable[..., Summary]] = {
    "generate": generate,
    "judge": judge,
    "rank": rank,
    "filter": filter,
    "export": export,
}

_OUTPUTS = {
    "generate": "responses.parquet",
    "judge": "votes.parquet",
    "rank": "rankings.parquet",
    "filter": "kept.parquet",
    "export": "preferences.parquet",
}

_SHAPE = "A recipe has a table of options for each stage, such as [generate]; docs/tutorial.md shows one."

_ASKING = {"store", "concurrency", "meter"}
_WIRED = {"generate": {"output"}, "judge": {"responses", "output"}, "rank": {"votes", "output", "responses"}} | {
    "filter": {"rankings", "output", "dropped"},
    "export": {"kept", "output", "responses"},
}


@dataclass(frozen=True)
class Step:
    """One stage of a recipe, ready to run: its name and all its arguments but those of asking."""

    stage: str
    arguments: dict[str, Any]


def _unwatched(_stage: str) -> AbstractContextManager[Meter]:
    return nullcontext(Meter())


def run(
    recipe: str | Path,
    folder: str | Path,
    *,
    store: str | Path = DEFAULT_PATH,
    concurrency: int | None = None,
    progress: Callable[[str], AbstractContextManager[Meter]] = _unwatched,
    on_summary: Callable[[Summary], None] = lambda _: None,
) -> list[Summary]:
    """Run the stages of a recipe, in order, into one folder; return a summary of each, and one of the whole.

    Args:
        recipe: A TOML file with a table of options for each stage.
        folder: Where the tables go.
        store: The answer store.
        concurrency: The most calls in flight to each model; None to find out how many its servers take.
        progress: Gives the meter of a stage by its name, and shows it.
        on_summary: Is given each summary as soon as it is known.

    Raises:
        UsageError: The recipe has an unknown stage or option, or lacks one; or a stage cannot use its input.
        RunError: A stage failed; the tables of those before it are complete.
    """
    summaries, meters = [], []
    for step in read_recipe(recipe, folder):
        stage = STAGES[step.stage]
        with progress(step.stage) as meter:
            asking = {"store": store, "concurrency": concurrency, "meter": meter} if _asks(stage) else {}
            summary = stage(**step.arguments, **asking)
        on_summary(summary)
        summaries.append(summary)
        meters.append(meter)
    whole = summary_of(str(folder), summaries, meters)
    on_summary(whole)
    return [*summaries, whole]


def read_recipe(recipe: str | Path, folder: str | Path) -> list[Step]:
    """Return the steps of a recipe, checked as a whole before the first one runs.

    Raises:
        UsageError: The recipe is not TOML, names an unknown stage or option, gives a value of another type, leaves a
            stage out between two others, has one response to each prompt judged, or would replace its prompts.
    """
    path, folder = existing(recipe), Path(folder)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", _SHAPE) from error
    for name, options in tables.items():
        if name not in STAGES:
            raise UsageError(f"{path}: there is no stage [{name}].", did_you_mean(name, STAGES))
        if not isinstance(options, dict):
            raise UsageError(f"{path}: '{name}' is not a table.", f"Write [{name}], and its options below it.")
    wanted = [stage for stage in STAGES if stage in tables]
    if not wanted or wanted != list(STAGES)[: len(wanted)]:
        missing = next(stage for stage in STAGES if stage not in tables)
        raise UsageError(
            f"{path} lacks [{missing}], which makes what later stages read.", "Add the table, even an empty one."
        )
    steps = [Step(stage, _checked(path, stage, tables[stage]) | _wiring(stage, folder)) for stage in wanted]
    asked = steps[0].arguments
    if len(steps) > 1 and len(asked["models"]) * asked.get("samples", 1) == 1:
        raise UsageError(
            f"{path}: [generate] asks for one response to each prompt, which leaves nothing to compare.",
            "Name another model, or set samples = 2.",
        )
    for step in steps:
        for output in {"output", "dropped"} & step.arguments.keys():
            refuse_to_overwrite(step.arguments[output], asked["prompts"])
    return steps


def _checked(path: Path, stage: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return a stage's options, checked against its parameters; the prompts' file stands relative to the recipe."""
    parameters = _parameters(stage)
    for name in options:
        if name not in parameters:
            raise UsageError(f"{path}: [{stage}] has no option '{name}'.", did_you_mean(name, parameters))
    checked = {}
    for name, (hint, required) in parameters.items():
        if name not in options:
            if required:
                raise UsageError(f"{path}: [{stage}] lacks the option '{name}'.", "Add it.")
            continue
        try:
            checked[name] = msgspec.convert(options[name], hint)
        except msgspec.ValidationError as error:
            raise UsageError(f"{path}: [{stage}] {name}: {error}.", "Correct the value.") from error
    if checked.get("dry_run"):
        raise UsageError(
            f"{path}: [{stage}] cannot be a dry run, as the stages after it would have nothing to read.",
            f"Remove dry_run; `prefpipe {stage} --dry-run` shows what the stage would cost.",
        )
    if stage == "generate":
        parse_models(checked["models"])
    if stage == "judge":
        check_options(**checked)
    if stage == "filter":
        check_criteria(checked)
    if "prompts" in checked:
        checked["prompts"] = path.parent / checked["prompts"]
    return checked


def _parameters(stage: str) -> dict[str, tuple[Any, bool]]:
    """Return type and necessity of each parameter that a recipe may set."""
    hints = get_type_hints(STAGES[stage])
    return {
        name: (str if name == "prompts" else hints[name], parameter.default is parameter.empty)
        for name, parameter in inspect.signature(STAGES[stage]).parameters.items()
        if name not in _WIRED[stage] | _ASKING
    }


def _wiring(stage: str, folder: Path) -> dict[str, Path]:
    """Return the files that connect a stage with the others."""
    files: dict[str, Path] = {name: folder / output for name, output in _OUTPUTS.items()}
    sources = {
        "responses": files["generate"],
        "votes": files["judge"],
        "rankings": files["rank"],
        "kept": files["filter"],
        "dropped": folder / "dropped.parquet",
        "output": files[stage],
    }
    return {name: sources[name] for name in _WIRED[stage]}


def _asks(stage: Callable[..., Summary]) -> bool:
    return "store" in inspect.signature(stage).parameters
