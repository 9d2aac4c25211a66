import json
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from prefpipe.pipeline import rank
from prefpipe.pipeline.errors import UsageError
from prefpipe.pipeline.summary import Summary

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]
Run = Callable[..., Any]
PLAIN: Row = {"position_effect": 0.0, "prior_sd": 1.5}


def vote(shown: str, ranks: list[int], prompt: str = "p", **more: Any) -> Row:
    return {"prompt_id": prompt, "judge": "j", "shown": list(shown), "ranks": ranks} | more


def ranked(votes: Path, **options: Any) -> tuple[dict[str, float], Summary]:
    """Return the scores of the first prompt's candidates."""
    summary = rank(votes, "rankings.parquet", **(PLAIN | options))
    row = pl.read_parquet("rankings.parquet").to_dicts()[0]
    return dict(zip(row["response_ids"], row["scores"], strict=True)), summary


def test_a_clear_vote_counts_as_three_slight_ones(write_lines: WriteLines) -> None:
    rows = [vote("ab", [1, 2], strength=2, repeat=0), vote("ba", [1, 2], strength=1, repeat=0)]
    slight = [vote("ab", [1, 2], repeat=0)] * 3 + [vote("ba", [1, 2], repeat=0)]
    found, summary = ranked(write_lines("votes.jsonl", rows), vote_weight="strength")
    assert summary.warnings == ()
    assert found == ranked(write_lines("slight.jsonl", slight))[0]
    assert found["a"] > 0 == ranked(write_lines("votes.jsonl", rows))[0]["a"]


def test_a_soft_vote_counts_for_both_candidates(write_lines: WriteLines) -> None:
    rows = [vote("ab", [1, 2], scores=[0.6, 0.4]), vote("ba", [2, 1], scores=[0.4, 0.6])]
    votes = write_lines("votes.jsonl", rows)
    soft, hard = ranked(votes, vote_weight="probability")[0], ranked(votes)[0]
    assert 0 < soft["a"] < hard["a"]
    even, _ = ranked(write_lines("even.jsonl", [vote("ab", [1, 2], scores=[0.4, 0.4])]), vote_weight="probability")
    assert even == {"a": 0, "b": 0}


@pytest.mark.parametrize("method", ["bradley-terry", "davidson", "borda", "win-rate", "copeland", "plackett-luce"])
def test_soft_votes_find_the_order_that_half_as_many_hard_ones_miss(write_lines: WriteLines, method: str) -> None:
    random = np.random.default_rng(0)
    rows, truth = [], {}
    for prompt in range(60):
        theta = dict(zip("abcd", random.normal(0, 1, 4), strict=True))
        truth[str(prompt)] = theta
        for first, second in permutations("abcd", 2):
            chance = float(1 / (1 + np.exp(theta[second] - theta[first])))
            won = random.random() < chance
            more = {"scores": [chance, 1 - chance], "repeat": 0}
            rows.append(vote(first + second, [1, 2] if won else [2, 1], str(prompt), **more))
    votes = write_lines("votes.jsonl", rows)

    def best(**options: str) -> int:
        rank(votes, "rankings.parquet", method=method, **options)  # type: ignore[arg-type]
        return sum(
            row["response_ids"][0] == max(truth[row["prompt_id"]], key=truth[row["prompt_id"]].__getitem__)
            for row in pl.read_parquet("rankings.parquet").to_dicts()
        )

    assert best(vote_weight="probability") >= 57 > best()


def test_consistency_is_that_of_the_votes_as_they_are(write_lines: WriteLines) -> None:
    rows = [
        vote(shown, ranks, scores=scores, strength=2, perplexity=perplexity, repeat=0)
        for shown, ranks, scores, perplexity in (
            ("ab", [1, 2], [0.9, 0.1], 1.1),
            ("ba", [1, 2], [0.6, 0.4], 1.4),
            ("ac", [1, 2], [0.8, 0.2], 1.2),
            ("ca", [2, 1], [0.1, 0.9], 1.2),
            ("bc", [1, 2], [0.7, 0.3], 1.2),
            ("cb", [2, 1], [0.3, 0.7], 1.2),
        )
    ]
    votes = write_lines("votes.jsonl", rows)
    tables = []
    for options in (
        {},
        {"vote_weight": "strength"},
        {"vote_weight": "probability"},
        {"conflicts": "likelihood"},
        {"conflicts": "perplexity", "vote_weight": "probability"},
    ):
        found, _ = ranked(votes, **options)
        tables.append(pl.read_parquet("rankings.parquet").to_dicts()[0])
        assert list(found) == ["a", "b", "c"]
    for name in ("conflicts", "position_consistency", "first_slot_share", "repeats", "votes"):
        assert len({table[name] for table in tables}) == 1
    assert tables[0]["conflicts"] == 1


