import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats.votes import Votes, read_votes
from prefpipe.pipeline.tables import VOTES

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]
MINIMAL = pa.schema([VOTES.schema.field(name).with_nullable(True) for name in VOTES.needed])


def vote(shown: str, ranks: list[int | None] | None, prompt: str = "p", judge: str = "j", **more: Any) -> Row:
    return {"prompt_id": prompt, "judge": judge, "shown": list(shown), "ranks": ranks} | more


def told(votes: Votes) -> list[tuple[str, str, int, bool, dict[str, int]]]:
    """Each vote in words again: prompt, judge, repeat, validity, and the rank of each candidate in slot order."""
    rows = []
    for index in range(len(votes.prompt)):
        slots = slice(int(votes.offsets[index]), int(votes.offsets[index + 1]))
        prompt = int(votes.prompt[index])
        names = votes.response_ids[int(votes.candidates[prompt]) : int(votes.candidates[prompt + 1])].to_pylist()
        ranks = {names[item]: int(rank) for item, rank in zip(votes.items[slots], votes.ranks[slots], strict=True)}
        judge = votes.judges[votes.judge[index]]
        row = (votes.prompt_ids[prompt].as_py(), judge, int(votes.repeat[index]), bool(votes.valid[index]), ranks)
        rows.append(row)
    return rows


def test_four_columns_are_enough(write_lines: WriteLines) -> None:
    path = write_lines("votes.jsonl", [vote("ba", [2, 1]), vote("abc", [1, None, 2], "q"), vote("ab", None)])
    assert told(read_votes(path)) == [
        ("p", "j", 0, True, {"b": 2, "a": 1}),
        ("q", "j", 0, True, {"a": 1, "b": 0, "c": 2}),
        ("p", "j", 0, False, {"a": 0, "b": 0}),
    ]


def test_candidates_stand_in_order_of_id_and_prompts_in_order_of_appearance(write_lines: WriteLines) -> None:
    rows = [vote("zy", [1, 2], "second"), vote("dc", [1, 2], "first"), vote("xz", [1, 2], "second")]
    found = read_votes(write_lines("votes.jsonl", rows))
    assert found.prompt_ids.to_pylist() == ["second", "first"]
    assert found.response_ids.to_pylist() == ["x", "y", "z", "c", "d"]
    assert found.candidates.tolist() == [0, 3, 5]


def test_the_same_id_may_name_candidates_of_several_prompts(write_lines: WriteLines) -> None:
    rows = [vote("BA", [1, 2], "p"), vote("CA", [1, 2], "q"), vote("AB", [1, 2], "p")]
    found = read_votes(write_lines("votes.jsonl", rows))
    assert found.response_ids.to_pylist() == ["A", "B", "A", "C"]
    assert [row[4] for row in told(found)] == [{"B": 1, "A": 2}, {"C": 1, "A": 2}, {"A": 1, "B": 2}]


def test_repeats_of_pairs_are_counted_for_each_order_and_those_of_lists_for_each_set(write_lines: WriteLines) -> None:
    rows = [
        vote("ab", [1, 2]),
        vote("ba", [1, 2]),
        vote("ab", [1, 2]),
        vote("ab", [1, 2], judge="k"),
        vote("abc", [1, 2, 3]),
        vote("cab", [1, 2, 3]),
        vote("abd", [1, 2, 3]),
        vote("a", [1], criterion="tone"),
        vote("a", [1], criterion="truth"),
        vote("a", [1], criterion="truth"),
    ]
    whole = read_votes(write_lines("votes.jsonl", rows[:7]))
    assert whole.repeat.tolist() == [0, 0, 1, 0, 0, 1, 0]
    votes = write_lines("votes.jsonl", rows[7:])
    assert [read_votes(votes, criterion).repeat.tolist() for criterion in ("tone", "truth")] == [[0], [0, 1]]


def test_a_repeat_that_is_given_stays(write_lines: WriteLines) -> None:
    rows = [vote("ab", [1, 2], repeat=4), vote("ab", [1, 2]), vote("ab", [1, 2], repeat=2), vote("ab", [1, 2])]
    assert read_votes(write_lines("votes.jsonl", rows)).repeat.tolist() == [4, 0, 2, 1]


@pytest.mark.parametrize("status", ["invalid", "refused", "truncated", "error"])
def test_a_vote_that_is_not_ok_has_no_ranks_whatever_its_row_says(write_lines: WriteLines, status: str) -> None:
    rows = [vote("ab", [1, 2], status="ok"), vote("ab", [1], status=status), vote("ab", [0, 5], status=status)]
    found = read_votes(write_lines("votes.jsonl", rows))
    assert found.valid.tolist() == [True, False, False]
    assert found.ranks.tolist() == [1, 2, 0, 0, 0, 0]


