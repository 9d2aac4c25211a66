import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline import judge, leaderboard
from prefpipe.pipeline import leaderboard as module_function
from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.leaderboards import Board, Leaderboard, Standing
from prefpipe.pipeline.ranking.leaderboards import METHODS
from prefpipe.pipeline.reading import provenance
from prefpipe.pipeline.tables import LEADERBOARD

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]


def vote(shown: Sequence[str], ranks: list[int | None] | None, prompt: object = 0, **more: Any) -> Row:
    return {"prompt_id": f"p{prompt}", "judge": "j", "shown": list(shown), "ranks": ranks} | more


def simulated(prompts: int = 40, seed: int = 0, models: str = "abc", beta: float = 0.4) -> list[Row]:
    """Votes on every pair in both orders, by a judge who favours the first slot; prompts suit models differently."""
    rng = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        theta = np.linspace(1, -1, len(models)) + rng.normal(0, 0.8, len(models))
        for i in range(len(models)):
            for j in range(len(models)):
                if i == j:
                    continue
                won = rng.random() < 1 / (1 + math.exp(-(theta[i] - theta[j] + beta)))
                ranks = [1, 1] if rng.random() < 0.1 else [1, 2] if won else [2, 1]
                rows.append(vote([models[i], models[j]], list(ranks), prompt))
    return rows


def standings(found: Leaderboard, board: int = 0) -> dict[str, Standing]:
    return {standing.model: standing for standing in found.boards[board].standings}


def summary(found: Leaderboard) -> Any:
    assert found.summary is not None
    return found.summary


def test_models_come_best_first_with_intervals_ranks_and_counts(write_lines: WriteLines) -> None:
    found = leaderboard(write_lines("votes.jsonl", simulated(100)))
    [board] = found.boards
    assert (found.method, found.scale, found.by, board.value, board.part, board.prompts) == (
        "bradley-terry",
        "logit",
        None,
        None,
        1,
        100,
    )
    assert [one.model for one in board.standings] == ["a", "b", "c"]
    assert [(one.rank, one.rank_low, one.rank_high) for one in board.standings] == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    assert sum(one.score or 0 for one in board.standings) == pytest.approx(0, abs=1e-9)
    for one in board.standings:
        assert one.low is not None
        assert one.high is not None
        assert one.low < (one.score or 0) < one.high
        assert one.standard_error == pytest.approx(one.prompt_error, rel=0.3)
        assert one.wins + one.ties + one.losses == one.votes == 400
        assert one.prompts == 100
        assert one.win_rate == pytest.approx((one.wins + one.ties / 2) / 400)
        assert [other.model for other in one.against] == [name for name in "abc" if name != one.model]
        assert sum(other.wins for other in one.against) == one.wins
        assert {other.prompts for other in one.against} == {100}
    first, _second, third = board.standings
    assert first.over_next is not None
    assert first.over_next < 0.01
    assert third.over_next is None
    assert board.position_effect == pytest.approx(0.35, abs=0.2)
    assert summary(found).account() == "600 votes in = 600 out + 0 dropped"
    assert summary(found).figures["comparisons"] == 600


def test_scores_are_those_of_bradley_terry_with_half_a_win_and_a_loss_added_to_each_model(
    write_lines: WriteLines,
) -> None:
    """Three wins against one: with pseudo-votes of both models, 4 to 2."""
    rows = [
        vote("ab" if number % 2 else "ba", [1, 2] if (number % 2) == (number != 2) else [2, 1], number)
        for number in range(4)
    ]
    found = standings(leaderboard(write_lines("votes.jsonl", rows), position_effect=None))
    assert (found["a"].wins, found["a"].losses) == (3, 1)
    assert found["a"].score == pytest.approx(math.log(4 / 2) / 2)


def fitted(points: np.ndarray) -> np.ndarray:
    """Bradley and Terry's scores by the classical iteration, from points of i against j."""
    worth = np.ones(len(points))
    for _ in range(300):
        met = points + points.T
        worth = points.sum(1) / (met / (worth[:, None] + worth)).sum(1)
        worth /= np.exp(np.log(worth).mean())
    return np.log(worth)


