import json
import math
import random
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefpipe.pipeline import rank
from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.reading import provenance
from prefpipe.pipeline.summary import Summary
from prefpipe.pipeline.tables import RANKINGS

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]


def vote(shown: str, ranks: list[int | None] | None, prompt: str = "p", judge: str = "j", **more: Any) -> Row:
    return {"prompt_id": prompt, "judge": judge, "shown": list(shown), "ranks": ranks} | more


def all_pairs(order: str, **more: Any) -> list[Row]:
    """Votes on all pairs in both orders, by a judge who ranks candidates in this order."""
    return [
        vote(first + second, [1, 2] if order.index(first) < order.index(second) else [2, 1], **more)
        for first, second in permutations(order, 2)
    ]


def ranked(votes: Path, output: str = "rankings.parquet", **options: Any) -> tuple[list[Row], Summary]:
    summary = rank(votes, votes.parent / output, **options)
    return pl.read_parquet(votes.parent / output).to_dicts(), summary


def test_candidates_come_best_first_with_their_scores(write_lines: WriteLines) -> None:
    [row], summary = ranked(write_lines("votes.jsonl", all_pairs("cab")))
    assert row["response_ids"] == ["c", "a", "b"]
    assert row["ranks"] == [1, 2, 3]
    assert row["scores"] == sorted(row["scores"], reverse=True)
    assert sum(row["scores"]) == pytest.approx(0, abs=1e-9)
    assert row["margin"] == pytest.approx(row["scores"][0] - row["scores"][2])
    assert all(error > 0 for error in row["standard_errors"])
    assert (row["votes"], row["invalid"], row["conflicts"], row["repeats"]) == (6, 0, 0, 1)
    assert (row["position_consistency"], row["first_slot_share"], row["cyclic_triads"]) == (1, 0.5, 0)
    assert row["flags"] == ["separable"]
    assert summary.account() == "1 prompts in = 1 out + 0 dropped"


