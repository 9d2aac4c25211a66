from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.llm.meter import Meter
from prefpipe.pipeline.run import read_recipe, run

WriteLines = Callable[[str, list[dict[str, Any]]], Path]

WHOLE = """
[generate]
prompts = "prompts.jsonl"
models = ["sim:strong", "sim:fair", "sim:weak"]

[judge]
judges = ["sim:judge"]
protocol = "listwise"
repeats = 3
temperature = 1

[rank]
method = "borda"

[filter]
keep_top = 0.5

[export]
ties = "random"
"""
BEGINNING = WHOLE[: WHOLE.index("[rank]")]


def write(recipe: str, name: str = "recipe.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(recipe)
    return path


def test_steps_come_in_the_order_of_the_stages_each_with_its_options_and_its_files() -> None:
    steps = read_recipe(write(WHOLE), "out")
    assert [step.stage for step in steps] == ["generate", "judge", "rank", "filter", "export"]
    out = Path("out")
    responses, votes, rankings = (out / f"{name}.parquet" for name in ("responses", "votes", "rankings"))
    assert [step.arguments for step in steps] == [
        {"prompts": Path("prompts.jsonl"), "models": ["sim:strong", "sim:fair", "sim:weak"], "output": responses},
        {
            "judges": ["sim:judge"],
            "protocol": "listwise",
            "repeats": 3,
            "temperature": 1.0,
            "responses": responses,
            "output": votes,
        },
        {"method": "borda", "votes": votes, "responses": responses, "output": rankings},
        {"keep_top": 0.5, "rankings": rankings, "dropped": out / "dropped.parquet", "output": out / "kept.parquet"},
        {
            "ties": "random",
            "kept": out / "kept.parquet",
            "responses": responses,
            "output": out / "preferences.parquet",
        },
    ]


def test_one_model_is_enough_where_it_answers_twice_or_is_not_judged() -> None:
    single = BEGINNING.replace('["sim:strong", "sim:fair", "sim:weak"]', '["sim:strong"]')
    assert len(read_recipe(write(single.replace("[judge]", "samples = 2\n[judge]")), "out")) == 2
    assert len(read_recipe(write(single[: single.index("[judge]")]), "out")) == 1


def test_the_order_of_the_tables_in_the_recipe_makes_no_difference() -> None:
    blocks = WHOLE.strip().split("\n\n")
    assert read_recipe(write("\n\n".join(reversed(blocks))), "out") == read_recipe(write(WHOLE, "other.toml"), "out")


def test_prompts_stand_relative_to_the_recipe() -> None:
    [step, _] = read_recipe(write(BEGINNING, "recipes/mine.toml"), "out")
    assert step.arguments["prompts"] == Path("recipes/prompts.jsonl")
    [step, _] = read_recipe(write(BEGINNING.replace("prompts.jsonl", "/data/p.jsonl"), "recipes/mine.toml"), "out")
    assert step.arguments["prompts"] == Path("/data/p.jsonl")


def test_a_recipe_may_end_early() -> None:
    assert [step.stage for step in read_recipe(write(BEGINNING), "out")] == ["generate", "judge"]


@pytest.mark.parametrize(
    ("old", "new", "problem", "hint"),
    [
        ("[judge]", "[jugde]", "there is no stage [jugde]", "Did you mean 'judge'?"),
        (WHOLE, "judge = 1", "'judge' is not a table", "Write [judge]"),
        ("[generate]", 'store = "a.db"\n[generate]', "there is no stage [store]", None),
        ("repeats = 3", "repeat = 3", "[judge] has no option 'repeat'", "Did you mean 'repeats'?"),
        ("models = ", "model = ", "[generate] has no option 'model'", "Did you mean 'models'?"),
        ("judges = ", "judge = ", "[judge] has no option 'judge'", "Did you mean 'judges'?"),
        ("[rank]", "[rank]\njudge_weight = 2", "[rank] has no option 'judge_weight'", "Did you mean 'judge_weights'?"),
        ("[rank]", "[rank]\ndry_run = true", "[rank] has no option 'dry_run'", None),
        ("repeats = 3", "dry_run = true", "[judge] cannot be a dry run", "`prefpipe judge --dry-run`"),
        ("[judge]", "dry_run = true\n[judge]", "[generate] cannot be a dry run", "`prefpipe generate --dry-run`"),
        ("repeats = 3", 'store = "a.db"', "[judge] has no option 'store'", None),
        ("repeats = 3", 'output = "a.parquet"', "[judge] has no option 'output'", None),
        ("repeats = 3", 'repeats = "3"', "[judge] repeats: Expected `int`, got `str`", "Correct the value."),
        ("repeats = 3", "repeats = 2.5", "[judge] repeats: Expected `int`, got `float`", "Correct the value."),
        ('["sim:judge"]', '"sim:judge"', "[judge] judges: Expected `array`, got `str`", "Correct the value."),
        ('judges = ["sim:judge"]', "", "[judge] lacks the option 'judges'", "Add it."),
        ('prompts = "prompts.jsonl"', "", "[generate] lacks the option 'prompts'", "Add it."),
        ("keep_top = 0.5", 'keep_top = "half"', "[filter] keep_top: Expected", "Correct the value."),
        ("[filter]\nkeep_top = 0.5", "", "lacks [filter], which makes what later stages read", "even an empty one"),
        (WHOLE, "# nothing", "lacks [generate]", None),
        ("[rank]", "[rank", "is not valid TOML", "a table of options for each stage"),
        ("repeats = 3", "repeats = 3\nrepeats = 4", "is not valid TOML", "a table of options for each stage"),
    ],
)
def test_a_mistake_anywhere_in_the_recipe_is_named_before_anything_is_asked(
    write_lines: WriteLines, old: str, new: str, problem: str, hint: str | None
) -> None:
    write_lines("prompts.jsonl", [{"prompt": "Why?"}])
    assert old in WHOLE
    path = write(WHOLE.replace(old, new))
    with pytest.raises(UsageError) as error:
        run(path, "out")
    assert error.value.message.startswith("recipe.toml")
    assert problem in error.value.message
    assert (hint or "") in str(error.value.hint)
    assert not Path("out").exists()
    assert not Path(".prefpipe").exists()


def test_a_recipe_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"There is no file recipe\.toml"):
        read_recipe("recipe.toml", "out")


