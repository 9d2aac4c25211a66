"""demo: the whole chain on bundled prompts with simulated models, and what it found beside what is true.

The simulator knows how good each answer really is and how its judge is biased; the pipeline does not. This is the one
stage that looks at both.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import permutations
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq

from .export import export
from .filter import filter  # noqa: A004 - the verb of the command
from .formats.responses import read_candidates
from .formats.rows import Row
from .generate import generate
from .judge import judge
from .llm.meter import Meter
from .llm.simulator import pairwise_probabilities, parse_model, quality
from .rank import rank
from .summary import Summary

GENERATORS = ("sim:strong", "sim:good", "sim:fair", "sim:weak")
JUDGE = "sim:biased-judge?sharpness=0.4&position_bias=0.6"
REPEATS = 2
KEEP_TOP = 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that the pipeline measured, beside the truth."""

    name: str
    found: str
    true: str


def demo(
    folder: str | Path, progress: Callable[[str], AbstractContextManager[Meter]]
) -> Iterator[Summary | list[Finding]]:
    """Run the chain into a folder; yield each stage's summary, and at the end what was found.

    Args:
        folder: Where the tables go.
        progress: Gives the meter of a stage by its name, and shows it.
    """
    paths = {
        name: Path(folder) / f"{name}.parquet"
        for name in ("responses", "votes", "rankings", "kept", "preferences", "unfiltered")
    }
    store = Path(folder) / "answers.db"
    with (
        as_file(files(f"{__package__}".replace("pipeline", "prompts")) / "demo.jsonl") as prompts,
        progress("generate") as meter,
    ):
        yield generate(prompts, paths["responses"], models=GENERATORS, store=store, meter=meter)
    with progress("judge") as meter:
        yield judge(paths["responses"], paths["votes"], judges=[JUDGE], repeats=REPEATS, store=store, meter=meter)
    ranked = rank(paths["votes"], paths["rankings"], responses=paths["responses"])
    yield ranked
    yield filter(paths["rankings"], paths["kept"], keep_top=KEEP_TOP)
    yield export(paths["kept"], paths["preferences"], responses=paths["responses"])
    export(paths["rankings"], paths["unfiltered"], responses=paths["responses"])
    yield list(_findings(paths, ranked))


def _findings(paths: dict[str, Path], ranked: Summary) -> Iterator[Finding]:
    model = parse_model(JUDGE)
    true = _true_rates(paths["responses"])
    effect, error = ranked.figures["position_effect"], ranked.figures["position_effect_error"]
    yield Finding("position bias of the judge (logits)", f"{effect:.2f} ± {error:.2f}", f"{model.position_bias:.2f}")
    for name, label in (
        ("first_slot_share", "decisive votes for the first slot"),
        ("position_consistency", "pairs judged alike in both orders"),
    ):
        yield Finding(label, f"{ranked.figures[name]:.1%}", f"{true[name]:.1%}")
    votes = pq.read_table(paths["votes"], columns=["status"])["status"].to_pylist()
    yield Finding("votes without a verdict", f"{votes.count('invalid') / len(votes):.1%}", f"{model.invalid:.1%}")
    yield Finding("models, best first", _order(paths["rankings"]), " > ".join(_names(GENERATORS)))
    yield Finding("chosen really is better, unfiltered", "-", _share_better(paths["unfiltered"]))
    yield Finding("chosen really is better, filtered", "-", _share_better(paths["preferences"]))


def _true_rates(responses: Path) -> dict[str, float]:
    """Return what the judge's probabilities, known to the simulator, make of every pair in both orders."""
    model = parse_model(JUDGE)
    first, second, alike = [], [], []
    for candidates in read_candidates(responses):
        for one, other in permutations((row["content"] for row in candidates), 2):
            there, back = pairwise_probabilities(model, one, other), pairwise_probabilities(model, other, one)
            first.append(there[0])
            second.append(there[1])
            alike.append(there[0] * back[1] + there[1] * back[0] + there[2] * back[2])
    return {
        "first_slot_share": fmean(first) / (fmean(first) + fmean(second)),
        "position_consistency": fmean(alike),
    }


def _order(rankings: Path) -> str:
    """Return the models by their mean score over all prompts."""
    scores: dict[str, list[float]] = {}
    for row in pq.read_table(rankings, columns=["models", "scores"]).to_pylist():
        for model, score in zip(row["models"] or (), row["scores"] or (), strict=True):
            scores.setdefault(model, []).append(score)
    return " > ".join(_names(sorted(scores, key=lambda model: -fmean(scores[model]))))


def _names(models: Any) -> list[str]:
    return [model.removeprefix("sim:") for model in models]


def _share_better(preferences: Path) -> str:
    """Return how often the chosen text truly is better than the rejected one."""
    rows: list[Row] = pq.read_table(preferences, columns=["chosen", "rejected"]).to_pylist()
    better = [quality(row["chosen"][0]["content"]) > quality(row["rejected"][0]["content"]) for row in rows]
    return f"{fmean(better):.1%} of {len(better)}"
