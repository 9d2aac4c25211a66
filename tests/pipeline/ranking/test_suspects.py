import numpy as np
import pytest

from prefpipe.pipeline.ranking.prompt_groups import Comparisons
from prefpipe.pipeline.ranking.suspects import FALSE_ALARMS, suspects
from prefpipe.pipeline.ranking.tally import Floats

MODELS, JUDGES = 10, 4


def votes(seed: int, planted: int, per_cell: int = 40) -> tuple[Comparisons, set[tuple[int, int, int]]]:
    """Votes of four judges on all pairs of ten models; in some cells of judge 3, all votes are turned round."""
    random = np.random.default_rng(seed)
    theta = np.linspace(1.5, -1.5, MODELS)
    judge, first, second, turn = np.unravel_index(
        np.arange(JUDGES * MODELS**2 * per_cell), (JUDGES, MODELS, MODELS, per_cell)
    )
    judge, first, second, turn = (part[first < second] for part in (judge, first, second, turn))
    chance = 1 / (1 + np.exp(theta[second] - theta[first]))
    clear = [(i, j) for i in range(MODELS) for j in range(i + 3, MODELS)]
    bad = {(3, *clear[index]) for index in random.choice(len(clear), planted, replace=False)}
    turned = np.array([key in bad for key in zip(judge.tolist(), first.tolist(), second.tolist(), strict=True)])
    won = (random.random(len(judge)) < chance) ^ turned
    winner, loser = np.where(won, first, second), np.where(won, second, first)
    kind = (turn % 2) ^ ~won  # each model stands first as often as second
    return Comparisons(MODELS, turn, (kind * MODELS + winner) * MODELS + loser, judge=judge), bad


def test_planted_votes_are_flagged_with_a_precision_of_95_and_a_recall_of_95_per_cent() -> None:
    flagged, planted, both = 0, 0, 0
    for seed in range(12):
        comparisons, bad = votes(seed, planted=6)
        found = suspects(comparisons)
        cells = list(zip(*(part.tolist() for part in (found.judge, found.loser, found.winner)), strict=True))
        flagged, planted, both = flagged + len(cells), planted + len(bad), both + len(bad & set(cells))
    assert both / flagged >= 0.95
    assert both / planted >= 0.95


def test_honest_votes_are_rarely_flagged_at_all() -> None:
    alarms = [len(suspects(votes(seed, planted=0)[0]).judge) > 0 for seed in range(40)]
    assert np.mean(alarms) <= 2 * FALSE_ALARMS


def test_what_is_flagged_is_told_and_cleared_away() -> None:
    comparisons, bad = votes(1, planted=3)
    found = suspects(comparisons)
    assert set(found.judge.tolist()) == {3}
    assert found.comparisons.tolist() == [40] * len(bad)
    assert (found.seen > found.expected).all()
    assert (np.diff(found.p_value) >= 0).all()
    assert (found.suspicion > 0.5).all()
    one, other = comparisons.cell // MODELS % MODELS, comparisons.cell % MODELS
    assert comparisons.judge is not None
    cleared = found.cleared(comparisons.judge, one, other)
    assert (~cleared).sum() == 40 * len(bad)
    assert (found.cleared(comparisons.judge, other, one) == cleared).all()
    assert not len(suspects(comparisons.where(cleared)).judge)


def weighted(times: int) -> tuple[Floats, Floats]:
    comparisons, _ = votes(2, planted=2, per_cell=60 // times)
    size = times * len(comparisons.cell)
    repeated = Comparisons(
        MODELS,
        np.repeat(comparisons.prompt, times),
        np.repeat(comparisons.cell, times),
        np.full(size, 1 / times),
        np.full(size, 1 / times),
        judge=np.repeat(comparisons.judge, times) if comparisons.judge is not None else None,
    )
    once, again = suspects(comparisons), suspects(repeated)
    assert again.comparisons == pytest.approx(once.comparisons)
    return once.p_value, again.p_value


def test_half_comparisons_count_half() -> None:
    once, again = weighted(2)
    assert again == pytest.approx(once)