def test_the_output_is_a_rankings_table_and_says_how_it_was_made(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", all_pairs("ab"))
    rank(votes, "rankings.parquet", method="borda")
    assert pq.read_schema("rankings.parquet").equals(RANKINGS.schema)
    made = provenance("rankings.parquet")
    assert made is not None
    assert made.stage == "rank"
    assert made.settings == {
        "method": "borda",
        "position_effect": "estimate",
        "prior_sd": None,
        "conflicts": "both",
        "judge_weights": {},
        "vote_weight": "none",
        "criterion": None,
    }
    assert [one["name"] for one in made.inputs] == ["votes.jsonl"]


def test_five_agreeing_lists_have_a_consistency_of_one(write_lines: WriteLines) -> None:
    lists = [vote(shown, [1 + "dbca".index(name) for name in shown]) for shown in ("abcd", "dcba", "bdac", "cabd")]
    [row], summary = ranked(write_lines("votes.jsonl", lists))
    assert row["response_ids"] == list("dbca")
    assert row["repeats"] == 4
    assert row["kendall_w"] == row["consistency"] == pytest.approx(1)
    assert row["p_value"] == pytest.approx(1 / 24**3)
    assert row["position_consistency"] is None
    assert row["first_slot_share"] is None
    assert summary.figures["mean_consistency"] == pytest.approx(1)


def test_ties_share_a_rank_and_stand_in_order_of_id(write_lines: WriteLines) -> None:
    rows = [vote("dcba", [2, 2, 1, 4]), vote("abcd", [4, 1, 2, 2])]
    for method in ("bradley-terry", "borda"):
        [row], _ = ranked(write_lines("votes.jsonl", rows), method=method)
        assert row["response_ids"] == list("bcda")
        assert row["ranks"] == [1, 2, 2, 4]


def test_every_prompt_goes_out_with_a_flag_where_nothing_can_be_said(write_lines: WriteLines) -> None:
    rows = [
        *all_pairs("ab", prompt="fine"),
        vote("ba", [1, 1], "tied"),
        vote("ab", None, "silent"),
        vote("cd", [1, 2], "silent", status="error"),
        vote("a", [1], "alone"),
        vote("ab", [1, 2], "apart"),
        vote("cd", [1, 2], "apart"),
    ]
    found, summary = ranked(write_lines("votes.jsonl", rows))
    flags = {row["prompt_id"]: row["flags"] for row in found}
    assert flags == {
        "fine": ["separable"],
        "tied": ["all-tied"],
        "silent": ["no-valid-votes"],
        "alone": ["single-candidate"],
        "apart": ["disconnected"],
    }
    assert [row["prompt_id"] for row in found] == list(flags)
    silent = found[2]
    assert silent["response_ids"] == ["a", "b", "c", "d"]
    assert (silent["votes"], silent["invalid"]) == (2, 2)
    assert all(silent[name] is None for name in ("ranks", "scores", "standard_errors", "margin", "cyclic_triads"))
    alone = found[3]
    assert (alone["ranks"], alone["scores"], alone["standard_errors"]) == ([1], [0], [None])
    assert all(math.isfinite(score) for row in found if row["scores"] for score in row["scores"])
    assert summary.rows_in == summary.rows_out == 5
    assert any("1 of 5 prompts have no valid vote" in warning for warning in summary.warnings)
    assert summary.figures["no_valid_votes"] == 1


def test_votes_that_are_not_ok_count_as_invalid_and_compare_nothing(write_lines: WriteLines) -> None:
    bad = [vote("ab", [2, 1], status=status) for status in ("invalid", "refused", "truncated", "error")]
    plain, _ = ranked(write_lines("votes.jsonl", all_pairs("ab")))
    [row], summary = ranked(write_lines("votes.jsonl", all_pairs("ab") + bad))
    assert (row["votes"], row["invalid"]) == (6, 4)
    assert row["scores"] == plain[0]["scores"]
    assert summary.figures["invalid"] == 4


def test_conflicts_are_orders_that_name_different_winners(write_lines: WriteLines) -> None:
    rows = [vote("ab", [1, 2]), vote("ba", [1, 2]), vote("ac", [1, 2]), vote("ca", [1, 1]), vote("bc", [1, 2])]
    [row], summary = ranked(write_lines("votes.jsonl", rows))
    assert row["conflicts"] == summary.figures["conflicts"] == 1
    assert row["position_consistency"] == summary.figures["position_consistency"] == 0
    assert row["first_slot_share"] == 1


def test_a_circle_is_counted(write_lines: WriteLines) -> None:
    rows = [vote(shown, [1, 2]) for shown in ("ab", "bc", "ca")]
    [row], _ = ranked(write_lines("votes.jsonl", rows), position_effect=None)
    assert row["cyclic_triads"] == 1
    assert row["ranks"] == [1, 1, 1]


def test_candidates_rated_one_at_a_time_are_ranked_by_their_ratings(write_lines: WriteLines) -> None:
    ratings = {"a": [3, 4], "b": [9, 8], "c": [5, 5]}
    rows = [
        vote(name, None, scores=[score], repeat=repeat)
        for name, scores in ratings.items()
        for repeat, score in enumerate(scores)
    ]
    for method in ("bradley-terry", "borda"):
        [row], summary = ranked(write_lines("votes.jsonl", rows), method=method)
        assert row["response_ids"] == ["b", "c", "a"]
        assert (row["repeats"], row["kendall_w"]) == (2, pytest.approx(1))
        assert row["first_slot_share"] is None
        assert summary.figures.get("position_effect", 0) == pytest.approx(0, abs=1e-9)


def test_models_travel_with_their_candidates(write_lines: WriteLines) -> None:
    responses = [
        {"prompt_id": "p", "response_id": name, "prompt": "?", "model": f"model-{name}", "content": name}
        for name in "xbcay"
    ]
    votes = write_lines("votes.jsonl", all_pairs("cab"))
    for path in (write_lines("responses.jsonl", responses), Path("responses.parquet")):
        if path.suffix == ".parquet":
            pl.DataFrame(responses).write_parquet(path)
        [row], _ = ranked(votes, responses=path)
        assert row["models"] == ["model-c", "model-a", "model-b"]
    [row], _ = ranked(votes)
    assert row["models"] is None


def test_models_of_candidates_whose_ids_repeat_from_prompt_to_prompt_are_found_by_prompt(tmp_path: Path) -> None:
    responses = pl.DataFrame(
        {"prompt_id": ["p", "p", "q", "q"], "response_id": ["a", "b", "a", "b"], "model": ["1", "2", "2", "1"]}
    )
    responses.with_columns(prompt=pl.lit("?"), content=pl.lit("!")).write_parquet("responses.parquet")
    rows = all_pairs("ab", prompt="p") + all_pairs("ab", prompt="q")
    votes = tmp_path / "votes.jsonl"
    votes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, _ = ranked(votes, responses="responses.parquet")
    assert {row["prompt_id"]: row["models"] for row in found} == {"p": ["1", "2"], "q": ["2", "1"]}


def test_a_candidate_that_is_not_among_the_responses_is_an_error(write_lines: WriteLines) -> None:
    responses = write_lines("responses.jsonl", [{"response_id": "a", "prompt": "?", "model": "m", "content": "!"}])
    with pytest.raises(UsageError, match=r"does not hold the candidate b of prompt p\."):
        rank(write_lines("votes.jsonl", all_pairs("ab")), "rankings.parquet", responses=responses)
    assert not Path("rankings.parquet").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "bordo"}, "There is no ranking method 'bordo'."),
        ({"prior_sd": 0.0}, "Scores cannot have a standard deviation of 0."),
        ({"position_effect": math.nan}, "A position effect cannot be nan."),
        ({"position_effect": "none"}, "A position effect cannot be none."),
        ({"prior_sd": math.inf}, "Scores cannot have a standard deviation of inf."),
    ],
)
def test_options_that_mean_nothing_are_refused(write_lines: WriteLines, options: Row, sentence: str) -> None:
    with pytest.raises(UsageError) as refusal:
        rank(write_lines("votes.jsonl", all_pairs("ab")), "rankings.parquet", **options)
    assert refusal.value.message == sentence
    assert refusal.value.hint


