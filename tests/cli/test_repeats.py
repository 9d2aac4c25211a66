import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl

from prefpipe.cli.repeats import lines_of
from prefpipe.pipeline.repeats import RepeatPlan, Step

Run = Callable[..., CompletedProcess[str]]

PLAN = RepeatPlan(
    wanted=0.9,
    repeats=7,
    fewest=6,
    most=9,
    reliability=0.5678,
    low=0.51,
    high=0.63,
    prompts=1200,
    left_out=0,
    rankings=3.0,
    questions=6.0,
    min_w=0.7,
    steps=[
        Step(1, 0.5678, 0.51, 0.63, 0.75, 6.0, 7200, None),
        Step(2, 0.73, 0.67, 0.77, 0.85, 12.0, 14_400, 0.375),
    ],
    warnings=(),
)


def test_a_plan_is_an_answer_and_a_table() -> None:
    assert list(lines_of(PLAN)) == [
        "One ranking has a reliability of 0.57 (0.51 to 0.63), from 3.0 rankings of each of 1,200 prompts.",
        "7 repeats (6 to 9) are expected to reach a reliability of 0.9.",
        "",
        "repeats  reliability  95 % interval  with infinitely many  calls per prompt   calls  W ≥ 0.7 by chance",
        "      1         0.57   0.51 to 0.63                  0.75                 6   7,200                  -",
        "      2         0.73   0.67 to 0.77                  0.85                12  14,400              37.5%",
    ]


def test_what_was_not_asked_for_or_is_not_known_takes_no_room() -> None:
    steps = [Step(1, 0.5, None, None, 0.7, 6.0, 7200, None)]
    first, _, _, header, row = lines_of(replace(PLAN, low=None, high=None, min_w=None, steps=steps))
    assert first.startswith("One ranking has a reliability of 0.57, from")
    assert header.endswith("calls")
    assert row.split() == ["1", "0.50", "-", "0.70", "6", "7,200"]


def test_the_answer_says_when_one_repeat_will_do_or_no_number_can_be_told() -> None:
    def answer(repeats: int | None, fewest: int | None, most: int | None) -> str:
        return list(lines_of(replace(PLAN, repeats=repeats, fewest=fewest, most=most)))[1]

    assert answer(1, 1, 1) == "1 repeat is expected to reach a reliability of 0.9."
    assert answer(7, 6, None) == "7 repeats (6 or more) are expected to reach a reliability of 0.9."
    assert answer(None, None, None) == "No number of repeats is expected to reach a reliability of 0.9."


def test_a_plan_of_repeats_is_shown_as_text_or_as_json(prefpipe: Run, data: Path) -> None:
    rows = pl.read_parquet(data / "votes.parquet")
    pl.concat([rows, rows.with_columns(repeat=pl.lit(1, pl.Int32))]).write_parquet("pilot.parquet")
    done = prefpipe("repeats", "pilot.parquet", "--min-w", 0.7, "--up-to", 3)
    assert done.returncode == 0
    assert done.stdout.startswith("One ranking has a reliability of 1.00")
    assert done.stdout.splitlines()[1] == "1 repeat is expected to reach a reliability of 0.9."
    assert "warning: The pilot has 5 prompts that were ranked twice" in done.stderr
    told = json.loads(prefpipe("repeats", "pilot.parquet", "--json", "--reliability", 0.8).stdout)
    assert (told["wanted"], told["repeats"], len(told["steps"])) == (0.8, 1, 10)
    refused = prefpipe("repeats", data / "votes.parquet")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "has two complete rankings." in refused.stderr
