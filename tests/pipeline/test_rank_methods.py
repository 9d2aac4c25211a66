"""Every method of `prefpipe rank`, on votes files as users have them."""

import json
import math
import random
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import permutations
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefpipe.pipeline import rank
from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.ranking.methods import METHODS
from prefpipe.pipeline.summary import Summary

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]
Run = Callable[..., CompletedProcess[str]]

WITH_ERRORS = {"bradley-terry", "borda", "davidson", "rao-kupper", "firth", "plackett-luce", "win-rate"}
IN_ORDER_OF_ROWS = {"weng-lin", "trueskill"}
WINNER_ONLY = {"minimax"}
"""Methods that go by the worst result alone, so that all who lost to the best by as much are equal."""

BY_CHANCE = {"elo", "kwiksort"}
"""Their chance is drawn by candidate, so that new names move scores within it."""


def vote(shown: str, ranks: Sequence[int | None] | None, prompt: str = "p", judge: str = "j", **more: Any) -> Row:
    return {"prompt_id": prompt, "judge": judge, "shown": list(shown), "ranks": ranks} | more


def all_pairs(order: str, **more: Any) -> list[Row]:
    return [
        vote(first + second, [1, 2] if order.index(first) < order.index(second) else [2, 1], **more)
        for first, second in permutations(order, 2)
    ]


def ranked(votes: Path, **options: Any) -> tuple[list[Row], Summary]:
    summary = rank(votes, votes.parent / "rankings.parquet", **options)
    return pl.read_parquet(votes.parent / "rankings.parquet").to_dicts(), summary


@pytest.mark.parametrize("method", METHODS)
def test_a_clear_order_is_recovered_from_pairs_and_lists_of_any_number(write_lines: WriteLines, method: str) -> None:
    rows = all_pairs("dbca", prompt="pairs")
    rows += [vote(s, [1 + "dbca".index(name) for name in s], "lists") for s in ("abcd", "dcba", "bdac")]
    rows += [*all_pairs("zyx", prompt="fewer"), vote("ab", None, "silent", status="error")]
    random.Random(7).shuffle(rows)  # noqa: S311 - a test's shuffle
    found, summary = ranked(write_lines("votes.jsonl", rows), method=method)
    by_prompt = {row["prompt_id"]: row for row in found}
    for prompt, order in {"pairs": "dbca", "lists": "dbca", "fewer": "zyx"}.items():
        row = by_prompt[prompt]
        assert row["response_ids"][0] == order[0], prompt
        assert row["ranks"][1] == 2
        if method not in WINNER_ONLY:
            assert row["response_ids"] == list(order), prompt
            assert row["ranks"] == list(range(1, len(order) + 1))
        assert row["scores"] == sorted(row["scores"], reverse=True)
        assert all(map(math.isfinite, row["scores"]))
        assert row["method"] == method
        known = [error is not None for error in row["standard_errors"]]
        assert all(known) if method in WITH_ERRORS - {"borda"} else method == "borda" or not any(known)
    silent = by_prompt["silent"]
    assert silent["flags"] == ["no-valid-votes"]
    assert silent["ranks"] is silent["scores"] is silent["standard_errors"] is silent["margin"] is None
    assert summary.account() == "4 prompts in = 4 out + 0 dropped"


@pytest.mark.parametrize("method", METHODS)
def test_ratings_ties_and_single_candidates_get_finite_scores(write_lines: WriteLines, method: str) -> None:
    rows = [vote(name, None, "rated", scores=[score]) for name, score in {"a": 3, "b": 9, "c": 5}.items()]
    rows += [vote("ab", [1, 1], "tied"), vote("ba", [1, 1], "tied"), vote("a", [1], "alone")]
    found, _ = ranked(write_lines("votes.jsonl", rows), method=method)
    rated, tied, alone = found
    assert rated["response_ids"] == (["b", "a", "c"] if method in WINNER_ONLY else ["b", "c", "a"])
    assert tied["flags"] == ["all-tied"]
    assert all(score is None or math.isfinite(score) for row in (tied, alone) for score in row["scores"])
    if method not in BY_CHANCE:
        assert tied["ranks"] == [1, 1]


