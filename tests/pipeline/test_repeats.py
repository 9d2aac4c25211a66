import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from prefpipe.pipeline import generate, judge, repeats
from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.ranking.kendall_w import pass_rate_of_random_judge

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]


def lists(prompts: int, times: int, noise: float, items: str = "abcd", seed: int = 0, **more: Any) -> list[Row]:
    """Rankings of candidates by their quality on a prompt, seen through noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        quality = rng.normal(size=len(items))
        for repeat in range(times):
            seen = quality + noise * rng.normal(size=len(items))
            ranks = rankdata(-seen).astype(int).tolist()
            row = {"prompt_id": f"p{prompt}", "judge": "j", "repeat": repeat, "shown": list(items), "ranks": ranks}
            rows.append(row | more)
    return rows


def pairs(prompts: int, times: int, sharpness: float, items: str = "abc", seed: int = 0) -> list[Row]:
    """Votes on all pairs in both orders by a judge of known sharpness."""
    rng = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        quality = dict(zip(items, rng.normal(size=len(items)), strict=True))
        for repeat in range(times):
            for one in items:
                for two in items.replace(one, ""):
                    won = rng.random() < 1 / (1 + np.exp(sharpness * (quality[two] - quality[one])))
                    row = {"prompt_id": f"p{prompt}", "judge": "j", "repeat": repeat, "shown": [one, two]}
                    rows.append(row | {"ranks": [1, 2] if won else [2, 1]})
    return rows


def measured(votes: list[Row], together: int) -> float:
    """Correlate the mean ranks of some repeats with those of as many others, over all prompts."""
    points: dict[tuple[str, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in votes:
        for name, rank in zip(row["shown"], row["ranks"], strict=True):
            points[row["prompt_id"], row["repeat"]][name] += sum(np.sign(other - rank) for other in row["ranks"])
    products, squares = 0.0, 0.0
    for prompt in {prompt for prompt, _ in points}:
        names = sorted(points[prompt, 0])
        ranks = [rankdata([-points[prompt, repeat][name] for name in names]) for repeat in range(2 * together)]
        one, two = (np.mean(part, axis=0) - (len(names) + 1) / 2 for part in (ranks[:together], ranks[together:]))
        products += one @ two
        squares += (one @ one + two @ two) / 2
    return products / squares


def test_the_answer_is_the_least_number_that_reaches_what_is_wanted(write_lines: WriteLines) -> None:
    plan = repeats(write_lines("votes.jsonl", lists(200, 3, 0.7)), reliability=0.9)
    assert plan.repeats is not None
    assert plan.fewest is not None
    assert plan.most is not None
    assert plan.fewest <= plan.repeats <= plan.most
    assert plan.steps[plan.repeats - 1].reliability >= 0.9 > plan.steps[plan.repeats - 2].reliability
    assert [step.repeats for step in plan.steps] == list(range(1, 11))
    assert (plan.prompts, plan.left_out, plan.rankings, plan.questions) == (200, 0, 3, 1)
    assert plan.low is not None
    assert plan.high is not None
    assert plan.low < plan.reliability < plan.high
    for step in plan.steps:
        assert step.correlation == pytest.approx(step.reliability**0.5)
        assert (step.calls_a_prompt, step.calls, step.passed_by_chance) == (step.repeats, 200 * step.repeats, None)


@pytest.mark.parametrize("together", [1, 2, 5])
def test_repeats_are_as_reliable_together_as_predicted(write_lines: WriteLines, together: int) -> None:
    plan = repeats(write_lines("votes.jsonl", lists(300, 2, 1.0)))
    step = plan.steps[together - 1]
    truth = measured(lists(1500, 2 * together, 1.0, seed=1), together)
    assert step.low is not None
    assert step.high is not None
    assert step.low < truth < step.high
    assert step.high - step.low < 0.2


def test_pairs_in_both_orders_are_one_ranking_a_repeat_and_so_many_calls(write_lines: WriteLines) -> None:
    plan = repeats(write_lines("votes.jsonl", pairs(200, 2, 1.5)), up_to=4)
    assert (plan.questions, plan.rankings) == (6, 2)
    assert [(step.calls_a_prompt, step.calls) for step in plan.steps] == [(6, 1200), (12, 2400), (18, 3600), (24, 4800)]
    step = plan.steps[1]
    assert step.low is not None
    assert step.high is not None
    assert step.low < measured(pairs(2000, 4, 1.5, seed=1), 2) < step.high


@pytest.mark.parametrize(("protocol", "models", "prompts"), [("listwise", 4, 250), ("pairwise", 3, 150)])
def test_a_pilot_of_simulated_judges_predicts_what_more_repeats_give(
    write_lines: WriteLines, protocol: str, models: int, prompts: int
) -> None:
    """Through the whole chain: a dull judge, a pilot of two repeats, and eight others to see the truth."""
    questions = write_lines("prompts.jsonl", [{"prompt": f"Question {number}?"} for number in range(prompts)])
    names = ["sim:good", "sim:fair", "sim:fair?seed=1", "sim:weak"][:models]
    generate(questions, "responses.parquet", models=names)
    judges = ["sim:judge?sharpness=1&tie_zone=0.1"]
    judge("responses.parquet", "pilot.parquet", judges=judges, protocol=protocol, repeats=2, seed=1)
    judge("responses.parquet", "truth.parquet", judges=judges, protocol=protocol, repeats=8, seed=2)
    plan = repeats("pilot.parquet", up_to=4)
    truth = pl.read_parquet("truth.parquet", columns=["prompt_id", "repeat", "shown", "ranks"]).to_dicts()
    assert plan.questions == (1 if protocol == "listwise" else 6)
    assert 0.2 < plan.reliability < 0.85
    for step in (plan.steps[1], plan.steps[3]):
        assert step.low is not None
        assert step.high is not None
        half = (step.high - step.low) / 2  # the truth is measured on as many prompts, so it has an error too
        assert measured(truth, step.repeats) == pytest.approx(step.reliability, abs=1.4 * half)
        assert half < 0.12


def test_neither_the_order_of_the_rows_nor_of_the_prompts_changes_anything(write_lines: WriteLines) -> None:
    rows = lists(40, 3, 1.0)
    one = repeats(write_lines("one.jsonl", rows))
    random.Random(0).shuffle(rows)  # noqa: S311 - a test's choice
    other = repeats(write_lines("other.jsonl", rows))
    assert vars(one)["reliability"] == pytest.approx(other.reliability)
    assert [one.low, one.high] == pytest.approx([other.low, other.high])
    assert one != repeats("one.jsonl", seed=1)


def test_minimal_votes_count_their_repeats_themselves(write_lines: WriteLines) -> None:
    rows = lists(30, 3, 0.5)
    whole = repeats(write_lines("whole.jsonl", rows))
    minimal = [{name: row[name] for name in ("prompt_id", "judge", "shown", "ranks")} for row in rows]
    assert repeats(write_lines("minimal.jsonl", minimal)) == whole


def test_how_often_a_coin_flipping_judge_passes_is_told_for_the_pilots_prompts(write_lines: WriteLines) -> None:
    rows = lists(30, 2, 0.5) + [row | {"prompt_id": f"q{row['prompt_id']}"} for row in lists(10, 2, 0.5, items="ab")]
    plan = repeats(write_lines("votes.jsonl", rows), min_w=0.7)
    assert plan.steps[0].passed_by_chance is None
    for step in plan.steps[1:]:
        wanted = 0.75 * pass_rate_of_random_judge(step.repeats, 4, 0.7) + 0.25 * pass_rate_of_random_judge(
            step.repeats, 2, 0.7
        )
        assert step.passed_by_chance == pytest.approx(wanted)


def test_prompts_ranked_once_and_votes_without_a_verdict_are_left_out(write_lines: WriteLines) -> None:
    rows = lists(30, 2, 0.5)
    lonely = [row | {"prompt_id": f"q{row['prompt_id']}"} for row in lists(5, 1, 0.5)]
    failed = [row | {"ranks": None, "status": "refused", "repeat": 7} for row in rows[:4]]
    plan = repeats(write_lines("votes.jsonl", rows + lonely + failed))
    assert (plan.prompts, plan.left_out, plan.rankings) == (30, 5, 2)
    assert plan.reliability == repeats(write_lines("some.jsonl", rows)).reliability


def test_ratings_give_rankings_too(write_lines: WriteLines) -> None:
    rows = [
        {
            "prompt_id": row["prompt_id"],
            "judge": "j",
            "repeat": row["repeat"],
            "shown": [name],
            "ranks": None,
            "scores": [-rank],
        }
        for row in lists(40, 2, 0.7)
        for name, rank in zip(row["shown"], row["ranks"], strict=True)
    ]
    plan = repeats(write_lines("ratings.jsonl", rows))
    assert plan.questions == 4
    assert plan.reliability == pytest.approx(repeats(write_lines("lists.jsonl", lists(40, 2, 0.7))).reliability)


def test_several_judges_are_repeats_of_one_another_unless_one_is_named(write_lines: WriteLines) -> None:
    ana, ben = lists(40, 2, 0.3), [row | {"judge": "ben"} for row in lists(40, 2, 3.0, seed=5)]
    votes = write_lines("votes.jsonl", ana + ben)
    both = repeats(votes)
    assert both.warnings == (
        "Rankings by 2 judges count as repeats of one; name one with --judge to plan for it alone.",
    )
    one = repeats(votes, judge="j")
    assert one.warnings == ()
    assert one.reliability == repeats(write_lines("ana.jsonl", ana)).reliability > both.reliability
    with pytest.raises(UsageError, match=r"No vote in .* is by a judge named 'bea'.") as refusal:
        repeats(votes, judge="bea")
    assert refusal.value.hint == "Did you mean 'ben'?"


def test_random_rankings_are_reliable_at_no_number(write_lines: WriteLines) -> None:
    plan = repeats(write_lines("votes.jsonl", lists(100, 3, 1e6)))
    assert abs(plan.reliability) < 0.15
    assert plan.most is None
    assert plan.warnings[-1].startswith("The rankings may be no more alike than random ones")


def test_a_small_pilot_is_warned_of(write_lines: WriteLines) -> None:
    [warning] = repeats(write_lines("votes.jsonl", lists(5, 4, 0.3))).warnings
    assert warning == "The pilot has 5 prompts that were ranked twice: too few to rely on the interval."


def test_a_pilot_of_one_prompt_is_warned_of_in_the_singular(write_lines: WriteLines) -> None:
    [warning, *_] = repeats(write_lines("votes.jsonl", lists(1, 4, 0.3))).warnings
    assert warning == "The pilot has 1 prompt that was ranked twice: too few to rely on the interval."


def test_the_largest_number_of_repeats_that_may_be_asked_for_is_shown(write_lines: WriteLines) -> None:
    assert len(repeats(write_lines("votes.jsonl", lists(3, 2, 1.0)), up_to=10_000).steps) == 10_000


def test_votes_without_any_verdict_are_not_blamed_on_too_few_repeats(write_lines: WriteLines) -> None:
    votes = [row | {"ranks": None} for row in lists(10, 2, 1.0)]
    with pytest.raises(UsageError, match=r"No vote in .* has a verdict\.$") as error:
        repeats(write_lines("votes.jsonl", votes))
    assert error.value.hint == "A vote has one if its status is ok and its ranks are not null."


def test_equal_rankings_need_no_repeats(write_lines: WriteLines) -> None:
    plan = repeats(write_lines("votes.jsonl", lists(30, 3, 0.0)))
    assert (plan.reliability, plan.low, plan.high, plan.repeats) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reliability": 1.0}, "A reliability of 1 cannot be planned."),
        ({"reliability": 0.0}, "A reliability of 0 cannot be planned."),
        ({"min_w": 1.5}, "--min-w 1.5 lies outside 0 to 1."),
        ({"up_to": 0}, "With --up-to 0, nothing is shown."),
        ({"up_to": 10_001}, "--up-to 10,001 is too many."),
        ({"seed": -1}, "--seed -1 is negative."),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(write_lines: WriteLines, options: Row, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        repeats(write_lines("votes.jsonl", lists(3, 2, 1.0)), **options)
    assert refusal.value.message == sentence


def test_votes_without_two_rankings_of_any_prompt_are_refused(write_lines: WriteLines) -> None:
    once = write_lines("once.jsonl", lists(10, 1, 1.0))
    with pytest.raises(UsageError, match=r"No prompt of .* has two complete rankings."):
        repeats(once)
    tied = [row | {"ranks": [1, 1, 1, 1]} for row in lists(10, 2, 1.0)]
    with pytest.raises(UsageError, match=r"has two complete rankings that tell any candidates apart."):
        repeats(write_lines("tied.jsonl", tied))


def test_a_named_judge_is_planned_for_as_if_the_others_had_not_voted(write_lines: WriteLines) -> None:
    random = np.random.default_rng(0)
    mine = [
        {"prompt_id": f"p{prompt}", "judge": "a", "repeat": repeat, "shown": list(pair), "ranks": ranks}
        for prompt in range(10)
        for repeat in range(2)
        for pair in permutations("xyz", 2)
        for ranks in [[1, 2] if random.random() < 0.7 else [2, 1]]
    ]
    others = [
        {"prompt_id": f"p{prompt}", "judge": "b", "repeat": 0, "shown": list("xyz"), "ranks": [1, 2, 3]}
        for prompt in range(30)
    ]
    alone = repeats(write_lines("mine.jsonl", mine))
    chosen = repeats(write_lines("all.jsonl", [*others, *mine]), judge="a")
    assert chosen == alone
    assert (chosen.questions, chosen.steps[0].calls, chosen.left_out) == (6, 60, 0)