def test_ratings_are_the_scores_of_single_candidates(write_lines: WriteLines) -> None:
    rows = [
        vote("a", [1], scores=[7.5]),
        vote("a", None, scores=[3]),
        vote("a", None, scores=[3], status="ok"),
        vote("a", None, scores=[3], status="error"),
        vote("a", [1]),
        vote("ab", [1, 2], scores=[0.9, 0.1]),
    ]
    found = read_votes(write_lines("votes.jsonl", rows))
    assert found.valid.tolist() == [True, True, True, False, True, True]
    np.testing.assert_array_equal(found.ratings, [7.5, 3, 3, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (vote("ab", [1]), "'ranks' has not as many entries as 'shown'"),
        (vote("ab", [1, 2, 3]), "'ranks' has not as many entries as 'shown'"),
        (vote("ab", None, status="ok"), "'ranks' has not as many entries as 'shown'"),
        (vote("ab", [0, 1]), "'ranks' holds a number below 1"),
        (vote("abca", [1, 2, 3, 4]), "'shown' names the candidate 'a' twice"),
        (vote("aa", [1, 2]), "'shown' names the candidate 'a' twice"),
        (vote("", []), "'shown' is empty"),
        (vote("ab", [1, 2], status="fine"), "the status 'fine' is unknown"),
        (vote("ab", [1, 2], repeat=-1), "'repeat' is negative"),
        (vote("ab", [1, 2]) | {"shown": ["a", None]}, "'shown' holds null"),
        (vote("ab", [1, 2]) | {"prompt_id": None}, "'prompt_id' is missing"),
        (vote("ab", [1, 2]) | {"judge": None}, "'judge' is missing"),
    ],
)
def test_a_row_that_contradicts_itself_is_named(write_lines: WriteLines, bad: Row, sentence: str) -> None:
    rows = [vote("ab", [1, 2])] * 9000 + [bad] + [vote("abc", [1, 2, 3])]
    with pytest.raises(UsageError) as refusal:
        read_votes(write_lines("votes.jsonl", rows))
    assert refusal.value.message == f"{write_lines('votes.jsonl', [])}, row 9,001: {sentence}."
    assert refusal.value.hint


def test_a_mistyped_status_is_answered_with_the_nearest(write_lines: WriteLines) -> None:
    with pytest.raises(UsageError) as refusal:
        read_votes(write_lines("votes.jsonl", [vote("ab", [1, 2], status="invald")]))
    assert refusal.value.hint == "Did you mean 'invalid'?"


def test_a_file_without_votes_is_refused(write_lines: WriteLines) -> None:
    with pytest.raises(UsageError, match="is not a votes table: it lacks the columns judge, shown, ranks"):
        read_votes(write_lines("prompts.jsonl", [{"prompt_id": "p"}]))


def test_parquet_by_another_tool_with_large_types_and_dictionaries_is_read(tmp_path: Path) -> None:
    large = pa.table(
        {
            "prompt_id": pa.array(["p", "p"]).dictionary_encode(),
            "judge": pa.array(["j", "j"], pa.large_string()),
            "shown": pa.array([["b", "a"], ["a", "b"]], pa.large_list(pa.large_string())),
            "ranks": pa.array([[1, 2], [1, 1]], pa.list_(pa.int64())),
        }
    )
    pq.write_table(large, tmp_path / "votes.parquet")
    assert [row[4] for row in told(read_votes(tmp_path / "votes.parquet"))] == [{"b": 1, "a": 2}, {"a": 1, "b": 1}]