def simulated(orders: str, prompts: int = 150, beta: float = 1.5) -> tuple[list[Row], dict[str, float]]:
    """Votes of a judge that favours the first slot, and the true quality of each candidate."""
    chance = random.Random(prompts)  # noqa: S311 - a test's chance
    truth = {f"{prompt}-{name}": chance.gauss(0, 1.5) for prompt in range(prompts) for name in "abcde"}
    rows = []
    for prompt in range(prompts):
        for pair in combinations([f"{prompt}-{name}" for name in "abcde"], 2):
            asked = [pair, pair[::-1]] if orders == "both" else [pair if chance.random() < 0.5 else pair[::-1]]
            for first, second in asked:
                odds = math.exp(truth[first] - truth[second] + beta)
                ranks = [1, 2] if chance.random() < odds / (1 + odds) else [2, 1]
                rows.append({"prompt_id": str(prompt), "judge": "j", "shown": [first, second], "ranks": ranks})
    return rows, truth


def agreement(rankings: list[Row], truth: dict[str, float]) -> float:
    pairs = [truth[better] > truth[worse] for row in rankings for better, worse in combinations(row["response_ids"], 2)]
    return float(np.mean(pairs))


@pytest.mark.parametrize("orders", ["both", "one"])
def test_a_position_effect_is_estimated_reported_and_corrected(write_lines: WriteLines, orders: str) -> None:
    rows, truth = simulated(orders)
    votes = write_lines("votes.jsonl", rows)
    corrected, summary = ranked(votes)
    blind, _ = ranked(votes, position_effect=None)
    effect, error = summary.figures["position_effect"], summary.figures["position_effect_error"]
    assert isinstance(effect, float)
    assert isinstance(error, float)
    assert effect == pytest.approx(1.5, abs=3 * error)
    assert agreement(corrected, truth) > 0.75
    if orders == "one":
        assert agreement(corrected, truth) > agreement(blind, truth) + 0.02
    low, high = summary.figures["first_slot_share_low"], summary.figures["first_slot_share_high"]
    share = summary.figures["first_slot_share"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert isinstance(share, float)
    assert 0.5 < low < share < high
    p_value = summary.figures["first_slot_p_value"]
    assert isinstance(p_value, float)
    assert p_value < 1e-6


def test_a_method_that_ignores_slots_warns_of_a_marked_position_effect(write_lines: WriteLines) -> None:
    rows, _ = simulated("one", prompts=60)
    votes = write_lines("votes.jsonl", rows)
    _, summary = ranked(votes, method="borda")
    assert any("borda does not correct" in warning for warning in summary.warnings)
    assert "position_effect" not in summary.figures
    _, summary = ranked(votes)
    assert not summary.warnings


def test_several_judges_are_several_rankings_and_have_shares_of_their_own(write_lines: WriteLines) -> None:
    rows = all_pairs("abc", judge="one") + all_pairs("cba", judge="two")
    rows += [vote("ab", [1, 2], judge="eager"), vote("ba", [1, 2], judge="eager")]
    [row], summary = ranked(write_lines("votes.jsonl", rows))
    assert row["repeats"] == 2
    assert row["kendall_w"] == pytest.approx(0)
    assert row["consistency"] == pytest.approx(-1)
    assert summary.figures["incomplete_rankings"] == 1
    assert summary.figures["first_slot_share of one"] == 0.5
    assert summary.figures["first_slot_share of eager"] == 1


def test_borda_leaves_a_candidate_that_nobody_ranked_without_score(write_lines: WriteLines) -> None:
    rows = [vote("abc", [2, None, 1]), vote("cab", [1, 2, None])]
    [row], _ = ranked(write_lines("votes.jsonl", rows), method="borda")
    assert row["response_ids"] == ["c", "a", "b"]
    assert row["scores"] == [2, 0, None]
    assert row["ranks"] == [1, 2, None]
    assert row["margin"] == 2


def test_json_lines_come_out_where_they_are_asked_for(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", all_pairs("ab"))
    rank(votes, "rankings.jsonl")
    [row] = [json.loads(line) for line in Path("rankings.jsonl").read_text().splitlines()]
    assert row["response_ids"] == ["a", "b"]
    assert row["kendall_w"] is None


@pytest.mark.parametrize("method", ["bradley-terry", "borda"])
def test_the_order_of_rows_changes_no_digit_of_a_prompts_row(write_lines: WriteLines, method: str) -> None:
    rows = [row | {"repeat": 0} for row in simulated("both", prompts=40)[0]]
    rows += [vote(shown, [2, 1, 2, 4], str(prompt), "k") for prompt in range(40, 90) for shown in ("abcd", "cdab")]
    tables = []
    for seed in range(4):
        found, _ = ranked(write_lines("votes.jsonl", rows), method=method)
        tables.append({row["prompt_id"]: row for row in found})
        random.Random(seed).shuffle(rows)  # noqa: S311 - a test's shuffle
    assert all(table == tables[0] for table in tables)


def test_large_files_are_ranked_in_portions_and_sampled_for_what_they_share(
    write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, truth = simulated("both", prompts=60)
    rows += [vote("xy", [1, 2], str(prompt) + "-small") for prompt in range(20)]
    random.Random(1).shuffle(rows)  # noqa: S311 - a test's shuffle
    votes = write_lines("votes.jsonl", rows)
    options: Row = {"position_effect": 1.5, "prior_sd": 2.0}
    whole, _ = ranked(votes, **options)
    monkeypatch.setattr("prefpipe.pipeline.ranking.plan.PORTION", 500)
    cut, _ = ranked(votes, **options)
    assert cut == whole
    monkeypatch.setattr(import_module("prefpipe.pipeline.rank"), "ESTIMATION_CELLS", 400)
    sampled, summary = ranked(votes)
    assert len(sampled) == 80
    assert agreement([row for row in sampled if "small" not in row["prompt_id"]], truth) > 0.75
    assert isinstance(summary.figures["position_effect_error"], float)


rows_of = st.lists(
    st.builds(
        lambda prompt, judge, items, ranks, status: vote(
            "".join(items[: len(ranks)]), ranks if status == "ok" else None, prompt, judge, status=status, repeat=0
        ),
        st.sampled_from("pqr"),
        st.sampled_from("jk"),
        st.permutations("abcde"),
        st.lists(st.one_of(st.integers(1, 4), st.none()), min_size=1, max_size=5),
        st.sampled_from(["ok", "ok", "ok", "invalid", "error"]),
    ),
    min_size=1,
    max_size=20,
)


@given(rows_of, st.permutations("abcde"), st.integers(0, 99), st.sampled_from(["bradley-terry", "borda"]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scores_stay_with_their_ids_whatever_the_order_of_rows_and_the_names(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], names: list[str], seed: int, method: str
) -> None:
    renamed = dict(zip("abcde", names, strict=True))
    moved = [row | {"shown": [renamed[name] for name in row["shown"]]} for row in rows]
    random.Random(seed).shuffle(moved)  # noqa: S311 - a test's shuffle
    tables = []
    for votes in (rows, moved):
        path = tmp_path_factory.mktemp("rank") / "votes.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in votes))
        found, _ = ranked(path, method=method)
        tables.append({row["prompt_id"]: row for row in found})
    plain, other = tables
    assert plain.keys() == other.keys()
    for prompt, row in plain.items():
        twin = other[prompt]
        for name in RANKINGS.schema.names[7:]:
            if name not in {"models", "ranks", "scores", "standard_errors", "win_probabilities", "flags"}:
                assert twin[name] == pytest.approx(row[name], abs=1e-6), name
        if row["scores"] is None:
            assert twin["scores"] is None
            continue
        for column in ("ranks", "scores", "standard_errors", "win_probabilities"):
            mine = dict(zip(row["response_ids"], row[column], strict=True))
            theirs = dict(zip(twin["response_ids"], twin[column], strict=True))
            for name, value in mine.items():
                assert theirs[renamed[name]] == pytest.approx(value, abs=1e-6), column