rows_of = st.lists(
    st.builds(
        lambda prompt, judge, items, ranks: vote("".join(items[: len(ranks)]), ranks, prompt, judge, repeat=0),
        st.sampled_from("pq"),
        st.sampled_from("jk"),
        st.permutations("abcd"),
        st.lists(st.one_of(st.integers(1, 4), st.none()), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=12,
)


@given(
    rows_of,
    st.permutations("abcd"),
    st.integers(0, 99),
    st.sampled_from(sorted(METHODS.keys() - IN_ORDER_OF_ROWS - BY_CHANCE)),
    st.sampled_from(["both", "tie", "drop"]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scores_travel_with_their_ids(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], names: list[str], seed: int, method: str, conflicts: str
) -> None:
    renamed = dict(zip("abcd", names, strict=True))
    moved = [row | {"shown": [renamed[name] for name in row["shown"]]} for row in rows]
    random.Random(seed).shuffle(moved)  # noqa: S311 - a test's shuffle
    tables = []
    for votes in (rows, moved):
        path = tmp_path_factory.mktemp("rank") / "votes.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in votes))
        found, _ = ranked(path, method=method, conflicts=conflicts, judge_weights={rows[0]["judge"]: 2.0})
        tables.append({row["prompt_id"]: row for row in found})
    plain, other = tables
    for prompt, row in plain.items():
        twin = other[prompt]
        if row["scores"] is None:
            assert twin["scores"] is None
            continue
        mine = dict(zip(row["response_ids"], row["scores"], strict=True))
        theirs = dict(zip(twin["response_ids"], twin["scores"], strict=True))
        for name, value in mine.items():
            assert theirs[renamed[name]] == pytest.approx(value, abs=1e-5), (prompt, name)


@pytest.mark.parametrize("method", sorted(BY_CHANCE))
def test_a_method_with_chance_gives_the_same_for_the_same_votes_in_any_order(
    write_lines: WriteLines, method: str
) -> None:
    rows = [*all_pairs("abcd", repeat=0), *all_pairs("bcda", repeat=1), *all_pairs("ab", prompt="q", repeat=0)]
    tables = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)  # noqa: S311 - a test's shuffle
        found, _ = ranked(write_lines("votes.jsonl", rows), method=method)
        tables.append({row["prompt_id"]: row for row in found})
    assert tables[0] == tables[1] == tables[2]


def test_an_unknown_method_suggests_a_known_one(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", all_pairs("ab"))
    for word, known in {"plackett-lucy": "plackett-luce", "copland": "copeland", "rao-cupper": "rao-kupper"}.items():
        with pytest.raises(UsageError) as refusal:
            rank(votes, "rankings.parquet", method=word)
        assert refusal.value.hint == f"Did you mean '{known}'?"


def test_kemeny_refuses_what_it_cannot_search_and_names_another_method(write_lines: WriteLines) -> None:
    votes = write_lines("votes.jsonl", all_pairs("abcdefghijk"))
    with pytest.raises(UsageError, match="at most 10") as refusal:
        rank(votes, "rankings.parquet", method="kemeny")
    assert "schulze" in str(refusal.value.hint)
    assert not Path("rankings.parquet").exists()


def test_the_help_names_every_method_and_the_page_describes_it(prefpipe: Run) -> None:
    shown = " ".join(prefpipe("rank", "--help").stdout.replace("│", " ").split())
    page = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text("utf-8")
    for method in METHODS:
        assert method in shown
        assert f"| `{method}` |" in page


@pytest.mark.parametrize("method", ["davidson", "rao-kupper"])
def test_a_model_with_ties_finds_the_position_effect_of_all_prompts_together(
    write_lines: WriteLines, method: str
) -> None:
    chance, rows = random.Random(3), []  # noqa: S311 - a test's chance
    for prompt in range(150):
        truth = {name: chance.gauss(0, 1.5) for name in "abcde"[: 3 + prompt % 3]}
        for first, second in permutations(truth, 2):
            odds = [math.exp((truth[first] - truth[second] + 1) / 2), math.exp((truth[second] - truth[first] - 1) / 2)]
            ranks = chance.choices([[1, 2], [2, 1], [1, 1]], [*odds, 0.5])[0]
            rows.append(vote(first + second, ranks, str(prompt)))
    votes = write_lines("votes.jsonl", rows)
    _, summary = ranked(votes, method=method)
    effect, tie = summary.figures["position_effect"], summary.figures["tie_parameter"]
    assert effect == pytest.approx(1, abs=0.2)
    assert method == "rao-kupper" or tie == pytest.approx(0.5, abs=0.1)
    assert not summary.warnings
    given_effect, summary = ranked(votes, method=method, position_effect=0.0)
    assert summary.figures["position_effect"] == 0
    dropped, summary = ranked(votes, method=method, conflicts="drop")
    assert summary.figures["position_effect"] == effect
    assert given_effect != dropped


def test_a_few_prompts_of_a_large_file_may_tie_though_the_sample_never_did(
    write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("prefpipe.pipeline.rank"), "ESTIMATION_CELLS", 40)
    rows = [row for prompt in range(20) for row in all_pairs("abc", prompt=f"{prompt:02}")]
    rows += [vote("ab", [1, 1], "tied")]
    for method in ("davidson", "rao-kupper"):
        found, _ = ranked(write_lines("votes.jsonl", rows), method=method)
        assert found[-1]["ranks"] == [1, 1]
        assert found[0]["response_ids"] == ["a", "b", "c"]


def test_conflicts_count_as_two_wins_as_ties_or_not_at_all(write_lines: WriteLines) -> None:
    rows = [vote("ab", [1, 2]), vote("ba", [1, 2]), *all_pairs("ac"), *all_pairs("bc")]
    votes = write_lines("votes.jsonl", rows)
    both, _ = ranked(votes, method="davidson", conflicts="both")
    tie, _ = ranked(votes, method="davidson", conflicts="tie")
    assert both[0]["scores"] != tie[0]["scores"]
    points_of: dict[str, list[float]] = {"win-rate": [0.75, 0.75, 0], "borda": [1.5, 1.5, 0], "copeland": [1.5, 1.5, 0]}
    for method, points in points_of.items():
        for conflicts in ("both", "tie"):
            [row], _ = ranked(votes, method=method, conflicts=conflicts)
            assert row["scores"] == points
            assert row["conflicts"] == 1
            assert row["position_consistency"] == pytest.approx(2 / 3)
    points_of = {"win-rate": [1, 1, 0], "borda": [2, 2, 0]}
    for method, points in points_of.items():
        [row], _ = ranked(votes, method=method, conflicts="drop")
        assert row["scores"] == points
        assert row["conflicts"] == 1


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"davidson", "rao-kupper", "elo", "weng-lin", "trueskill"}))
def test_conflicts_as_ties_give_the_same_scores_where_ties_are_half_wins(write_lines: WriteLines, method: str) -> None:
    rows = [vote("ab", [1, 2]), vote("ba", [1, 2]), *all_pairs("cad"), *all_pairs("dbc", repeat=1)]
    rows += [vote(shown, [1, 2], "q") for shown in ("ab", "ba", "bc", "cb", "ac")]
    votes = write_lines("votes.jsonl", rows)
    both, ties = (ranked(votes, method=method, conflicts=rule)[0] for rule in ("both", "tie"))
    for one, other in zip(both, ties, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)
        assert one["ranks"] == other["ranks"]


