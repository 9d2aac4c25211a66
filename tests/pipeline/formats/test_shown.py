from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.formats import vote_batches
from prefpipe.pipeline.formats.shown import Shown, read_shown

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]


def vote(shown: str, ranks: list[int | None] | None, prompt: str = "p", **more: Any) -> Row:
    return {"prompt_id": prompt, "judge": "j", "shown": list(shown), "ranks": ranks} | more


def told(shown: Shown) -> list[tuple[str, bool, list[str], list[int]]]:
    rows = []
    for number in range(len(shown.prompt)):
        slots = slice(int(shown.offsets[number]), int(shown.offsets[number + 1]))
        names = [shown.models[code] for code in shown.model[slots]]
        prompt = shown.prompt_ids[int(shown.prompt[number])].as_py()
        rows.append((prompt, bool(shown.valid[number]), names, shown.ranks[slots].tolist()))
    return rows


VOTES = [vote("ba", [2, 1], "q"), vote("abc", [1, None, 2]), vote("cb", None, "q", status="refused")]
TOLD = [
    ("q", True, ["b", "a"], [2, 1]),
    ("p", True, ["a", "b", "c"], [1, 0, 2]),
    ("q", False, ["c", "b"], [0, 0]),
]


def as_parquet(path: Path) -> Path:
    pl.read_ndjson(path).write_parquet(path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def test_without_responses_what_is_shown_is_a_model(write_lines: WriteLines) -> None:
    path = write_lines("votes.jsonl", VOTES)
    for read in (read_shown(path), read_shown(as_parquet(path))):
        assert told(read) == TOLD
        assert read.models == ["a", "b", "c"]
        assert read.prompt_ids.to_pylist() == ["p", "q"]


def test_with_responses_an_answer_stands_for_its_model(write_lines: WriteLines) -> None:
    wrote = {"a": "zeta", "b": "alpha", "c": "zeta"}
    rows = [
        {"prompt": prompt, "prompt_id": prompt, "response_id": letter, "model": model, "content": letter}
        for prompt in "pq"
        for letter, model in wrote.items()
    ]
    responses = write_lines("responses.jsonl", rows)
    read = read_shown(write_lines("votes.jsonl", VOTES), responses)
    assert read.models == ["alpha", "zeta"]
    assert told(read) == [
        (prompt, valid, [wrote[name] for name in names], ranks) for prompt, valid, names, ranks in TOLD
    ]


@pytest.mark.parametrize("together", [1, 20_000])
def test_large_files_are_checked_in_large_batches_and_errors_name_the_row(
    write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(vote_batches, "BATCH_ROWS", together)
    rows = [vote("ab", [1, 2], f"p{number % 7}") for number in range(20_000)]
    path = as_parquet(write_lines("votes.jsonl", rows))
    read = read_shown(path)
    assert (len(read.prompt), read.ranks.sum(), len(read.prompt_ids)) == (20_000, 60_000, 7)
    rows[18_000]["ranks"] = [1, 0]
    with pytest.raises(UsageError, match=r"votes.parquet, row 18,001: 'ranks' holds a number below 1."):
        read_shown(as_parquet(write_lines("votes.jsonl", rows)))
    rows[18_000] = vote("aa", [1, 2])
    with pytest.raises(UsageError, match="row 18,001: 'shown' names the candidate 'a' twice"):
        read_shown(as_parquet(write_lines("votes.jsonl", rows)))


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
@pytest.mark.parametrize("given", [False, True])
def test_ratings_know_who_gave_them_and_which_time(write_lines: WriteLines, ending: str, given: bool) -> None:
    repeat: dict[str, Any] = {"repeat": 3} if given else {}
    rows = [
        vote("a", None, scores=[4.0], judge="x"),
        vote("ab", [1, 2], judge="x"),
        vote("a", None, scores=[3.0], judge="x", **repeat),
        vote("b", None, scores=[2.0], judge="x", **repeat),
        vote("b", None, scores=[1.0], judge="y"),
    ]
    path = write_lines("votes.jsonl", rows)
    read = read_shown(path if ending == "jsonl" else as_parquet(path))
    assert np.nan_to_num(read.ratings, nan=-1).tolist() == [4, -1, 3, 2, 1]
    assert [read.judges[code] for code in read.judge] == ["x", "x", "x", "x", "y"]
    assert read.repeat.tolist() == ([0, 0, 3, 3, 0] if given else [0, 0, 1, 0, 0])


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_votes_by_several_criteria_are_kept_apart(write_lines: WriteLines, ending: str) -> None:
    rows = [vote("ab", [1, 2], criterion="tone"), vote("ba", [1, 2], criterion="facts"), vote("ab", [1, 1])]
    path = write_lines("votes.jsonl", rows)
    path = path if ending == "jsonl" else as_parquet(path)
    with pytest.raises(UsageError, match="has votes by several criteria"):
        read_shown(path)
    assert told(read_shown(path, criterion="facts")) == [("p", True, ["b", "a"], [1, 2])]


@pytest.mark.parametrize("missing", ["prompt_id", "judge", "shown", "ranks"])
def test_a_file_without_a_needed_column_is_refused(write_lines: WriteLines, missing: str) -> None:
    rows = [{name: value for name, value in row.items() if name != missing} for row in (vote("ab", [1, 2]),)]
    path = write_lines("votes.jsonl", rows)
    for file in (path, as_parquet(path)):
        with pytest.raises(UsageError, match=f"is not a votes table: it lacks the column {missing}."):
            read_shown(file)
