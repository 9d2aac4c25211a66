import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl
import pytest

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
        "repeats  reliability  95 % interval  with infinitely many  calls per prompt  calls for 1,200 prompts  "
        "W ≥ 0.7 by chance",
        "      1         0.57   0.51 to 0.63                  0.75                 6                    7,200  "
        "                -",
        "      2         0.73   0.67 to 0.77                  0.85                12                   14,400  "
        "            37.5%",
    ]


@pytest.mark.parametrize(
    ("left_out", "line", "column"),
    [
        (1, "1 prompt has fewer than two, and is left out.", "calls for 1,201 prompts"),
        (270, "270 prompts have fewer than two, and are left out.", "calls for 1,470 prompts"),
    ],
)
def test_prompts_that_are_left_out_are_counted_but_not_forgotten(left_out: int, line: str, column: str) -> None:
    shown = list(lines_of(replace(PLAN, left_out=left_out)))
    assert shown[1] == line
    assert column in shown[4]


def test_numbers_are_not_rounded_to_what_they_are_not() -> None:
    step = replace(PLAN.steps[0], calls_a_prompt=12_345.678)
    shown = list(lines_of(replace(PLAN, wanted=0.999999999, min_w=0.99999999, prompts=1, steps=[step])))
    assert shown[0].endswith("from 3.0 rankings of one prompt.")
    assert shown[1].endswith("a reliability of 0.999999999.")
    assert "W ≥ 0.99999999 by chance" in shown[3]
    assert "calls for 1 prompt  " in shown[3]
    assert "12,345.68" in shown[4]


def test_what_was_not_asked_for_or_is_not_known_takes_no_room() -> None:
    steps = [Step(1, 0.5, None, None, 0.7, 6.0, 7200, None)]
    first, _, _, header, row = lines_of(replace(PLAN, low=None, high=None, min_w=None, steps=steps))
    assert first.startswith("One ranking has a reliability of 0.57, from")
    assert header.endswith("calls for 1,200 prompts")
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
    for option in (["--seed", -1], ["--up-to", 100_000_000]):
        assert prefpipe("repeats", "pilot.parquet", *option).returncode == 2
    refused = prefpipe("repeats", data / "votes.parquet")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "has two complete rankings." in refused.stderr