def test_votes_of_different_judges_or_repeats_or_ties_are_no_conflict(write_lines: WriteLines) -> None:
    rows = [vote("ab", [1, 2], judge="j"), vote("ba", [1, 2], judge="k"), vote("ab", [1, 2], judge="t")]
    rows += [vote("ba", [1, 1], judge="t"), vote("ba", [1, 2], judge="j", repeat=1)]
    votes = write_lines("votes.jsonl", rows)
    plain, _ = ranked(votes, method="win-rate")
    assert plain[0]["conflicts"] == 0
    assert all(ranked(votes, method="win-rate", conflicts=rule)[0] == plain for rule in ("tie", "drop"))


@pytest.mark.parametrize("method", sorted(name for name, method in METHODS.items() if method.takes_weights))
def test_a_judge_with_a_large_weight_overrules_another(write_lines: WriteLines, method: str) -> None:
    rows = all_pairs("abc", judge="one") + all_pairs("cba", judge="two")
    for heavy, order in {"one": "abc", "two": "cba"}.items():
        [row], _ = ranked(write_lines("votes.jsonl", rows), method=method, judge_weights={heavy: 3.0})
        assert row["response_ids"][0] == order[0]
        assert method in WINNER_ONLY or row["response_ids"] == list(order)
        assert (row["repeats"], row["kendall_w"]) == (2, pytest.approx(0))