rows_of = st.lists(
    st.builds(
        lambda prompt, judge, ranks, offset, valid: vote(
            "".join(chr(97 + (offset + place) % 6) for place in range(len(ranks))),
            ranks if valid else None,
            prompt,
            judge,
        ),
        st.sampled_from("pqr"),
        st.sampled_from("jk"),
        st.lists(st.one_of(st.integers(1, 4), st.none()), min_size=1, max_size=5),
        st.integers(0, 5),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(rows_of)
def test_what_is_read_is_what_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.mktemp("votes") / "votes.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=MINIMAL), path)
    seen: Counter[object] = Counter()
    expected = []
    for row in rows:
        shown = row["shown"]
        question = row["prompt_id"], row["judge"], tuple(shown) if len(shown) == 2 else frozenset(shown)
        ranks = dict(zip(shown, row["ranks"] or [0] * len(shown), strict=True))
        filled = {name: rank or 0 for name, rank in ranks.items()}
        expected.append((row["prompt_id"], row["judge"], seen[question], row["ranks"] is not None, filled))
        seen[question] += 1
    assert told(read_votes(path)) == expected


@given(rows_of, st.integers(0, 99))
def test_other_batches_give_the_same_votes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], seed: int
) -> None:
    rows = random.Random(seed).choices(rows, k=60)  # noqa: S311 - a test's choice
    folder = tmp_path_factory.mktemp("votes")
    table = pa.Table.from_pylist(rows, schema=MINIMAL)
    pq.write_table(table, folder / "whole.parquet")
    pq.write_table(table, folder / "cut.parquet", row_group_size=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefpipe.pipeline.reading.BATCH_ROWS", 4)
        cut = read_votes(folder / "cut.parquet")
    whole = read_votes(folder / "whole.parquet")
    assert told(cut) == told(whole)
    assert cut.prompt_ids.equals(whole.prompt_ids)
    assert cut.response_ids.equals(whole.response_ids)


def test_a_parquet_file_may_hold_codes_or_long_strings(write_lines: WriteLines, tmp_path: Path) -> None:
    rows = [vote("ba", [2, 1], status="ok"), vote("ab", None, "q", status="error"), vote("ab", [1, None], "q", "k")]
    long = pa.large_string()
    coded = pa.dictionary(pa.uint8(), long)
    schema = {"prompt_id": coded, "judge": long, "shown": pa.large_list(long), "ranks": pa.large_list(pa.int64())}
    table = pa.table(
        {name: pa.array([row[name] for row in rows], kind) for name, kind in schema.items()}
        | {"status": pa.array([row.get("status") for row in rows]).dictionary_encode()}
    )
    for rows_of_group in (1, 2, 3):
        pq.write_table(table, tmp_path / "votes.parquet", row_group_size=rows_of_group)
        assert told(read_votes(tmp_path / "votes.parquet")) == told(read_votes(write_lines("votes.jsonl", rows)))


@pytest.mark.parametrize("rows_of_group", [1, 2, 20])
def test_names_that_no_vote_bears_are_left_out(
    write_lines: WriteLines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_of_group: int
) -> None:
    monkeypatch.setattr("prefpipe.pipeline.formats.vote_batches.BATCH_ROWS", 1)
    rows = [vote("ab", [1, 2], f"p{prompt}", f"j{prompt}") for prompt in (3, 1, 4, 1, 2, 3)]
    names = pa.array(["p0", "p1", "p2", "p3", "p4", "p5"])
    judges = pa.array([f"j{index}" for index in range(6)])
    criteria = pa.array(["tone", "facts"])
    codes = pa.array([int(row["prompt_id"][1:]) for row in rows], pa.int8())
    table = pa.table(
        {
            "prompt_id": pa.DictionaryArray.from_arrays(codes, names),
            "judge": pa.DictionaryArray.from_arrays(codes, judges),
            "criterion": pa.DictionaryArray.from_arrays(pa.array([1] * 6, pa.int8()), criteria),
            "shown": pa.array([row["shown"] for row in rows]),
            "ranks": pa.array([row["ranks"] for row in rows]),
        }
    )
    pq.write_table(table, tmp_path / "votes.parquet", row_group_size=rows_of_group)
    found, plain = read_votes(tmp_path / "votes.parquet"), read_votes(write_lines("votes.jsonl", rows))
    assert told(found) == told(plain)
    assert found.prompt_ids.to_pylist() == plain.prompt_ids.to_pylist() == ["p3", "p1", "p4", "p2"]
    assert found.judges == plain.judges


@pytest.mark.parametrize("kind", [pa.ListArray, pa.LargeListArray])
def test_lists_of_codes_are_read_whatever_the_row_groups(
    write_lines: WriteLines, tmp_path: Path, kind: type[pa.ListArray] | type[pa.LargeListArray]
) -> None:
    rows = [vote("ab", [1, 2]), vote("ca", [2, 1]), vote("bc", [1, 1])]
    shown = pa.array([name for row in rows for name in row["shown"]]).dictionary_encode()
    table = pa.table({name: [row[name] for row in rows] for name in ("prompt_id", "judge", "ranks")})
    table = table.append_column("shown", kind.from_arrays([0, 2, 4, 6], shown))
    for rows_of_group in (1, 3):
        pq.write_table(table, tmp_path / "votes.parquet", row_group_size=rows_of_group)
        assert told(read_votes(tmp_path / "votes.parquet")) == told(read_votes(write_lines("votes.jsonl", rows)))


def test_a_list_view_is_refused_by_name(tmp_path: Path) -> None:
    shown = pa.array([["a", "b"]], pa.list_view(pa.string()))
    table = pa.table({"prompt_id": ["p"], "judge": ["j"], "shown": shown, "ranks": [[1, 2]]})
    pq.write_table(table, tmp_path / "votes.parquet")
    with pytest.raises(UsageError, match=r"column 'shown' is list_view<.*>, where a votes table has a list of texts"):
        read_votes(tmp_path / "votes.parquet")


def test_a_late_number_that_is_none_is_an_error_with_its_column(tmp_path: Path) -> None:
    rows = [vote("ab", [1, 2]), vote("bc", [1, 2])]
    table = pa.Table.from_pylist(rows, schema=MINIMAL).append_column("strength", pa.array(["1", "strong"]))
    pq.write_table(table, tmp_path / "votes.parquet", row_group_size=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prefpipe.pipeline.reading.BATCH_ROWS", 1)
        with pytest.raises(UsageError, match="column 'strength' is string, where a votes table has a number"):
            read_votes(tmp_path / "votes.parquet", evidence=["strength"])
