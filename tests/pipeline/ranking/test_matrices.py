import numpy as np
import pytest

from prefpipe.pipeline.ranking.matrices import inverse, product, solution


@pytest.mark.parametrize("size", [1, 2, 7, 24, 25, 40])
def test_inverse_times_matrix_is_the_identity(size: int) -> None:
    root = np.random.default_rng(size).normal(size=(size, size, 5))
    matrices = np.einsum("ikp,jkp->ijp", root, root) + np.eye(size)[:, :, None]
    before = matrices.copy()
    unit = np.einsum("ikp,kjp->ijp", inverse(matrices), matrices)
    np.testing.assert_allclose(unit, np.broadcast_to(np.eye(size)[:, :, None], unit.shape), atol=1e-9)
    np.testing.assert_array_equal(matrices, before)


def test_product_multiplies_each_matrix_with_its_vector() -> None:
    random = np.random.default_rng(0)
    matrices, vectors = random.normal(size=(3, 3, 4)), random.normal(size=(3, 4))
    for index, result in enumerate(product(matrices, vectors).T):
        np.testing.assert_allclose(result, matrices[:, :, index] @ vectors[:, index])


@pytest.mark.parametrize("size", [1, 2, 7, 24, 25, 40])
def test_a_solution_times_its_matrix_is_the_vector(size: int) -> None:
    random = np.random.default_rng(size)
    root, vectors = random.normal(size=(size, size, 5)), random.normal(size=(size, 5))
    matrices = np.einsum("ikp,jkp->ijp", root, root) + np.eye(size)[:, :, None]
    before = matrices.copy(), vectors.copy()
    np.testing.assert_allclose(product(matrices, solution(matrices, vectors)), vectors, atol=1e-9)
    np.testing.assert_array_equal(matrices, before[0])
    np.testing.assert_array_equal(vectors, before[1])
