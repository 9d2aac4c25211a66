import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.export import best_against_worst, export
from prefpipe.pipeline.formats import dpo
from prefpipe.pipeline.reading import fingerprint, provenance

Row = dict[str, Any]
WriteLines = Callable[[str, list[Row]], Path]

OUT = Path("preferences.parquet")
TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


def response(prompt: str, name: str, content: str | None) -> Row:
    return {
        "prompt_id": prompt,
        "response_id": f"{prompt}-{name}",
        "prompt": TURNS,
        "model": f"model-{name}",
        "content": content,
        "topic": "any",
    }


def ranking(prompt: str, ranks: list[int] | None) -> Row:
    names = "abcdefgh"[: len(ranks or "abc")]
    return {
        "prompt_id": prompt,
        "response_ids": [f"{prompt}-{name}" for name in names],
        "ranks": ranks,
        "scores": [-float(rank) for rank in ranks] if ranks else None,
        "consistency": 0.8,
    }


def preferences(path: Path = OUT) -> list[Row]:
    found: list[Row] = pq.read_table(path).to_pylist()
    return found


def left() -> set[str]:
    return {path.name for path in Path().iterdir()}


@pytest.fixture
def responses(write_lines: WriteLines) -> Path:
    """Three different candidates to each of four prompts, in no order."""
    rows = [response(prompt, name, f"text {prompt} {name}") for name in "bca" for prompt in ("q", "p", "s", "r")]
    return write_lines("responses.jsonl", rows)


def test_the_best_candidate_is_chosen_and_the_worst_rejected_by_their_ids(
    write_lines: WriteLines, responses: Path
) -> None:
    kept = write_lines("kept.jsonl", [ranking("p", [2, 1, 3]), ranking("q", [3, 2, 1])])
    summary = export(kept, OUT, responses=responses)
    assert {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in preferences()} == {
        ("text p b", "text p c"),
        ("text q c", "text q a"),
    }
    assert {(row["chosen_model"], row["rejected_model"]) for row in preferences()} == {
        ("model-b", "model-c"),
        ("model-c", "model-a"),
    }
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (2, 2, {})


def test_a_preference_is_what_trl_reads_with_explicit_columns(write_lines: WriteLines, responses: Path) -> None:
    export(write_lines("kept.jsonl", [ranking("p", [1, 2, 3])]), OUT, responses=responses)
    assert pq.read_schema(OUT).equals(dpo.SCHEMA)
    assert preferences() == [
        {
            "prompt": TURNS,
            "chosen": [{"role": "assistant", "content": "text p a"}],
            "rejected": [{"role": "assistant", "content": "text p c"}],
            "prompt_id": "p",
            "chosen_model": "model-a",
            "rejected_model": "model-c",
            "chosen_score": -1.0,
            "rejected_score": -3.0,
            "margin": 2.0,
            "consistency": 0.8,
            "metadata": '{"topic":"any"}',
        }
    ]


@pytest.mark.parametrize("name", ["preferences.parquet", "preferences.jsonl"])
def test_polars_loads_the_preferences(write_lines: WriteLines, responses: Path, name: str) -> None:
    export(write_lines("kept.jsonl", [ranking("p", [1, 2, 3]), ranking("q", [1, 2, 3])]), name, responses=responses)
    table = pl.read_parquet(name) if name.endswith("parquet") else pl.read_ndjson(name)
    assert table.columns == dpo.SCHEMA.names
    messages = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
    assert [table.schema[column] for column in ("prompt", "chosen", "rejected")] == [messages] * 3
    assert table["chosen"].list.len().to_list() == table["rejected"].list.len().to_list() == [1, 1]
    assert table["chosen"].list.first().struct.field("role").to_list() == ["assistant", "assistant"]


@pytest.mark.parametrize(
    ("ranks", "reason"),
    [
        ([1, 1, 3], "with a tie for the best"),
        ([1, 2, 2], "with a tie for the worst"),
        ([1, 1, 1], "whose candidates are all tied"),
        ([1], "whose candidates are all tied"),
        (None, "without a ranking"),
    ],
)
def test_a_tie_is_dropped_with_its_reason_unless_told_otherwise(
    write_lines: WriteLines, responses: Path, ranks: list[int] | None, reason: str
) -> None:
    kept = write_lines("kept.jsonl", [ranking("p", ranks), ranking("q", [1, 2, 3])])
    summary = export(kept, OUT, responses=responses)
    assert [row["prompt_id"] for row in preferences()] == ["q"]
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (2, 1, {reason: 1})


def test_candidates_that_all_tie_never_make_a_pair(write_lines: WriteLines, responses: Path) -> None:
    summary = export(write_lines("kept.jsonl", [ranking("p", [1, 1, 1])]), OUT, responses=responses, ties="random")
    assert preferences() == []
    assert summary.dropped == {"whose candidates are all tied": 1}
    assert summary.warnings == ("No preference was written.",)


