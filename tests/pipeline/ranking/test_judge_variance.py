import numpy as np
import pytest

from prefpipe.pipeline.ranking.judge_variance import judge_variance


def test_the_variance_is_over_judges_and_the_mean_over_candidates() -> None:
    ratings = [
        (0, 0, 0, 4.0),
        (0, 0, 1, 8.0),  # judges apart by 4: a variance of 4
        (0, 1, 0, 1.0),
        (0, 1, 0, 3.0),  # one judge twice: its mean is 2
        (0, 1, 1, 2.0),
        (0, 2, 1, 9.0),  # one judge alone says nothing
        (2, 0, 0, 5.0),
    ]
    prompt, item, judge, rating = (np.array(column) for column in zip(*ratings, strict=True))
    found = judge_variance(prompt, item, judge, rating.astype(float), 3)
    assert found == pytest.approx([2, np.nan, np.nan], nan_ok=True)


def test_without_ratings_nothing_is_known() -> None:
    none = np.zeros(0, np.int64)
    assert np.isnan(judge_variance(none, none, none, np.zeros(0), 2)).all()
