"""What `prefpipe rank` says beside scores: chances to win, and how many candidates came out best."""

import math
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline import export, filter, rank  # noqa: A004 - the verb of the command
from prefpipe.pipeline.ranking.methods import METHODS
from prefpipe.pipeline.tables import RANKINGS

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]

NEW = ("win_probabilities", "distinct_winners")


def vote(shown: str, ranks: list[int] | None, prompt: str = "p", repeat: int = 0) -> Row:
    return {"prompt_id": prompt, "judge": "j", "shown": list(shown), "ranks": ranks, "repeat": repeat}


def lists(*orders: str, prompt: str = "p") -> list[Row]:
    return [vote(order, list(range(1, len(order) + 1)), prompt, repeat) for repeat, order in enumerate(orders)]


def ranked(votes: Path, **options: Any) -> list[Row]:
    rank(votes, "rankings.parquet", **options)
    rows: list[Row] = pq.read_table("rankings.parquet").to_pylist()
    return rows


def test_two_candidates_have_the_chances_that_their_logits_give(write_lines: WriteLines) -> None:
    votes = write_lines("v.jsonl", [*lists("ab", "ab", "ba"), vote("ba", [2, 1], repeat=3)])
    [row] = ranked(votes, position_effect=0.8)
    ahead, behind = row["scores"]
    assert ahead > behind
    expected = 1 / (1 + math.exp(behind - ahead))
    assert row["win_probabilities"] == pytest.approx([expected, 1 - expected], abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_chances_stand_in_the_order_of_ranks_or_are_null(write_lines: WriteLines, method: str) -> None:
    rows = [vote(first + second, [1, 2] if first < second else [2, 1]) for first, second in permutations("abcd", 2)]
    rows += [vote("ab", [1, 1], "tied"), vote("ba", [1, 1], "tied")]
    rows += [vote("a", [1], "alone"), vote("ab", None, "silent")]
    clear, tied, alone, silent = ranked(write_lines("v.jsonl", rows), method=method)
    assert silent["win_probabilities"] is None
    assert alone["win_probabilities"] == [None]
    if METHODS[method].link is None:
        assert clear["win_probabilities"] == [None] * 4
        return
    chances = clear["win_probabilities"]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) == pytest.approx(2)
    assert chances[0] > 0.5 > chances[3]
    assert tied["win_probabilities"] == pytest.approx([0.5, 0.5], abs=1e-3)


@pytest.mark.parametrize(
    ("rows", "winners"),
    [
        (lists("abc"), 1),
        (lists("abc", "acb", "abc"), 1),
        (lists("abc", "bac", "bca"), 2),
        (lists("abc", "bca", "cab", "cba"), 3),
        ([vote("abc", [1, 1, 3])], 2),
        ([vote("abc", [1, 1, 3], repeat=0), vote("abc", [1, 2, 3], repeat=1)], 2),
        ([vote("ab", [1, 2]), vote("ba", [1, 2])], 2),
        ([vote("ab", [1, 2]), vote("bc", [1, 2])], None),
        ([vote("ab", None)], None),
        ([vote("a", [1])], None),
    ],
    ids=["one", "same", "two", "three", "tied", "tied once", "conflict", "incomplete", "silent", "single"],
)
def test_distinct_winners_counts_all_that_ever_came_out_best(
    write_lines: WriteLines, rows: list[Row], winners: int | None
) -> None:
    [row] = ranked(write_lines("v.jsonl", rows))
    assert row["distinct_winners"] == winners


def test_rankings_made_before_these_columns_are_filtered_and_exported(write_lines: WriteLines) -> None:
    answers = [
        {"prompt_id": "p", "response_id": name, "prompt": "Why?", "model": f"model {name}", "content": f"So {name}."}
        for name in "abc"
    ]
    responses = write_lines("r.jsonl", answers)
    ranked(write_lines("v.jsonl", lists("abc", "abc")))
    pq.write_table(pq.read_table("rankings.parquet").drop_columns(list(NEW)), "older.parquet")
    filter("older.parquet", "kept.parquet", min_consistency=0.5)
    kept = pq.read_table("kept.parquet")
    assert kept.schema.equals(RANKINGS.schema)
    assert [kept[name].to_pylist() for name in NEW] == [[None], [None]]
    export("older.parquet", "preferences.parquet", responses=responses)
    assert pq.read_table("preferences.parquet").num_rows == 1