def test_random_ties_are_drawn_by_seed_and_prompt_and_nothing_else(write_lines: WriteLines, responses: Path) -> None:
    def chosen(prompts: str, seed: int) -> dict[str, str]:
        kept = write_lines("kept.jsonl", [ranking(prompt, [1, 1, 3]) for prompt in prompts])
        export(kept, OUT, responses=responses, ties="random", seed=seed)
        return {row["prompt_id"]: row["chosen_model"] for row in preferences()}

    drawn = [chosen("pqrs", seed) for seed in range(8)]
    assert drawn == [chosen("srqp", seed) for seed in range(8)]
    assert drawn[0].items() >= chosen("qr", 0).items()
    assert {model for one in drawn for model in one.values()} == {"model-a", "model-b"}
    assert len({tuple(one.values()) for one in drawn}) > 2


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.sampled_from(["drop", "random"]), st.integers(0, 9))
def test_whatever_is_chosen_has_the_best_rank_and_whatever_is_rejected_the_worst(
    ranks: list[int], ties: str, seed: int
) -> None:
    pair, reason = best_against_worst(ranking("p", ranks), ties, seed)
    assert (pair is None) == bool(reason)
    if pair is None:
        assert len(set(ranks)) == 1 or (ties == "drop" and (ranks.count(min(ranks)) > 1 or ranks.count(max(ranks)) > 1))
        return
    rank_of = dict(zip(ranking("p", ranks)["response_ids"], ranks, strict=True))
    assert rank_of[pair.chosen] == min(ranks) < max(ranks) == rank_of[pair.rejected]
    assert (pair.chosen_score, pair.rejected_score) == (-min(ranks), -max(ranks))


@pytest.mark.parametrize(
    ("best", "worst", "reason"),
    [
        ("same", "same", "whose best and worst have the same text"),
        ("same", " same\n", "whose best and worst have the same text"),
        ("text", None, "with a response that has no text"),
        ("", "text", "with a response that has no text"),
    ],
)
def test_a_pair_without_two_different_texts_is_never_written(
    write_lines: WriteLines, best: str | None, worst: str | None, reason: str
) -> None:
    path = write_lines("responses.jsonl", [response("p", "a", best), response("p", "b", worst)])
    summary = export(write_lines("kept.jsonl", [ranking("p", [1, 2])]), OUT, responses=path)
    assert preferences() == []
    assert (summary.rows_in, summary.rows_out, summary.dropped) == (1, 0, {reason: 1})


def test_a_ranking_without_scores_makes_a_pair_without_margin(write_lines: WriteLines, responses: Path) -> None:
    export(write_lines("kept.jsonl", [ranking("p", [1, 2, 3]) | {"scores": None}]), OUT, responses=responses)
    [row] = preferences()
    assert (row["chosen_model"], row["chosen_score"], row["rejected_score"], row["margin"]) == ("model-a", *[None] * 3)


@pytest.mark.parametrize(
    ("rankings", "problem"),
    [
        ([ranking("p", [1, 2, 3]), ranking("x", [1, 2])], "lacks the responses to 1 of the ranked prompts, such as x"),
        ([ranking("p", [1, 2, 3, 4])], "lacks a ranked response to the prompt p"),
        ([ranking("p", [1, 2, 3]), ranking("p", [1, 2, 3])], "ranks the prompt p twice"),
        ([ranking("p", [1, 2, 3]) | {"ranks": [1, 2]}], "'ranks' of the prompt p has not as many entries"),
        ([ranking("p", [1, 2, 3]) | {"scores": [1.0]}], "'scores' of the prompt p has not as many entries"),
    ],
)
def test_rankings_that_do_not_fit_the_responses_are_refused_and_nothing_is_left(
    write_lines: WriteLines, responses: Path, rankings: list[Row], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as error:
        export(write_lines("kept.jsonl", rankings), OUT, responses=responses)
    assert error.value.hint
    assert left() == {"kept.jsonl", "responses.jsonl"}


@pytest.mark.parametrize(
    ("options", "problem", "hint"),
    [
        ({"format": "rlhf"}, "There is no --format rlhf", "Known: dpo."),
        ({"ties": "keep"}, "There is no --ties keep", "Known: drop, random."),
        ({"ties": "randon"}, "There is no --ties randon", "Did you mean 'random'?"),
    ],
)
def test_an_unknown_choice_is_answered_with_the_known_ones(
    write_lines: WriteLines, responses: Path, options: dict[str, str], problem: str, hint: str
) -> None:
    kept = write_lines("kept.jsonl", [ranking("p", [1, 2, 3])])
    with pytest.raises(UsageError, match=problem) as error:
        export(kept, OUT, responses=responses, **options)  # type: ignore[arg-type]
    assert error.value.hint == hint
    assert left() == {"kept.jsonl", "responses.jsonl"}


def test_the_order_of_either_files_rows_does_not_change_any_pair(data: Path, tmp_path: Path) -> None:
    export(data / "rankings.jsonl", OUT, responses=data / "responses.parquet")
    assert {(row["chosen_model"], row["rejected_model"]) for row in preferences()} == {("sim:strong", "sim:weak")}
    responses, rankings = tmp_path / "responses.jsonl", tmp_path / "rankings.jsonl"
    responses.write_text("".join(reversed((data / "responses.jsonl").read_text().splitlines(keepends=True))))
    rankings.write_text("".join(reversed((data / "rankings.jsonl").read_text().splitlines(keepends=True))))
    export(rankings, "other.parquet", responses=responses)
    assert sorted(preferences(Path("other.parquet")), key=json.dumps) == sorted(preferences(), key=json.dumps)


def test_exporting_again_gives_the_same_bytes_and_names_both_inputs(data: Path) -> None:
    for _ in range(2):
        before = OUT.read_bytes() if OUT.exists() else None
        export(data / "rankings.jsonl", OUT, responses=data / "responses.parquet", ties="random", seed=3)
    assert OUT.read_bytes() == before
    made = provenance(OUT)
    assert made is not None
    assert made.inputs == [fingerprint(data / "rankings.jsonl"), fingerprint(data / "responses.parquet")]
    assert made.settings == {"format": "dpo", "ties": "random", "seed": 3}