def test_errors_are_those_of_drawing_prompts_with_replacement(write_lines: WriteLines) -> None:
    """The plain bootstrap in a few lines; and votes taken for independent would make the errors too small."""
    rows = [row for row in simulated(60, beta=0.0) for _ in range(3)]
    found = standings(leaderboard(write_lines("votes.jsonl", rows), position_effect=None, draws=600))
    points = np.zeros((60, 3, 3))
    for row in rows:
        i, j = ("abc".index(name) for name in row["shown"])
        share = 0.5 + (row["ranks"][1] - row["ranks"][0]) / 2
        prompt = int(row["prompt_id"][1:])
        points[prompt, i, j] += share
        points[prompt, j, i] += 1 - share
    rng = np.random.default_rng(1)
    drawn = np.array([fitted(points[rng.integers(0, 60, 60)].sum(0)) for _ in range(600)])
    for index, name in enumerate("abc"):
        assert found[name].standard_error == pytest.approx(drawn[:, index].std(), rel=0.12)
        assert found[name].prompt_error == pytest.approx(drawn[:, index].std(), rel=0.12)
        assert (found[name].vote_error or 0) < 0.75 * drawn[:, index].std()
        assert found[name].score == pytest.approx(fitted(points.sum(0))[index], abs=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_neither_the_order_of_the_rows_nor_names_change_anything(write_lines: WriteLines, method: str) -> None:
    rows = simulated(12, models="abcd")
    rows += [
        vote("adb", [2, 1, 2], "list"),
        vote("c", None, "rated", scores=[3.0]),
        vote("a", None, "rated", scores=[2.0]),
    ]
    one = leaderboard(write_lines("one.jsonl", rows), method=method, draws=20)
    random.Random(0).shuffle(rows)  # noqa: S311 - a test's choice
    other = leaderboard(write_lines("other.jsonl", rows), method=method, draws=20)
    for mine, theirs in zip(one.boards[0].standings, other.boards[0].standings, strict=True):
        for name, value in vars(mine).items():
            wanted = vars(theirs)[name]
            assert value == (pytest.approx(wanted, abs=1e-7) if isinstance(wanted, float) else wanted), name


def test_the_seed_decides_the_draws(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", simulated(20))
    one, again, other = (leaderboard(votes, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert standings(one)["a"].score == standings(other)["a"].score
    assert standings(one)["a"].low != standings(other)["a"].low


def test_with_responses_answers_stand_for_their_models_and_pairs_of_one_model_are_left_out(
    write_lines: WriteLines,
) -> None:
    wrote = {"a": "x", "b": "x", "c": "y"}
    responses = write_lines(
        "responses.jsonl",
        [
            {"prompt": f"p{p}", "prompt_id": f"p{p}", "response_id": f"{p}{letter}", "model": model, "content": letter}
            for p in range(5)
            for letter, model in wrote.items()
        ],
    )
    rows = [vote([f"{p}{one}", f"{p}{two}"], [1, 2], p) for p in range(5) for one, two in ("ab", "ac", "bc", "ca")]
    rows += [vote(["0a", "0c"], None), vote(["1a"], None, 1, scores=[2.0]), vote(["1a", "1c"], [1, None], 1)]
    found = leaderboard(write_lines("votes.jsonl", rows), responses=responses)
    assert (standings(found)["x"].wins, standings(found)["y"].wins) == (10, 5)
    assert summary(found).account() == (
        "23 votes in = 15 out + 8 dropped (1 without a verdict, 5 between answers of one model, 2 that compare nothing)"
    )


def test_answers_taken_for_models_are_refused(data: Path) -> None:
    with pytest.raises(UsageError, match="are answers, not models: none is shown on two prompts") as refusal:
        leaderboard(data / "votes.parquet")
    assert refusal.value.hint == "Give --responses, which say which model wrote each."


def test_simulated_models_are_ranked_by_their_strength(data: Path) -> None:
    found = leaderboard(data / "votes.parquet", responses=data / "responses.parquet")
    assert [one.model for one in found.boards[0].standings] == ["sim:strong", "sim:fair", "sim:weak"]
    judge(
        data / "responses.parquet", "lists.parquet", judges=["sim:judge"], protocol="listwise", repeats=2, store="s.db"
    )
    lists = leaderboard("lists.parquet", responses=data / "responses.jsonl", scale="elo", anchor="sim:fair")
    assert [one.model for one in lists.boards[0].standings] == ["sim:strong", "sim:fair", "sim:weak"]
    fixed = standings(lists)["sim:fair"]
    assert (fixed.score, fixed.low, fixed.high, fixed.standard_error) == (1000, None, None, None)
    assert (fixed.votes, fixed.prompts, fixed.wins + fixed.ties + fixed.losses) == (10, 5, 20)


def test_by_a_column_each_value_has_a_board_as_if_alone(write_lines: WriteLines) -> None:
    rows = simulated(30)
    responses = write_lines(
        "responses.jsonl",
        [
            {"prompt": f"p{p}", "prompt_id": f"p{p}", "response_id": name, "model": name, "content": name}
            | ({} if p % 3 == 2 else {"topic": ["maths", "code"][p % 3]})
            for p in range(30)
            for name in "abc"
        ],
    )
    found = leaderboard(write_lines("votes.jsonl", rows), responses=responses, by="topic")
    assert found.by == "topic"
    assert [(board.value, board.prompts) for board in found.boards] == [
        (None, 30),
        ("code", 10),
        ("maths", 10),
        ("(none)", 10),
    ]
    some = [row for row in rows if int(row["prompt_id"][1:]) % 3 == 1]
    [alone] = leaderboard(write_lines("some.jsonl", some)).boards
    assert found.boards[1] == replace(alone, value="code")
    assert summary(found).figures["boards"] == 4


def test_models_that_were_never_compared_are_ranked_apart_and_flagged(write_lines: WriteLines) -> None:
    rows = [*simulated(10), vote("xy", [1, 2], 0), vote("yx", [2, 1], 1), vote("z", [1], 2), vote("wz", None, 3)]
    found = leaderboard(write_lines("votes.jsonl", rows))
    assert [(board.part, [one.model for one in board.standings]) for board in found.boards] == [
        (1, ["a", "b", "c"]),
        (2, ["x", "y"]),
        (0, ["w", "z"]),
    ]
    x, y = found.boards[1].standings
    assert (x.flags, y.flags) == (["never-lost"], ["never-won"])
    w = found.boards[2].standings[0]
    assert (w.rank, w.score, w.win_rate, w.votes, w.flags) == (None, None, None, 0, ["not-compared"])
    parts, lonely = summary(found).warnings
    assert parts.startswith("The models fall into 2 parts that were never compared with each other")
    assert lonely == "2 of the models were compared with no other, so they have no rank: w, z."


def test_a_model_that_always_won_is_first_with_an_honest_interval(write_lines: WriteLines) -> None:
    rows = simulated(20) + [vote([one, "z"], [2, 1], prompt) for prompt in range(20) for one in "abc"]
    found = standings(leaderboard(write_lines("votes.jsonl", rows), position_effect=None))
    best = found["z"]
    assert (best.rank, best.losses, best.flags, best.win_rate) == (1, 0, ["never-lost"], 1)
    assert best.score is not None
    assert best.low is not None
    assert best.high is not None
    assert best.high - best.score > 1.3 * (best.score - best.low) > 1
    assert (best.rank_low, best.rank_high) == (1, 1)


def test_votes_on_one_prompt_say_nothing_of_others(write_lines: WriteLines) -> None:
    found = leaderboard(write_lines("votes.jsonl", simulated(1) * 5))
    for one in found.boards[0].standings:
        assert one.score is not None
        assert (one.low, one.high, one.standard_error, one.prompt_error, one.over_next) == (None,) * 5
        assert (one.rank_low, one.rank_high) == (1, 3)
    assert summary(found).warnings == (
        "All votes are on one prompt, so nothing is known of what other prompts would say.",
    )


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_the_output_is_a_leaderboard_table_and_says_how_it_was_made(write_lines: WriteLines, ending: str) -> None:
    votes = write_lines("votes.jsonl", [*simulated(10), vote("xy", [1, 2], 0)])
    found = leaderboard(votes, f"out.{ending}", scale="elo", draws=20)
    rows = (
        pl.read_parquet("out.parquet").to_dicts()
        if ending == "parquet"
        else [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    )
    assert [row["model"] for row in rows] == ["a", "b", "c", "x", "y"]
    best = standings(found)["a"]
    for name, value in rows[0].items():
        if name == "against":
            assert value == [vars(one) for one in best.against]
        elif name not in {"method", "scale", "by", "value", "part"}:
            assert value == vars(best)[name], name
    assert [(row["method"], row["scale"], row["part"]) for row in rows[2:4]] == [
        ("bradley-terry", "elo", part) for part in (1, 2)
    ]
    if ending == "parquet":
        assert pq.read_schema("out.parquet").equals(LEADERBOARD.schema)
        made = provenance("out.parquet")
        assert made is not None
        assert (made.stage, made.settings["scale"], made.inputs[0]["name"]) == ("leaderboard", "elo", "votes.jsonl")


def test_methods_that_ignore_slots_warn_of_a_biased_judge(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", simulated(60, beta=2.0))
    [warning] = summary(leaderboard(votes, method="win-rate", draws=20)).warnings
    assert "does not correct for that" in warning
    assert summary(leaderboard(votes, draws=20)).warnings == ()


def test_an_anchor_that_is_not_on_every_board_is_told(write_lines: WriteLines) -> None:
    found = leaderboard(write_lines("votes.jsonl", [*simulated(10), vote("xy", [1, 2], 0)]), anchor="x")
    assert standings(found, 1)["x"].score == 0
    assert summary(found).warnings[-1] == "x is not on 1 of 2 boards: there, the scores' mean is fixed."


def test_models_without_a_rank_are_no_board_to_be_counted(write_lines: WriteLines) -> None:
    found = summary(leaderboard(write_lines("votes.jsonl", [*simulated(10), vote("z", [1])]), anchor="z"))
    assert found.figures["boards"] == 1
    assert found.warnings == (
        "1 of the models was compared with no other, so it has no rank: z.",
        "z is not on 1 of 1 boards: there, the scores' mean is fixed.",
    )


@pytest.mark.parametrize(
    ("options", "sentence", "hint"),
    [
        ({"method": "bradly-terry"}, "There is no method 'bradly-terry'.", "Did you mean 'bradley-terry'?"),
        ({"scale": "elos"}, "There is no scale 'elos'.", "Did you mean 'elo'?"),
        ({"anchor": "d"}, "There is no model 'd' to fix.", "Known: a, b, c."),
        ({"by": "topic"}, "Prompts can be told apart by a column only with the responses.", "Give --responses."),
        ({"draws": 19}, "--draws 19 lies outside 20 to 100,000.", "100 draws are enough for most purposes."),
        ({"draws": 100_001}, "--draws 100,001 lies outside 20 to 100,000.", "100 draws are enough for most purposes."),
        ({"seed": -1}, "--seed -1 is negative.", "Give 0 or more."),
        (
            {"method": "borda", "scale": "elo"},
            "The scores of borda have a unit of their own, so they take neither --scale nor --anchor.",
            "Methods that do: bradley-terry, robust, davidson, rao-kupper, elo, rank-centrality, luce-spectral.",
        ),
        (
            {"method": "davidson", "position_effect": 0.3},
            "davidson takes no given position effect.",
            "Give it to bradley-terry, or have it estimated.",
        ),
        (
            {"position_effect": math.nan},
            "A position effect cannot be nan.",
            "Give a number of logits, or 'estimate'.",
        ),
    ],
)
def test_an_option_that_cannot_be_used_is_refused_and_nothing_written(
    write_lines: WriteLines, options: Row, sentence: str, hint: str
) -> None:
    votes = write_lines("votes.jsonl", simulated(3))
    with pytest.raises(UsageError) as refusal:
        leaderboard(votes, "out.parquet", **options)
    assert (refusal.value.message, refusal.value.hint) == (sentence, hint)
    assert not Path("out.parquet").exists()


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        ([vote("ab", None), vote("a", [1])], "Votes without a verdict: 1; their columns status and error may say why."),
        ([vote("a", [1]), vote("b", [1])], "Votes must rank answers of two different models."),
        ([vote("ab", [1, None])], "Votes must rank answers of two different models."),
    ],
)
def test_votes_that_compare_nothing_are_refused_with_what_they_lack(
    write_lines: WriteLines, rows: list[Row], hint: str
) -> None:
    with pytest.raises(UsageError, match=r"No vote in .* compares two models.") as refusal:
        leaderboard(write_lines("votes.jsonl", rows))
    assert refusal.value.hint == hint


def test_too_many_models_are_refused(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", [vote([f"m{number}", f"m{number + 1}"], [1, 2]) for number in range(501)])
    with pytest.raises(UsageError, match="are on 502 different ids; a leaderboard takes at most 500") as refusal:
        leaderboard(votes)
    assert refusal.value.hint == "Give --responses, so that answers of the same model count as one."


def test_many_models_and_more_groups_than_fit_are_ranked_as_few_are(
    write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefpipe.pipeline.ranking import prompt_bootstrap, prompt_groups

    votes = write_lines("votes.jsonl", simulated(30, models="abcde"))
    whole = leaderboard(votes, draws=20)
    monkeypatch.setattr(prompt_groups, "BLOCK", 200)
    monkeypatch.setattr(prompt_bootstrap, "BLOCK", 60)
    parts = leaderboard(votes, draws=20)
    for one, other in zip(whole.boards[0].standings, parts.boards[0].standings, strict=True):
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-5)


def test_the_function_is_exported() -> None:
    assert module_function is leaderboard
    assert Board.__dataclass_fields__.keys() >= {"standings", "part"}
