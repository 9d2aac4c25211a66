from math import inf

import numpy as np
import pytest

from prefpipe.pipeline.ranking import bootstrap as module
from prefpipe.pipeline.ranking.bootstrap import bootstrap_prompts
from prefpipe.pipeline.ranking.tally import Floats, Tally
from prefpipe.pipeline.ranking.win_rate import win_rate


def rates(tally: Tally) -> Floats:
    return win_rate(tally).scores


def counts(seed: int, prompts: int = 20, n: int = 3) -> Tally:
    random = np.random.default_rng(seed)
    return Tally(*(random.integers(0, 3, (3, prompts, n, n)) * ~np.eye(n, dtype=bool) * 1.0))


def clustered(random: np.random.Generator, prompts: int, votes: int) -> Tally:
    """Two models; each prompt has its own chance of the first, 0.6 on average."""
    won = random.binomial(votes, random.beta(1.2, 0.8, prompts))
    wins = np.zeros((prompts, 2, 2))
    wins[:, 0, 1], wins[:, 1, 0] = won, votes - won
    return Tally(wins, wins * 0, wins * 0)


def test_draws_are_prompts_with_replacement() -> None:
    """Each prompt has one vote in a cell of its own, so a draw's counts are how often the prompts were drawn."""
    first = np.zeros((6, 3, 3))
    first[np.arange(6), *np.nonzero(~np.eye(3, dtype=bool))] = 1
    drawn: list[Tally] = []

    def keep(tally: Tally) -> Floats:
        drawn.append(tally)
        return rates(tally)

    bootstrap_prompts(Tally(first, first * 0, first * 0), keep, draws=3000)
    times = drawn[1].first_wins
    assert (times.sum(axis=(1, 2)) == 6).all()
    assert times.mean(axis=0)[~np.eye(3, dtype=bool)] == pytest.approx(np.ones(6), abs=0.08)
    assert times.var(axis=0)[~np.eye(3, dtype=bool)] == pytest.approx(np.full(6, 5 / 6), abs=0.1)


def test_all_three_kinds_of_cells_are_drawn_together() -> None:
    tally = counts(0)
    found = bootstrap_prompts(
        tally, lambda t: t.first_wins.sum(2) + 10 * t.second_wins.sum(2) + 100 * t.first_ties.sum(2), draws=50
    )
    parts = (tally.first_wins, tally.second_wins, tally.first_ties)
    whole = sum(scale * part.sum(axis=(0, 2)) for scale, part in zip((1, 10, 100), parts, strict=True))
    assert found.scores.tolist() == np.asarray(whole).tolist()
    assert found.resampled.shape == (50, 3)
    assert found.resampled.mean(axis=0) == pytest.approx(found.scores, rel=0.2)


def test_intervals_are_percentiles_and_errors_deviations_of_the_draws() -> None:
    found = bootstrap_prompts(counts(4), rates, draws=40, level=0.8)
    assert found.lower == pytest.approx(np.quantile(found.resampled, 0.1, axis=0))
    assert found.upper == pytest.approx(np.quantile(found.resampled, 0.9, axis=0))
    assert found.standard_errors == pytest.approx(found.resampled.std(axis=0, ddof=1))


def test_a_seed_decides_everything_and_zero_is_a_seed() -> None:
    tally = counts(1)
    one, same, other = (bootstrap_prompts(tally, rates, draws=20, seed=seed) for seed in (0, 0, 1))
    assert one.resampled.tolist() == same.resampled.tolist()
    assert one.resampled.tolist() != other.resampled.tolist()


def test_the_result_does_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = counts(1)
    whole = bootstrap_prompts(tally, rates, draws=20)
    monkeypatch.setattr(module, "BLOCK", 100)
    assert bootstrap_prompts(tally, rates, draws=20).resampled == pytest.approx(whole.resampled)


def test_prompts_without_votes_are_left_out() -> None:
    tally = counts(2)
    padded = Tally(
        *(np.concatenate([part, part * 0]) for part in (tally.first_wins, tally.second_wins, tally.first_ties))
    )
    found = bootstrap_prompts(padded, rates, draws=20)
    assert found.prompts == 20
    assert found.resampled.tolist() == bootstrap_prompts(tally, rates, draws=20).resampled.tolist()


@pytest.mark.parametrize("prompts", [0, 1])
def test_fewer_than_two_prompts_have_no_known_error(prompts: int) -> None:
    found = bootstrap_prompts(counts(3, prompts=prompts), rates, draws=5)
    assert (found.standard_errors == inf).all()
    assert (found.lower == -inf).all()
    assert (found.upper == inf).all()
    assert np.isfinite(found.scores).all()


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ValueError, match="draws must be at least 2"):
        bootstrap_prompts(counts(0), rates, draws=0)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        bootstrap_prompts(counts(0), rates, level=0)


def test_votes_on_one_prompt_are_not_taken_for_independent() -> None:
    tally = clustered(np.random.default_rng(0), 80, 100)
    votes = win_rate(
        Tally(*(part.sum(axis=0, keepdims=True) for part in (tally.first_wins, tally.second_wins, tally.first_ties)))
    )
    found = bootstrap_prompts(tally, rates)
    assert found.standard_errors[0] > 1.8 * votes.standard_errors[0, 0]


def test_intervals_cover_the_truth() -> None:
    random = np.random.default_rng(6)
    within, around = [], []
    for seed in range(500):
        found = bootstrap_prompts(clustered(random, 100, 8), rates, draws=200, seed=seed)
        within.append(found.lower[0] < 0.6 < found.upper[0])
        around.append(abs(found.scores[0] - 0.6) < 1.96 * found.standard_errors[0])
    assert 0.93 <= np.mean(around) <= 0.97
    assert 0.93 <= np.mean(within) <= 0.97
