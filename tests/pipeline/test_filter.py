import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.filter import WITH_REASON, filter  # noqa: A004 - the verb of the command
from prefpipe.pipeline.reading import fingerprint, provenance, read
from prefpipe.pipeline.tables import RANKINGS

Row = dict[str, Any]
WriteLines = Callable[[str, list[Row]], Path]

OUT, DROPPED = Path("kept.parquet"), Path("dropped.parquet")


def ranking(name: str, **measures: object) -> Row:
    row: Row = {
        "prompt_id": name,
        "response_ids": ["a", "b", "c", "d"],
        "ranks": [1, 2, 3, 4],
        "scores": [1.5, 0.5, -0.5, -1.5],
        "method": "bradley-terry",
        "votes": 60,
        "invalid": 0,
        "conflicts": 0,
        "repeats": 5,
        "flags": [],
    }
    return row | measures


def kept(path: Path = OUT) -> list[str]:
    return [row["prompt_id"] for row in pq.read_table(path).to_pylist()]


def reasons() -> dict[str, str]:
    return {row["prompt_id"]: row["reason"] for row in pq.read_table(DROPPED).to_pylist()}


def left() -> set[str]:
    return {path.name for path in Path().iterdir()}


@pytest.mark.parametrize(
    ("criterion", "column", "measure"),
    [
        ("min_w", "kendall_w", "Kendall's W"),
        ("min_consistency", "consistency", "consistency"),
        ("min_position_consistency", "position_consistency", "position consistency"),
        ("min_margin", "margin", "margin"),
    ],
)
def test_a_row_passes_if_its_measure_reaches_the_threshold_and_an_unknown_one_does_not(
    write_lines: WriteLines, criterion: str, column: str, measure: str
) -> None:
    measures = {"above": 0.7, "equal": 0.5, "rounded": 0.1 + 0.2 + 0.2 - 1e-12, "below": 0.499, "unknown": None}
    path = write_lines("r.jsonl", [ranking(name, **{column: value}) for name, value in measures.items()])
    threshold: dict[str, Any] = {criterion: 0.5}
    summary = filter(path, OUT, dropped=DROPPED, **threshold)
    assert kept() == ["above", "equal", "rounded"]
    assert reasons() == {"below": f"with {measure} below 0.5", "unknown": f"with unknown {measure}"}
    assert (summary.rows_in, summary.rows_out, sum(summary.dropped.values())) == (5, 3, 2)


def test_invalid_votes_do_not_count_as_votes(write_lines: WriteLines) -> None:
    rows = [ranking("enough", votes=8, invalid=2), ranking("short", votes=8, invalid=3)]
    filter(write_lines("r.jsonl", rows), OUT, dropped=DROPPED, min_votes=6)
    assert kept() == ["enough"]
    assert reasons() == {"short": "with number of votes below 6"}


def test_a_row_must_pass_every_criterion_and_is_dropped_by_the_first_that_it_fails(write_lines: WriteLines) -> None:
    rows = [
        ranking("good", kendall_w=0.9, consistency=0.8, margin=1),
        ranking("split", kendall_w=0.1, consistency=0.0, margin=0),
        ranking("close", kendall_w=0.9, consistency=0.8, margin=0),
    ]
    filter(write_lines("r.jsonl", rows), OUT, dropped=DROPPED, min_w=0.5, min_consistency=0.5, min_margin=0.5)
    assert kept() == ["good"]
    assert reasons() == {"split": "with Kendall's W below 0.5", "close": "with margin below 0.5"}


@pytest.mark.parametrize(("share", "count"), [(1.0, 100), (0.5, 50), (0.07, 7), (0.071, 8), (0.29, 29), (0.001, 1)])
def test_the_most_consistent_share_is_kept(write_lines: WriteLines, share: float, count: int) -> None:
    path = write_lines("r.jsonl", [ranking(str(number), consistency=number * 37 % 100 / 100) for number in range(100)])
    summary = filter(path, OUT, keep_top=share)
    assert sorted(int(name) * 37 % 100 for name in kept()) == list(range(100 - count, 100))
    assert summary.figures["consistency_threshold"] == pytest.approx(1 - count / 100)


