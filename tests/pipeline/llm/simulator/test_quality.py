from math import sqrt
from statistics import fmean, stdev

import pytest

from prefpipe.pipeline.llm.simulator.quality import author, marker, quality


@pytest.mark.parametrize("value", [1.27, -0.0351, 0.0, 12.5])
def test_the_marker_gives_back_author_and_quality(value: float) -> None:
    text = f"An answer.\n\n{marker('strong?ability=2&seed=1', value)}"
    assert quality(text) == value
    assert author(text) == "strong?ability=2&seed=1"


def test_space_behind_the_marker_does_not_hide_it() -> None:
    assert quality(f"Text {marker('good', 0.5)} \n") == 0.5


@pytest.mark.parametrize(
    "text",
    [
        f"{marker('strong', 9.0)} is what I would like to be.",
        marker("strong", 9.0)[:-1],
        marker("strong", 9.0)[1:],
        "",
    ],
)
def test_only_a_whole_marker_at_the_end_counts(text: str) -> None:
    assert author(text) is None
    assert abs(quality(text)) < 6


def test_of_two_markers_the_last_one_counts() -> None:
    text = f"{marker('strong', 9.0)} {marker('weak', -1.0)}"
    assert (author(text), quality(text)) == ("weak", -1.0)


def test_foreign_texts_have_a_quality_that_follows_from_the_text() -> None:
    assert quality("foreign") == quality("foreign\n")
    assert quality("foreign") != quality("foreigner")


def test_qualities_of_foreign_texts_are_standard_normal() -> None:
    n = 4_000
    values = [quality(f"text {i}") for i in range(n)]
    assert abs(fmean(values)) < 4 / sqrt(n)
    assert abs(stdev(values) - 1) < 4 / sqrt(2 * n)
