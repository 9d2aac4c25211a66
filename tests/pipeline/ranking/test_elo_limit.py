import numpy as np
import pytest

from prefpipe.pipeline.ranking.elo import elo
from prefpipe.pipeline.ranking.elo_limit import SCALE, elo_limit
from prefpipe.pipeline.ranking.global_bradley_terry import fit_leaderboards
from prefpipe.pipeline.ranking.tally import Floats, Tally


def played(count: int, seed: int = 0, n: int = 5) -> tuple[Tally, Floats]:
    """Votes on models of known strength: their tally, and the ratings of an Elo averaged over 400 orders."""
    random = np.random.default_rng(seed)
    first = random.integers(0, n, count)
    second = (first + random.integers(1, n, count)) % n
    lead = np.linspace(-1, 1, n)[first] - np.linspace(-1, 1, n)[second]
    won = (random.random(count) < 1 / (1 + np.exp(-lead))) * 1.0
    won[random.random(count) < 0.1] = 0.5
    parts = np.zeros((3, 1, n, n))
    for one, other, points in zip(first, second, won, strict=True):
        parts[{1.0: (0, 0, one, other), 0.0: (1, 0, other, one), 0.5: (2, 0, one, other)}[points]] += 1
    ratings = elo(np.zeros(count, np.int64), first, second, won, shape=(1, n), permutations=400)
    return Tally(*parts), ratings.scores[0] - 1000


@pytest.mark.parametrize(("votes", "off"), [(100, 1.0), (1000, 5.0), (4000, 5.0)])
def test_it_is_elo_averaged_over_orders(votes: int, off: float) -> None:
    tally, ratings = played(votes)
    assert elo_limit(tally)[0] * SCALE == pytest.approx(ratings, abs=off)


def test_after_very_many_votes_it_is_bradley_terry_and_after_few_it_is_drawn_to_equality() -> None:
    tally, _ = played(1000)
    fit = fit_leaderboards(tally, position=0.0).scores
    many = Tally(tally.first_wins * 1e5, tally.second_wins * 1e5, tally.first_ties * 1e5)
    assert elo_limit(many) == pytest.approx(fit, abs=1e-6)
    assert 0 < np.abs(elo_limit(tally)).max() < np.abs(fit).max()
    assert np.abs(elo_limit(tally, k=0.01)).max() < 0.02


def test_tallies_like_another_are_nearly_as_if_rated_alone() -> None:
    tally, _ = played(1000)
    random = np.random.default_rng(1)
    drawn = Tally(*(part * random.gamma(20, 1 / 20, (20, 5, 5)) for part in vars(tally).values()))
    together = elo_limit(drawn, like=tally)
    for draw in range(20):
        alone = elo_limit(Tally(*(part[draw : draw + 1] for part in vars(drawn).values())))
        assert together[draw] == pytest.approx(alone[0], abs=0.01)


def test_a_model_without_votes_stays_where_all_begin() -> None:
    wins = np.zeros((1, 3, 3))
    wins[0, 0, 1] = 10
    found = elo_limit(Tally(wins, wins * 0, wins * 0))[0]
    assert found[0] > 0 > found[1]
    assert found[2] == pytest.approx(0)
