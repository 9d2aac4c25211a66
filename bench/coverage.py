"""How far errors can be believed: how often 95 % intervals hold the truth, on votes that each method's own model makes.

    python bench/coverage.py [--seeds 500] [--prompts 40] [--workers 2]

For every seed, candidates of forty prompts are drawn anew and ranked by the kernels behind `prefpipe rank`, from votes
on every pair in both orders (or on lists). Each line gives the votes on a candidate, the position effects of the judges
and what was found of them on average, the share of all intervals that hold the truth, and that of the prompts'
strongest and weakest candidates.
"""

import argparse
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from prefpipe.pipeline.ranking.comparisons import Ballots, pairs_of, tally
from prefpipe.pipeline.ranking.judge_effects import tallies_of_judges
from prefpipe.pipeline.ranking.methods import METHODS, scorer_of
from prefpipe.pipeline.ranking.pooled import Shared
from prefpipe.pipeline.ranking.shared import find_shared
from prefpipe.pipeline.ranking.special import NORMAL_95

Floats = NDArray[np.float64]
Chances = tuple[Floats, Floats]

ITEMS, SPREAD = 6, 1.2
DAVIDSON_NU, RAO_KUPPER_NU = 0.5, 1.6
SHOWN = np.array(list(permutations(range(ITEMS), 2)))


def without_ties(margin: Floats) -> Chances:
    won: Floats = 1 / (1 + np.exp(-margin))
    return won, np.zeros_like(margin)


def as_davidson(margin: Floats) -> Chances:
    total = np.exp(margin / 2) + np.exp(-margin / 2) + DAVIDSON_NU
    return np.exp(margin / 2) / total, DAVIDSON_NU / total


def as_rao_and_kupper(margin: Floats) -> Chances:
    won, lost = 1 / (1 + RAO_KUPPER_NU * np.exp(-margin)), 1 / (1 + RAO_KUPPER_NU * np.exp(margin))
    return won, 1 - won - lost


MODELS: dict[str, Callable[[Floats], Chances]] = {"davidson": as_davidson, "rao-kupper": as_rao_and_kupper}


@dataclass(frozen=True)
class Case:
    """A method, how often each pair is judged in both orders, and each judge's position effect."""

    method: str
    repeats: int
    effects: tuple[float, ...]

    def __str__(self) -> str:
        votes = self.repeats * 2 if self.method == "plackett-luce" else self.repeats * 2 * (ITEMS - 1)
        effects = " and ".join(f"{effect:g}" for effect in self.effects)
        return f"{self.method:<15}{votes * len(self.effects):>6}   {effects:<12}"


def cases() -> Iterator[Case]:
    for repeats in (1, 3):
        for method in ("bradley-terry", "davidson", "rao-kupper"):
            for effects in ((0.0,), (0.6,), (1.5, -1.0)):
                yield Case(method, repeats, effects)
        for method in ("firth", "plackett-luce", "win-rate", "borda"):
            yield Case(method, repeats, (0.0,))


def votes(case: Case, theta: Floats, random: np.random.Generator) -> Ballots:
    """Return every judge's votes; source is the judge."""
    if case.method == "plackett-luce":
        luck = theta[:, None, :] + random.gumbel(size=(len(theta), 2 * case.repeats, ITEMS))
        items = random.permuted(np.broadcast_to(np.arange(ITEMS), luck.shape), axis=2)
        ranks = np.take_along_axis((-luck).argsort(axis=2).argsort(axis=2) + 1, items, axis=2)
        prompt, size = np.repeat(np.arange(len(theta)), 2 * case.repeats), ITEMS
        source = np.zeros(len(prompt), np.int64)
    else:
        shown = np.tile(SHOWN, (case.repeats * len(case.effects), 1))
        source = np.tile(np.repeat(np.arange(len(case.effects)), len(SHOWN) * case.repeats), len(theta))
        margin = theta[:, shown[:, 0]] - theta[:, shown[:, 1]]
        margin = margin + np.array(case.effects)[source[: len(shown)]]
        won, tied = MODELS.get(case.method, without_ties)(margin)
        luck = random.random(won.shape)
        ranks = np.where((luck < won)[..., None], [1, 2], np.where((luck < won + tied)[..., None], [1, 1], [2, 1]))
        prompt, items, size = np.repeat(np.arange(len(theta)), len(shown)), np.tile(shown.ravel(), len(theta)), 2
    offsets = np.arange(0, size * len(prompt) + 1, size)
    return Ballots(prompt, source, prompt >= 0, offsets, items.ravel(), ranks.ravel())


def truth(case: Case, theta: Floats) -> Floats:
    if case.method not in {"win-rate", "borda"}:
        return np.asarray(theta - theta.mean(1, keepdims=True))
    won = without_ties(theta[:, :, None] - theta[:, None, :])[0] * ~np.eye(ITEMS, dtype=bool)
    return np.asarray(won.sum(2) / (ITEMS - 1 if case.method == "win-rate" else 1))


def shared(case: Case, ballots: Ballots, prompts: int) -> Shared:
    if not METHODS[case.method].has_prior:
        return Shared(0.0, 0.0, 1.0)
    judge = np.arange(len(case.effects))
    return find_shared(
        METHODS[case.method],
        [tallies_of_judges(ballots, judge, len(judge), prompts, ITEMS)],
        None,
        judge,
    )


def simulate(case: Case, seed: int, prompts: int) -> tuple[float, ...]:
    """Return how many intervals hold the truth, and are told; of the ends, likewise; the effects that were found."""
    random = np.random.default_rng([len(case.effects), seed])
    theta = random.normal(0, SPREAD, (prompts, ITEMS))
    ballots = votes(case, theta, random)
    found = shared(case, ballots, prompts)
    scores, errors = scorer_of(case.method, found)(ballots, tally(pairs_of(ballots), prompts, ITEMS))
    known, held = np.isfinite(errors), np.abs(scores - truth(case, theta)) < NORMAL_95 * errors
    ends = np.zeros_like(known)
    for end in (theta.argmax(1), theta.argmin(1)):
        ends[np.arange(prompts), end] = True
    effects = [found.position_effect] * len(case.effects) if found.of_judges is None else found.of_judges.effects
    return *(float(part.sum()) for part in (held[known], known, held[known & ends], known & ends)), *effects


def main() -> None:
    parser = argparse.ArgumentParser(description="How often intervals hold the truth.")
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(f"{'method':<15}{'votes':>6}   {'effects':<12}{'all':>8}{'ends':>8}   found")
    with ProcessPoolExecutor(options.workers) as pool:
        for case in cases():
            runs = pool.map(
                simulate, [case] * options.seeds, range(options.seeds), [options.prompts] * options.seeds, chunksize=10
            )
            held, told, ends, known, *effects = np.array(list(runs)).T
            found = " and ".join(f"{effect.mean():.3f}" for effect in effects if METHODS[case.method].corrects_position)
            print(f"{case}{held.sum() / told.sum():>8.1%}{ends.sum() / known.sum():>8.1%}   {found}", flush=True)


if __name__ == "__main__":
    main()
