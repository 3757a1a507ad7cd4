import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from algan_ad.features.conditioning import Whitening, fit_whitening


def normal_rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 10 * rng.normal(size=d)


def apply(whitening: Whitening, rows: np.ndarray) -> np.ndarray:
    return whitening.double()(torch.from_numpy(rows)).numpy()


def test_one_dimension_by_hand() -> None:
    # Mean 2, variance 4; in one dimension there is nothing to shrink towards.
    rows = np.array([[0.0], [4.0]])
    np.testing.assert_allclose(apply(fit_whitening(rows, 0.1), rows), [[-0.1], [0.1]], rtol=1e-6)


def test_covariance_becomes_the_scale() -> None:
    rows = normal_rows(20_000, 4)
    white = apply(fit_whitening(rows, 0.05), rows)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(np.cov(white.T), 0.05**2 * np.eye(4), atol=0.05**2 * 0.01)


def test_length_is_the_mahalanobis_distance_also_with_fewer_rows_than_columns() -> None:
    rows, unseen = normal_rows(20, 50), normal_rows(5, 50, seed=1)
    expected = LedoitWolf().fit(rows).mahalanobis(unseen)
    white = apply(fit_whitening(rows, 0.05), unseen)
    np.testing.assert_allclose((white**2).sum(1) / 0.05**2, expected, rtol=1e-4)


def test_matrix_is_symmetric_as_zca_asks() -> None:
    matrix = fit_whitening(normal_rows(100, 5), 1.0).matrix
    torch.testing.assert_close(matrix, matrix.T)


@pytest.mark.parametrize("rows", [np.full((5, 3), 7.0), np.eye(6)[:, :3] * [1, 0, 0]])
def test_constant_columns_stay_finite(rows: np.ndarray) -> None:
    white = apply(fit_whitening(rows, 0.05), rows + 1)
    assert np.isfinite(white).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1e6), st.integers(2, 30), st.integers(1, 10))
def test_the_unit_of_the_data_does_not_matter(unit: float, n: int, d: int) -> None:
    rows = normal_rows(n, d)
    expected = apply(fit_whitening(rows, 0.05), rows)
    # Two rows leave directions without variance, where the rounding of the float32 mean grows by up to 1000.
    atol = 1e-4 if n > 2 else 1e-3
    np.testing.assert_allclose(apply(fit_whitening(rows * unit, 0.05), rows * unit), expected, atol=atol)


def test_state_dict_restores_it() -> None:
    rows = normal_rows(50, 3)
    fitted, restored = fit_whitening(rows, 0.05), Whitening(3)
    torch.testing.assert_close(restored(torch.ones(1, 3)), torch.ones(1, 3))  # changes nothing before
    restored.load_state_dict(fitted.state_dict())
    np.testing.assert_array_equal(apply(restored, rows), apply(fitted, rows))
