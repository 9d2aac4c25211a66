import math
from collections.abc import Iterator

import numpy as np
import pytest

from prefpipe.pipeline.ranking.borda import borda
from prefpipe.pipeline.ranking.comparisons import Ballots
from prefpipe.pipeline.ranking.davidson import davidson
from prefpipe.pipeline.ranking.global_bradley_terry import fit_leaderboards
from prefpipe.pipeline.ranking.leaderboards import IN_LOGITS, METHODS, WITH_POSITION, Estimate, estimate
from prefpipe.pipeline.ranking.model_comparisons import compare_models
from prefpipe.pipeline.ranking.prompt_bootstrap import Draws, draw_prompts
from prefpipe.pipeline.ranking.prompt_groups import Comparisons, Grouped
from prefpipe.pipeline.ranking.pseudo_votes import with_pseudo_votes
from prefpipe.pipeline.ranking.standings import interval, standings
from prefpipe.pipeline.ranking.win_rate import win_rate

STRENGTHS = np.array([-0.9, -0.3, 0.2, 1.0])


def votes(
    random: np.random.Generator, prompts: int, per_prompt: int, spread: float = 0.8, beta: float = 0.5
) -> Comparisons:
    """Votes on four models; a prompt suits one more than another, the first slot is favoured, one in ten is a tie."""
    shape = prompts, per_prompt
    lead = STRENGTHS + random.normal(0, spread, (prompts, 4))
    first = random.integers(0, 4, shape)
    second = (first + random.integers(1, 4, shape)) % 4
    margin = np.take_along_axis(lead, first, 1) - np.take_along_axis(lead, second, 1) + beta
    won = random.random(shape) < 1 / (1 + np.exp(-margin))
    kind = np.where(random.random(shape) < 0.1, 2, ~won)
    winner, loser = np.where(kind == 1, second, first), np.where(kind == 1, first, second)
    return Comparisons(4, np.repeat(np.arange(prompts), per_prompt), ((kind * 4 + winner) * 4 + loser).ravel())


def found(
    method: str, comparisons: Comparisons, draws: int = 50, position: float | None = None
) -> tuple[Estimate, Draws]:
    grouped = Grouped.of(comparisons)
    drawn = draw_prompts(grouped, draws=draws, seed=0)
    return estimate(method, grouped, drawn, position=position), drawn


def always(pairs: list[tuple[int, int]], times: int) -> Comparisons:
    """Votes on four models, so many on each pair, each on its own prompt; the first wins from either slot."""
    cell = np.array([(kind % 2 * 4 + i) * 4 + j for i, j in pairs for kind in range(times)])
    return Comparisons(4, np.arange(len(cell)), cell)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_ranks_models_of_known_strength_and_gives_draws(method: str) -> None:
    one, _ = found(method, votes(np.random.default_rng(0), 300, 10))
    assert one.scores.argsort().tolist() == [0, 1, 2, 3]
    assert one.drawn.shape == (50, 4)
    assert one.drawn.mean(0) == pytest.approx(one.scores, abs=0.3 * np.ptp(one.scores))
    if method != "copeland":  # whose majorities are all clear here
        assert (one.drawn.std(0) > 0).all()
    if method in IN_LOGITS:
        assert one.scores.sum() == pytest.approx(0, abs=1e-9)
        assert one.drawn.sum(1) == pytest.approx(np.zeros(50), abs=1e-7)
    assert math.isnan(one.position) == (method not in WITH_POSITION)
    assert np.isnan(one.drawn_position).all() == (method not in WITH_POSITION)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_finite_where_models_won_or_lost_everything(method: str) -> None:
    one, _ = found(method, always([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], 5))
    assert np.isfinite(one.scores).all()
    assert np.isfinite(one.drawn).all()
    assert one.scores.argsort().tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "copeland"])
def test_a_model_that_won_everything_has_a_wide_interval_that_reaches_further_away_than_back(method: str) -> None:
    one, drawn = found(method, always([(0, 1), (0, 2), (1, 2), (2, 1)], 10).among(np.arange(3)), draws=200)
    sure = standings(one.scores, one.drawn, groups=drawn.groups)
    width = sure.high - sure.low
    assert (width > 0.001 * np.ptp(one.scores)).all()
    if method in WITH_POSITION:
        assert width[0] > 2
        assert sure.high[0] - one.scores[0] > one.scores[0] - sure.low[0]


def test_bradley_terry_fits_votes_and_pseudo_votes_with_both_kinds_of_errors() -> None:
    one, drawn = found("bradley-terry", votes(np.random.default_rng(1), 400, 10), draws=1000)
    fit = fit_leaderboards(with_pseudo_votes(drawn.tally))
    assert one.scores == pytest.approx(fit.scores[0])
    assert one.position == pytest.approx(fit.position[0])
    by_draws = np.cov(one.drawn.T)
    assert np.sqrt(np.diag(one.by_prompt)) == pytest.approx(np.sqrt(np.diag(by_draws)), rel=0.1)
    assert one.by_prompt == pytest.approx(by_draws, abs=0.1 * by_draws.max())
    assert np.diag(one.by_vote).mean() < 0.9 * np.diag(one.by_prompt).mean()


def test_a_given_position_effect_is_kept_in_every_draw() -> None:
    one, _ = found("bradley-terry", votes(np.random.default_rng(2), 50, 10), position=0.25)
    assert one.position == 0.25
    assert (one.drawn_position == 0.25).all()


