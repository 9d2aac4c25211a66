"""What rankings say of votes is the same whatever scores are made of, and in whatever order the rows stand."""

import random
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline import Summary, rank
from prefpipe.pipeline.ranking.methods import METHODS

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]
MEASURES = (
    *("conflicts", "kendall_w", "consistency", "p_value", "mean_tau", "top_agreement", "top_bottom_agreement"),
    *("distinct_winners", "position_consistency", "first_slot_share", "cyclic_triads", "zeta", "nontransitivity"),
)


def vote(shown: str, ranks: list[int], judge: str = "j", prompt: str = "p", **more: Any) -> Row:
    return {"prompt_id": prompt, "judge": judge, "repeat": 0, "shown": list(shown), "ranks": ranks} | more


def ranked(votes: Path, **options: Any) -> tuple[list[Row], Summary]:
    summary = rank(votes, votes.with_name("rankings.parquet"), **options)
    return pq.read_table(votes.with_name("rankings.parquet")).to_pylist(), summary


@pytest.mark.parametrize(
    "options",
    [{"judge_weights": {"x": 5.0}}, {"vote_weight": "strength"}, {"conflicts": "drop"}, {"method": "minimax"}],
)
def test_measures_are_those_of_the_votes_as_they_are(write_lines: WriteLines, options: Row) -> None:
    circle = [vote(pair, [1, 2], "x", strength=2) for pair in ("ab", "bc", "ca")]
    order = [vote(pair, [1, 2], judge, strength=1) for judge in "yz" for pair in ("ab", "bc", "ac")]
    both = [vote("ba", [1, 2], "x", strength=1)]
    path = write_lines("votes.jsonl", [*circle, *order, *both])
    [plain], [other] = ranked(path)[0], ranked(path, **options)[0]
    assert {name: other[name] for name in MEASURES} == {name: plain[name] for name in MEASURES}
    assert (plain["cyclic_triads"], plain["zeta"], plain["conflicts"]) == (0, 1.0, 1)


def test_a_rating_counts_as_much_as_a_vote_on_a_pair(write_lines: WriteLines) -> None:
    rated = [{**vote(name, [], "j"), "ranks": None, "scores": [score]} for name, score in (("a", 1.0), ("b", 2.0))]
    other = [vote("ab", [1, 2], "j"), vote("ab", [2, 1], "k")]
    [row], _ = ranked(write_lines("votes.jsonl", [*rated, *other]), method="win-rate")
    [pairs], _ = ranked(write_lines("votes.jsonl", [vote("ba", [1, 2], "j"), *other]), method="win-rate")
    assert {name: row[name] for name in ("kendall_w", "top_agreement")} == {"kendall_w": 0.5, "top_agreement": 0.0}
    assert row["scores"] == pairs["scores"]


def test_what_all_prompts_share_does_not_depend_on_the_order_of_rows_in_a_large_file(
    write_lines: WriteLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("prefpipe.pipeline.rank"), "ESTIMATION_CELLS", 400)
    draw = random.Random(0)  # noqa: S311 - a simulation
    rows = []
    for prompt in range(300):  # every third one from another source, as interleaved sets have it
        names = list("abcd")
        for repeat in range(2):
            if prompt % 3:
                draw.shuffle(names)
            rows.append(vote("".join(names), [1, 2, 3, 4], prompt=f"p{prompt}", repeat=repeat))
    figures = []
    for _ in range(3):
        _, summary = ranked(write_lines("votes.jsonl", rows))
        figures.append((summary.figures["prior_sd"], summary.figures["position_effect"]))
        draw.shuffle(rows)
    assert figures[1:] == figures[:1] * 2


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_candidate_that_nobody_compared_is_never_the_best(write_lines: WriteLines, method: str) -> None:
    rows = [vote(pair, [1, 2], repeat=repeat) for repeat in range(3) for pair in ("ab", "bc", "ac")]
    rows.append({**vote("da", [], prompt="p"), "ranks": None, "status": "invalid"})
    [row], _ = ranked(write_lines("votes.jsonl", rows), method=method)
    scores = dict(zip(row["response_ids"], row["scores"], strict=True))
    assert row["response_ids"][0] == "a"
    assert scores["d"] is None or scores["d"] < scores["a"]
    assert "disconnected" in row["flags"]