def test_of_the_share_to_keep_equals_of_the_last_row_are_kept_too(write_lines: WriteLines) -> None:
    values = {"a": 0.9, "b": 0.5, "c": 0.5, "d": 0.5, "e": 0.1}
    path = write_lines("r.jsonl", [ranking(name, consistency=value) for name, value in values.items()])
    filter(path, OUT, keep_top=0.4)
    assert kept() == ["a", "b", "c", "d"]


def test_rows_of_unknown_consistency_count_among_all_and_come_last(write_lines: WriteLines) -> None:
    values = {"a": 0.9, "b": None, "c": 0.5, "d": None}
    path = write_lines("r.jsonl", [ranking(name, consistency=value) for name, value in values.items()])
    filter(path, OUT, keep_top=0.25)
    assert kept() == ["a"]
    filter(path, OUT, keep_top=0.5)
    assert kept() == ["a", "c"]
    filter(path, OUT, keep_top=1.0, dropped=DROPPED)
    assert kept() == ["a", "c"]
    assert reasons() == {"b": "with unknown consistency", "d": "with unknown consistency"}


def test_a_share_cannot_be_kept_where_no_consistency_is_known(write_lines: WriteLines) -> None:
    with pytest.raises(UsageError, match=r"No row of .*r\.jsonl has a consistency") as error:
        filter(write_lines("r.jsonl", [ranking("a")]), OUT, keep_top=0.5)
    assert "--repeats 2" in str(error.value.hint)
    assert left() == {"r.jsonl"}


def test_where_no_vote_counts_the_hint_leads_to_the_votes_and_not_to_more_repeats(write_lines: WriteLines) -> None:
    path = write_lines("r.jsonl", [ranking("a", votes=0, invalid=60)])
    with pytest.raises(UsageError, match="has a single vote that can be counted") as caught:
        filter(path, OUT, keep_top=0.5)
    assert "inspect" in (caught.value.hint or "")


UNIT = st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@settings(max_examples=60)
@given(
    rows=st.lists(
        st.fixed_dictionaries(dict.fromkeys(("kendall_w", "consistency", "margin"), UNIT)), min_size=1, max_size=9
    ),
    thresholds=st.fixed_dictionaries({"min_w": UNIT, "min_consistency": UNIT, "min_margin": st.just(0.25)}),
)
def test_every_row_is_either_kept_as_it_was_or_dropped_with_a_reason(
    rows: list[Row], thresholds: dict[str, Any]
) -> None:
    with TemporaryDirectory() as folder:
        path, out, dropped = (Path(folder) / name for name in ("r.jsonl", "kept.parquet", "dropped.jsonl"))
        path.write_text("\n".join(json.dumps(ranking(str(number), **row)) for number, row in enumerate(rows)))
        summary = filter(path, out, dropped=dropped, **thresholds)
        [before] = [table.to_pylist() for table in read(path, RANKINGS)]
        after = pq.read_table(out).to_pylist()
        lost = [json.loads(line) for line in dropped.read_text().splitlines()]
        assert all(row.pop("reason") for row in lost)
        assert sorted([*after, *lost], key=lambda row: int(row["prompt_id"])) == before
        assert [row for row in before if row in after] == after
        assert (summary.rows_in, summary.rows_out) == (len(before), len(after))


def test_dropped_rows_have_all_columns_and_their_reason(write_lines: WriteLines) -> None:
    filter(write_lines("r.jsonl", [ranking("a", margin=0.0)]), OUT, dropped=DROPPED, min_margin=1)
    assert pq.read_schema(DROPPED).equals(WITH_REASON)
    assert WITH_REASON.names == [*RANKINGS.schema.names, "reason"]
    assert pq.read_table(OUT).num_rows == 0


def test_a_table_with_the_needed_columns_alone_can_be_filtered_by_what_it_has(write_lines: WriteLines) -> None:
    bare: Row = {"response_ids": ["a", "b"], "ranks": [1, 2], "scores": [1.0, 0.0]}
    rows = [{**bare, "prompt_id": "good", "consistency": 0.9}, {**bare, "prompt_id": "bad", "consistency": 0.1}]
    path = write_lines("r.jsonl", rows)
    filter(path, OUT, min_consistency=0.5)
    assert kept() == ["good"]
    filter(path, OUT, min_votes=1, dropped=DROPPED)
    assert reasons() == dict.fromkeys(["good", "bad"], "with unknown number of votes")