def test_davidsons_model_is_fitted_to_votes_and_pseudo_votes_without_a_prior() -> None:
    one, drawn = found("davidson", votes(np.random.default_rng(3), 100, 10), draws=3)
    fit = davidson(with_pseudo_votes(drawn.tally), prior_sd=1e4, position=True)
    assert (one.scores.tolist(), one.position, one.tie) == (fit.scores[0].tolist(), fit.position, fit.tie)
    assert np.sqrt(np.diag(one.by_vote)) == pytest.approx(fit.standard_errors[0])


def test_the_win_rate_is_that_of_the_votes_alone() -> None:
    one, drawn = found("win-rate", votes(np.random.default_rng(4), 100, 10))
    assert one.scores.tolist() == win_rate(drawn.tally).scores[0].tolist()


def test_bordas_count_is_the_mean_number_of_models_beaten_on_a_ballot_of_whatever_size() -> None:
    random = np.random.default_rng(5)
    lists = [random.permutation(4)[: random.integers(2, 5)] for _ in range(80)]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in lists])])
    ranks = np.concatenate([random.integers(1, 4, len(one)) for one in lists])
    prompt, nothing = np.arange(80) // 4, np.zeros(80, np.int64)
    comparisons, _ = compare_models(
        prompt, offsets, np.concatenate(lists), ranks, np.full(80, np.nan), nothing, 4, by_ballot=True
    )
    one, _ = found("borda", comparisons)
    wanted = borda(Ballots(nothing, nothing, nothing == 0, offsets, np.concatenate(lists), ranks), 1, 4)
    assert one.scores == pytest.approx(wanted.scores[0])


@pytest.mark.parametrize("method", METHODS)
def test_one_prompt_gives_an_estimate_and_no_draws(method: str) -> None:
    one, _ = found(method, votes(np.random.default_rng(6), 1, 40))
    assert np.isfinite(one.scores).all()
    assert one.drawn.shape == (0, 4)


def test_against_an_anchor_its_score_is_zero_and_errors_are_those_of_differences() -> None:
    one, _ = found("bradley-terry", votes(np.random.default_rng(7), 200, 5))
    moved = one.against(2)
    assert moved.scores.tolist() == (one.scores - one.scores[2]).tolist()
    assert moved.drawn[:, 2].tolist() == [0] * 50
    for before, after in ((one.by_vote, moved.by_vote), (one.by_prompt, moved.by_prompt)):
        assert after[2] == pytest.approx(np.zeros(4), abs=1e-12)
        assert after[0, 0] == pytest.approx(before[0, 0] + before[2, 2] - 2 * before[0, 2])
        assert after[0, 1] == pytest.approx(before[0, 1] - before[0, 2] - before[1, 2] + before[2, 2])


def test_scaling_and_reordering_move_everything_alike() -> None:
    one, _ = found("bradley-terry", votes(np.random.default_rng(8), 200, 5))
    order = np.array([3, 1, 0, 2])
    moved = one.scaled(10, 1000).reordered(order)
    assert moved.scores == pytest.approx(1000 + 10 * one.scores[order])
    assert moved.drawn == pytest.approx(1000 + 10 * one.drawn[:, order])
    assert np.diag(moved.by_prompt) == pytest.approx(100 * np.diag(one.by_prompt)[order])


def repeated(prompts: int, per_prompt: int, times: int) -> Iterator[tuple[Estimate, Draws]]:
    for seed in range(times):
        yield found("bradley-terry", votes(np.random.default_rng([9, seed]), prompts, per_prompt), draws=100)


@pytest.mark.parametrize(("prompts", "per_prompt"), [(30, 12), (150, 4)])
def test_intervals_hold_the_truth_as_often_as_they_say(prompts: int, per_prompt: int) -> None:
    """The truth is what infinitely many prompts would give: nearer to equality than the strengths on one prompt."""
    grouped = Grouped.of(votes(np.random.default_rng(10), 60_000, 12))
    truth = fit_leaderboards(grouped.drawn(np.zeros((0, grouped.groups)))[0])
    held, position_held, times = np.zeros(4), 0.0, 400
    for one, draws in repeated(prompts, per_prompt, times):
        low, high = interval(one.scores, one.drawn, groups=draws.groups)
        held += (low < truth.scores[0]) & (truth.scores[0] < high)
        effect = interval(np.array([one.position]), one.drawn_position[:, None], groups=draws.groups)
        position_held += bool(effect[0][0] < truth.position[0] < effect[1][0])
    assert (held / times >= 0.925).all()
    assert (held / times <= 0.98).all()
    assert 0.93 <= held.mean() / times <= 0.97
    assert 0.92 <= position_held / times <= 0.98


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"bradley-terry", "elo", "copeland"}))
def test_intervals_of_other_methods_hold_what_infinitely_many_prompts_would_give(method: str) -> None:
    """Not of elo, whose ratings mean another thing after more votes, nor of copeland, whose scores move in steps."""
    grouped = Grouped.of(votes(np.random.default_rng(10), 30_000, 8))
    truth = estimate(method, grouped, draw_prompts(grouped, draws=2, seed=0), position=None).scores
    held, times = 0, 60
    for seed in range(times):
        one, drawn = found(method, votes(np.random.default_rng([11, seed]), 60, 8))
        low, high = interval(one.scores, one.drawn, groups=drawn.groups)
        held += int(((low < truth) & (truth < high)).sum())
    assert 0.9 <= held / times / 4 <= 0.99