@pytest.mark.parametrize("method", ["bradley-terry", "borda", "plackett-luce", "win-rate", "elo"])
def test_a_weight_of_two_is_the_same_votes_twice(write_lines: WriteLines, method: str) -> None:
    lists = [vote("abc", [1, 3, 2], judge="one", repeat=0), vote("cab", [2, 1, 3], judge="two", repeat=0)]
    more: Row = {"position_effect": 0.0, "prior_sd": 1.5} if method == "bradley-terry" else {}
    more |= {"prior_sd": 1.5} if method == "plackett-luce" else {}
    [twice], _ = ranked(write_lines("votes.jsonl", [*lists, lists[0] | {"repeat": 1}]), method=method, **more)
    [heavy], _ = ranked(write_lines("votes.jsonl", lists), method=method, judge_weights={"one": 2.0}, **more)
    assert heavy["response_ids"] == twice["response_ids"]
    assert heavy["scores"] == pytest.approx(twice["scores"], rel=1e-3)


@pytest.mark.parametrize(
    ("options", "sentence", "hint"),
    [
        ({"judge_weights": {"anna": 2}}, "No vote is by a judge named 'anna'.", "Did you mean 'ana'?"),
        ({"judge_weights": {"ana": 0}}, "The judge 'ana' cannot weigh 0.", "Give a positive number up to 1,000,000."),
        ({"conflicts": "ties"}, "Conflicts cannot count as 'ties'.", "Did you mean 'tie'?"),
        ({"criterion": "tone"}, "votes.jsonl has no vote by the criterion 'tone'.", "name no criterion"),
        (
            {"judge_weights": {"ana": 2}, "method": "trueskill"},
            "trueskill takes every vote for as much",
            "bradley-terry",
        ),
    ],
)
def test_options_that_mean_nothing_are_refused(write_lines: WriteLines, options: Row, sentence: str, hint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        rank(write_lines("votes.jsonl", all_pairs("ab", judge="ana")), "rankings.parquet", **options)
    assert sentence in refusal.value.message
    assert hint in str(refusal.value.hint)
    assert not Path("rankings.parquet").exists()


def test_several_criteria_are_not_merged_silently(write_lines: WriteLines) -> None:
    rows = all_pairs("abc", criterion="tone") + all_pairs("cba", criterion="truth")
    rows += all_pairs("xy", prompt="q", criterion="truth")
    votes = write_lines("votes.jsonl", rows)
    with pytest.raises(UsageError, match=r"by several criteria \(tone, truth\)") as refusal:
        rank(votes, "rankings.parquet")
    assert refusal.value.hint == "Keep one of them: --criterion tone."
    found, summary = ranked(votes, criterion="tone")
    assert found[0]["response_ids"] == ["a", "b", "c"]
    assert found[0]["votes"] == summary.figures["votes"] == 6
    assert found[1]["flags"] == ["no-valid-votes"]
    assert summary.account() == "2 prompts in = 2 out + 0 dropped"
    found, _ = ranked(votes, criterion="truth")
    assert [row["response_ids"][0] for row in found] == ["c", "x"]
    with pytest.raises(UsageError) as refusal:
        rank(votes, "rankings.parquet", criterion="tune")
    assert refusal.value.hint == "Did you mean 'tone'?"


def test_one_criterion_needs_no_option_but_one_beside_votes_on_the_whole_does(write_lines: WriteLines) -> None:
    [row], _ = ranked(write_lines("votes.jsonl", all_pairs("ab", criterion="tone")))
    assert row["response_ids"] == ["a", "b"]
    with pytest.raises(UsageError, match=r"\(tone, and some by none\)"):
        ranked(write_lines("votes.jsonl", all_pairs("ab", criterion="tone") + all_pairs("ba")))


def test_the_options_reach_the_stage_from_the_command_line(write_lines: WriteLines, prefpipe: Run) -> None:
    rows = all_pairs("abc", judge="a=b") + all_pairs("cba", judge="two")
    rows = [*(row | {"criterion": "tone"} for row in rows), *all_pairs("bca", criterion="truth")]
    votes = write_lines("votes.jsonl", rows)
    options = ["--method", "copeland", "--judge-weight", "a=b=3", "--criterion", "tone", "--conflicts", "tie"]
    done = prefpipe("rank", votes, "-o", "rankings.jsonl", *options)
    assert done.returncode == 0, done.stderr
    [row] = [json.loads(line) for line in Path("rankings.jsonl").read_text().splitlines()]
    assert row["response_ids"] == ["a", "b", "c"]
    assert prefpipe("rank", votes, "-o", "rankings.jsonl", "--judge-weight", "two").returncode == 2


def test_a_prompt_without_a_complete_ranking_has_no_fused_scores_and_is_warned_of(write_lines: WriteLines) -> None:
    rows = [*all_pairs("ab", prompt="p"), vote("ab", [1, 2], "q"), vote("bc", [1, 2], "q")]
    found, summary = ranked(write_lines("votes.jsonl", rows), method="reciprocal-rank")
    assert found[0]["scores"] == pytest.approx([1 / 61, 1 / 62])
    assert found[1]["scores"] == [None, None, None]
    assert any("1 prompts have votes, but none that reciprocal-rank can score" in text for text in summary.warnings)


def test_the_measures_of_agreement_are_stored(write_lines: WriteLines) -> None:
    rows = [vote("abc", ranks, judge=str(number)) for number, ranks in enumerate([[1, 2, 3], [1, 3, 2], [1, 2, 2]])]
    rows += [vote("ab", [1, 2], "q", judge="0")]
    found, _ = ranked(write_lines("votes.jsonl", rows))
    row, alone = found
    # scipy's kendalltau: 1/3 for the first two, 0.816 for either with the third
    assert row["mean_tau"] == pytest.approx((1 / 3 + 2 * math.sqrt(2 / 3)) / 3)
    assert row["top_agreement"] == 1
    assert row["top_bottom_agreement"] == 0
    assert alone["mean_tau"] is alone["top_agreement"] is alone["zeta"] is alone["nontransitivity"] is None


def test_circles_and_wrong_ties_are_stored(write_lines: WriteLines) -> None:
    rows = [vote(shown, [1, 2], "circle") for shown in ("ab", "bc", "ca")]
    rows += all_pairs("abc", prompt="order")
    rows += [vote("ab", [1, 1], "ties"), vote("bc", [1, 1], "ties"), vote("ac", [1, 2], "ties")]
    found, _ = ranked(write_lines("votes.jsonl", rows))
    assert [row["zeta"] for row in found] == [0, 1, None]
    assert [row["nontransitivity"] for row in found] == [1, 0, 1]


def test_the_variance_between_judges_is_stored_where_several_rate(write_lines: WriteLines) -> None:
    rows = [vote("a", None, judge="j", scores=[4]), vote("a", None, judge="k", scores=[8])]
    rows += [vote("b", None, judge="j", scores=[score]) for score in (1, 3)] + [vote("b", None, judge="k", scores=[2])]
    rows += [vote("a", None, "q", judge="j", scores=[4]), *all_pairs("ab", prompt="r")]
    found, _ = ranked(write_lines("votes.jsonl", rows))
    assert [row["score_variance"] for row in found] == [2, None, None]


def test_a_weight_holds_for_ratings_too(write_lines: WriteLines) -> None:
    ratings = {"one": {"a": 9, "b": 5, "c": 1}, "two": {"a": 1, "b": 5, "c": 9}}
    rows = [
        vote(name, None, judge=judge, scores=[score]) for judge in ratings for name, score in ratings[judge].items()
    ]
    for heavy, order in {"one": "abc", "two": "cba"}.items():
        for method in ("bradley-terry", "borda", "plackett-luce", "elo"):
            [row], _ = ranked(write_lines("votes.jsonl", rows), method=method, judge_weights={heavy: 2.0})
            assert row["response_ids"] == list(order)


def test_a_prompt_with_very_many_votes_is_scored_like_any_other(
    write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row for prompt in "pqr" for row in all_pairs("bac", prompt=prompt, repeat=0)]
    rows += [row for repeat in range(1, 9) for row in all_pairs("abc", prompt="p", repeat=repeat)]
    votes = write_lines("votes.jsonl", rows)
    for method in ("plackett-luce", "elo"):
        options: Row = {"prior_sd": 1.5} if method == "plackett-luce" else {}
        whole, _ = ranked(votes, method=method, **options)
        with monkeypatch.context() as patch:
            patch.setattr("prefpipe.pipeline.ranking.ballot_methods.CELLS", 100)
            cut, _ = ranked(votes, method=method, **options)
        assert cut == whole
        assert [row["response_ids"][0] for row in whole] == ["a", "b", "b"]