def test_a_run_leaves_all_tables_in_one_folder_and_gives_a_summary_for_each(data: Path) -> None:
    recipe = write(WHOLE.replace("prompts.jsonl", str(data / "prompts.jsonl")))
    summaries = run(recipe, "out", store="answers.db")
    assert [summary.stage for summary in summaries] == ["generate", "judge", "rank", "filter", "export", "run"]
    assert {path.name for path in Path("out").iterdir()} == {
        f"{name}.parquet" for name in ("responses", "votes", "rankings", "kept", "dropped", "preferences")
    }
    assert pq.read_metadata("out/votes.parquet").num_rows == 15
    assert [summary.figures.get("sent") for summary in run(recipe, "again", store="answers.db")[:2]] == [0, 0]
    for path in Path("out").iterdir():
        assert (Path("again") / path.name).read_bytes() == path.read_bytes()


def test_each_stage_counts_its_calls_for_whoever_watches_and_its_summary_comes_before_the_next_begins(
    data: Path,
) -> None:
    meters: dict[str, Meter] = {}
    events: list[str] = []

    @contextmanager
    def progress(stage: str) -> Iterator[Meter]:
        events.append(f"{stage} begins")
        yield meters.setdefault(stage, Meter())
        events.append(f"{stage} ends")

    recipe = write(BEGINNING.replace("prompts.jsonl", str(data / "prompts.jsonl")))
    run(
        recipe,
        "out",
        store="answers.db",
        concurrency=2,
        progress=progress,
        on_summary=lambda summary: events.append(f"summary of {summary.stage}"),
    )
    assert {stage: meter.done for stage, meter in meters.items()} == {"generate": 15, "judge": 15}
    assert events == [
        *("generate begins", "generate ends", "summary of generate"),
        *("judge begins", "judge ends", "summary of judge"),
        "summary of run",
    ]


@pytest.mark.parametrize("name", ["responses", "votes", "rankings", "kept", "dropped", "preferences"])
def test_a_recipe_whose_prompts_any_of_its_tables_would_replace_is_refused(name: str) -> None:
    Path("out").mkdir()
    Path(f"out/{name}.parquet").write_bytes(b"prompts")
    with pytest.raises(UsageError, match=rf"{name}\.parquet is read by this command and would be replaced by it"):
        read_recipe(write(WHOLE.replace("prompts.jsonl", f"../out/{name}.parquet"), "recipes/mine.toml"), "out")
    Path("prompts.jsonl").symlink_to(f"out/{name}.parquet")
    with pytest.raises(UsageError, match="would be replaced"):
        read_recipe(write(WHOLE), "out")
    assert len(read_recipe(write(WHOLE), "other")) == 5


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("sim:judge", "sim:jugde"), "no simulated model 'jugde'"),
        (("sim:weak", "sim:waek"), "no simulated model 'waek'"),
        (("keep_top = 0.5", "keep_top = 50"), "--keep-top 50"),
        (('"sim:strong", "sim:fair", "sim:weak"', '"sim:strong"'), "one response to each prompt"),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_before_anything_is_paid(
    change: tuple[str, str], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        read_recipe(write(WHOLE.replace(*change)), "out")