@pytest.mark.parametrize(
    ("values", "more", "kept_instead"),
    [
        ([1.0, 1.0, 1.0, 1.0], {}, "4 of 4 prompts were kept instead of 2"),
        ([1.0, 0.5, 0.5, 0.5, 0.1], {}, "4 of 5 prompts were kept instead of 3"),
        ([1.0, 0.9, 0.5], {}, None),
        ([1.0, 1.0, 1.0, 1.0], {"min_votes": 100}, None),
    ],
)
def test_ties_that_keep_more_than_was_asked_for_are_said(
    write_lines: WriteLines, values: list[float], more: dict[str, Any], kept_instead: str | None
) -> None:
    path = write_lines("r.jsonl", [ranking(str(place), consistency=value) for place, value in enumerate(values)])
    said = " ".join(filter(path, OUT, keep_top=0.5, **more).warnings)
    assert kept_instead in said if kept_instead else "instead of" not in said


@pytest.mark.parametrize("options", [{"min_consistency": 0.5}, {"keep_top": 0.5}])
def test_rankings_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    lines = "".join(json.dumps(ranking(name, consistency=value)) + "\n" for name, value in (("a", 0.9), ("b", 0.1)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    filter("-", OUT, **options)
    assert kept() == ["a"]


def test_the_user_is_warned_where_a_judge_that_flips_coins_would_pass(write_lines: WriteLines) -> None:
    few = [ranking(str(n), response_ids=["a", "b"], repeats=2, consistency=0.9, kendall_w=0.9) for n in range(3)]
    summary = filter(write_lines("few.jsonl", few), OUT, min_w=0.7)
    assert any("flips coins" in warning and "50%" in warning for warning in summary.warnings)
    many = [ranking(str(n), repeats=5, consistency=0.9, kendall_w=0.9) for n in range(3)]
    assert filter(write_lines("many.jsonl", many), OUT, min_w=0.7).warnings == ()
    assert filter(write_lines("few.jsonl", few), OUT, min_votes=1).warnings == ()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "No criterion is given"),
        ({"min_w": 1.1}, "--min-w 1.1 lies outside 0 to 1"),
        ({"min_consistency": -1.5}, "--min-consistency -1.5 lies outside -1 to 1"),
        ({"min_position_consistency": 50}, "--min-position-consistency 50 lies outside 0 to 1"),
        ({"keep_top": 50}, "--keep-top 50 lies outside 0 to 1"),
        ({"keep_top": 0}, "--keep-top 0 would keep nothing"),
        ({"min_w": float("nan")}, "--min-w nan lies outside"),
        ({"min_margin": float("nan")}, "--min-margin nan lies outside 0 to inf"),
        ({"min_votes": -1}, "--min-votes -1 lies outside 0 to inf"),
        ({"min_votes": 1, "dropped": OUT}, "cannot both go to"),
        ({"min_votes": 1, "dropped": "./kept.parquet"}, "cannot both go to"),
        ({"min_votes": 1, "dropped": "dropped.txt"}, "The ending of dropped.txt names no format"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_left(
    write_lines: WriteLines, options: dict[str, Any], problem: str
) -> None:
    path = write_lines("r.jsonl", [ranking("a", consistency=0.5)])
    with pytest.raises(UsageError, match=problem) as error:
        filter(path, OUT, **options)
    assert error.value.hint
    assert left() == {"r.jsonl"}


def test_filtering_again_gives_the_same_bytes_and_says_by_what(write_lines: WriteLines) -> None:
    path = write_lines("r.jsonl", [ranking("a", consistency=0.5)])
    filter(path, OUT, keep_top=0.5)
    before = OUT.read_bytes()
    filter(path, OUT, keep_top=0.5)
    assert OUT.read_bytes() == before
    made = provenance(OUT)
    assert made is not None
    assert (made.stage, made.inputs, made.settings["keep_top"]) == ("filter", [fingerprint(path)], 0.5)
