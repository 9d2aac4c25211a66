import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from prefpipe.pipeline.ranking.connectivity import shortcomings, strongly_connected
from prefpipe.pipeline.ranking.tally import Tally


@given(st.integers(1, 6), st.integers(0, 10**6), st.floats(0.1, 0.9))
def test_connections_are_those_of_scipy(items: int, seed: int, density: float) -> None:
    beaten = np.random.default_rng(seed).random((5, items, items)) < density
    expected = [connected_components(graph, connection="strong")[0] == 1 for graph in beaten]
    assert strongly_connected(beaten).tolist() == expected


@pytest.mark.parametrize(
    ("wins", "ties", "expected"),
    [
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], None, set()),
        ([[0, 1, 1], [0, 0, 1], [0, 0, 0]], None, {"separable"}),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 0]], None, {"disconnected"}),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], None, {"disconnected"}),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 1, 1], [0, 0, 1], [0, 0, 0]], {"all-tied"}),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 0], [0, 0, 0]], {"all-tied", "disconnected"}),
        ([[0, 1, 0], [0, 0, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 1], [0, 0, 0]], {"separable"}),
    ],
)
def test_what_comparisons_fall_short_of(
    wins: list[list[int]], ties: list[list[int]] | None, expected: set[str]
) -> None:
    won = np.array([wins], float)
    tied = np.array([ties], float) if ties else np.zeros_like(won)
    found = shortcomings(Tally(won, np.zeros_like(won), tied))
    assert {name for name, short in found.items() if short[0]} == expected