def test_likelihood_and_perplexity_decide_conflicts(write_lines: WriteLines) -> None:
    rows = [
        vote("ab", [1, 2], scores=[0.9, 0.1], perplexity=1.5, repeat=0),
        vote("ba", [1, 2], scores=[0.6, 0.4], perplexity=1.1, repeat=0),
    ]
    votes = write_lines("votes.jsonl", rows)
    assert ranked(votes)[0]["a"] == 0
    assert ranked(votes, conflicts="likelihood")[0]["a"] > 0
    assert ranked(votes, conflicts="perplexity")[0]["a"] < 0
    twice = ranked(votes, conflicts="likelihood", vote_weight="probability")[0]
    assert twice == ranked(votes, conflicts="likelihood")[0]  # a conflict that is decided counts whole


@pytest.mark.parametrize("option", ["strength", "probability"])
def test_votes_without_the_column_count_as_they_are_and_are_named(write_lines: WriteLines, option: str) -> None:
    known = vote("ab", [1, 2], strength=1, scores=[1.0, 0.0])
    rows = [known, vote("ab", [1, 2]), vote("abc", [1, 2, 3]), vote("ba", [1, 1], scores=[0.0, 0.0])]
    found, summary = ranked(write_lines("votes.jsonl", rows), vote_weight=option)
    plain, _ = ranked(write_lines("votes.jsonl", rows))
    assert found == pytest.approx(plain)
    asked, column = (2, "strength") if option == "strength" else (3, "scores")
    assert f"1 of {asked} votes on two candidates have no '{column}', so they count as without {option}." in (
        summary.warnings
    )


@pytest.mark.parametrize(
    ("more", "options", "sentence", "hint"),
    [
        ({}, {"vote_weight": "strength"}, "votes.jsonl has 'strength'.", "elsewhere"),
        ({}, {"vote_weight": "probability"}, "votes.jsonl has 'scores'.", "--logprobs"),
        ({}, {"conflicts": "likelihood"}, "votes.jsonl has 'scores'.", "--logprobs"),
        ({}, {"conflicts": "perplexity"}, "votes.jsonl has 'perplexity'.", "--logprobs"),
        ({"strength": 5}, {"vote_weight": "strength"}, "votes.jsonl: 'strength' of 1 vote on two candidates", "2 for"),
        ({"scores": [8.0, 6.0]}, {"vote_weight": "probability"}, "'scores' of 1 vote on two candidates", "at most 1"),
        ({"perplexity": -1.0}, {"conflicts": "perplexity"}, "'perplexity' of 1 vote on two candidates", "positive"),
        ({}, {"vote_weight": "strenght"}, "Votes cannot be weighted by 'strenght'.", "Did you mean 'strength'?"),
        ({}, {"vote_weight": "strength", "method": "elo"}, "No vote on two candidates", "elsewhere"),
        (
            {},
            {"vote_weight": "strength", "method": "weng-lin"},
            "weng-lin takes every vote of a judge",
            "bradley-terry",
        ),
        ({}, {"vote_weight": "strength", "method": "reciprocal-rank"}, "reciprocal-rank takes every", "bradley-terry"),
    ],
)
def test_what_an_option_needs_and_does_not_find_is_named(
    write_lines: WriteLines, more: Row, options: Row, sentence: str, hint: str
) -> None:
    votes = write_lines("votes.jsonl", [vote("ab", [1, 2], **more), vote("abc", [1, 2, 3], scores=[1, 0, 0])])
    with pytest.raises(UsageError) as refusal:
        rank(votes, "rankings.parquet", **options)
    assert sentence in refusal.value.message
    assert hint in str(refusal.value.hint)
    assert not Path("rankings.parquet").exists()


def test_columns_are_read_for_the_votes_by_one_criterion(write_lines: WriteLines) -> None:
    rows = [
        vote("ab", [2, 1], criterion="tone", strength=2),
        vote("ab", [1, 2], criterion="truth", strength=1),
        vote("ba", [1, 2], criterion="truth", strength=2),
    ]
    found, _ = ranked(write_lines("votes.jsonl", rows), criterion="truth", vote_weight="strength")
    alone, _ = ranked(write_lines("alone.jsonl", rows[1:]), vote_weight="strength")
    assert found == alone
    assert found["b"] > 0


def test_the_options_reach_the_stage_from_the_command_line(write_lines: WriteLines, prefpipe: Run) -> None:
    votes = write_lines("votes.jsonl", [vote("ab", [1, 2], strength=2), vote("ba", [1, 2], strength=1)])
    options = ["--vote-weight", "strength", "--position-effect", "0.25", "--prior-sd", "2"]
    done = prefpipe("rank", votes, "-o", "rankings.jsonl", "--json", *options)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert "0.25" in json.dumps(figures)
    scores = json.loads(Path("rankings.jsonl").read_text())["scores"]
    expected, _ = ranked(votes, vote_weight="strength", position_effect=0.25, prior_sd=2.0)
    assert scores == list(expected.values())
    assert prefpipe("rank", votes, "-o", "r.jsonl", "--position-effect", "left").returncode == 2
