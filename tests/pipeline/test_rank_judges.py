"""Several judges, each of whom favours a slot in a way of its own."""

import json
import math
import random
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from prefpipe.pipeline import Summary, rank
from prefpipe.pipeline.ranking.judge_effects import MOST_EFFECTS

Row = dict[str, Any]
WriteLines = Callable[[str, Sequence[Row]], Path]


def votes_of(effects: dict[str, float], prompts: int, seed: int = 0) -> tuple[list[Row], dict[str, float]]:
    """One vote by each judge on every pair, in an order drawn by chance, and the candidates' strengths."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    strength = {f"{prompt}-{name}": chance.gauss(0, 1.2) for prompt in range(prompts) for name in "abcde"}
    rows = []
    for prompt in range(prompts):
        for judge, effect in effects.items():
            for names in combinations("abcde", 2):
                first, second = (f"{prompt}-{name}" for name in chance.sample(names, 2))
                won = chance.random() < 1 / (1 + math.exp(strength[second] - strength[first] - effect))
                rows.append(
                    {
                        "prompt_id": str(prompt),
                        "judge": judge,
                        "shown": [first, second],
                        "ranks": [1, 2] if won else [2, 1],
                    }
                )
    return rows, strength


def ranked(votes: Path, **options: Any) -> tuple[list[Row], Summary]:
    summary = rank(votes, votes.with_name("rankings.parquet"), **options)
    return pq.read_table(votes.with_name("rankings.parquet")).to_pylist(), summary


def slope(rows: list[Row], strength: dict[str, float]) -> float:
    """How far apart scores are for strengths that are one apart."""
    pairs = [pair for row in rows for pair in zip(row["response_ids"], row["scores"], strict=True)]
    found = np.array([[strength[name], score] for name, score in pairs])
    return float(np.polyfit(found[:, 0], found[:, 1], 1)[0])


@pytest.mark.parametrize("method", ["bradley-terry", "davidson", "rao-kupper"])
def test_judges_who_favour_different_slots_do_not_blur_the_scores(write_lines: WriteLines, method: str) -> None:
    rows, strength = votes_of({"early": 1.5, "late": -1.5}, 150)
    votes = write_lines("votes.jsonl", rows)
    own, summary = ranked(votes, method=method)
    together, plain = ranked(votes, method=method, position_effect=summary.figures["position_effect"])
    assert summary.figures["position_effect"] == pytest.approx(0, abs=0.3)
    assert summary.figures["position_effect of early"] == pytest.approx(1.5, abs=0.4)
    assert summary.figures["position_effect of late"] == pytest.approx(-1.5, abs=0.4)
    assert "position_effect of early" not in plain.figures
    assert slope(own, strength) > 1.2 * slope(together, strength)


def test_the_order_of_rows_changes_nothing_however_many_judges_there_are(write_lines: WriteLines) -> None:
    effects = {f"judge {number}": (-1) ** number * 1.2 for number in range(MOST_EFFECTS + 3)}
    rows, _ = votes_of(effects, 12)
    found = []
    for seed in range(3):
        table, summary = ranked(write_lines("votes.jsonl", rows))
        found.append((sorted(table, key=lambda row: str(row["prompt_id"])), summary.figures))
        random.Random(seed).shuffle(rows)  # noqa: S311 - a test's shuffle
    assert found[1:] == found[:1] * 2
    named = {name: effect for name, effect in found[0][1].items() if name.startswith("position_effect of ")}
    assert len(named) == len(effects)
    assert len(set(named.values())) == MOST_EFFECTS


def test_judge_effects_are_told_as_json(prefpipe: Callable[..., Any], write_lines: WriteLines, tmp_path: Path) -> None:
    rows, _ = votes_of({"early": 1.5, "late": -1.5}, 60)
    result = prefpipe("rank", write_lines("votes.jsonl", rows), "-o", tmp_path / "rankings.parquet", "--json")
    figures = json.loads(result.stdout)["figures"]
    assert figures["position_effect of early"] > 1 > -1 > figures["position_effect of late"]


def test_agreement_of_repeats_is_told_apart_from_that_of_judges(write_lines: WriteLines) -> None:
    rows = [
        {"prompt_id": "p", "judge": judge, "repeat": repeat, "shown": list("abcd"), "ranks": ranks}
        for judge, ranks in (("up", [1, 2, 3, 4]), ("down", [4, 3, 2, 1]))
        for repeat in range(3)
    ]
    [row], summary = ranked(write_lines("votes.jsonl", rows))
    assert (row["repeat_consistency"], row["judge_consistency"]) == (1.0, -1.0)
    assert row["consistency"] == pytest.approx(-1 / 5)
    assert (summary.figures["mean_repeat_consistency"], summary.figures["mean_judge_consistency"]) == (1.0, -1.0)
    [row], summary = ranked(write_lines("votes.jsonl", rows[:3]))
    assert (row["repeat_consistency"], row["judge_consistency"]) == (1.0, None)
    assert "mean_judge_consistency" not in summary.figures
