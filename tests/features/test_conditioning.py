import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from algan_ad.features.conditioning import (
    FEW,
    Whitening,
    columns_that_carry,
    fit_partial_whitening,
    fit_patch_whitening,
    fit_whitening,
)


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


def partly(rows: np.ndarray) -> Whitening:
    return fit_partial_whitening(rows, np.random.default_rng(0))


@pytest.mark.parametrize(("n", "d"), [(500, 3), (30, 60), (2, 5)])
def test_partial_whitening_leaves_variance_one(n: int, d: int) -> None:
    rows = normal_rows(n, d)
    assert apply(partly(rows), rows).var(0).sum() == pytest.approx(1, rel=1e-3)


def test_partial_whitening_evens_deviations_out_by_half() -> None:
    """1 : 16 becomes 1 : 4, or a little more: among neighbours wide columns differ less than among all rows."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4000, 40)) * np.repeat([1, 16], [20, 20])
    deviations = np.sort(apply(partly(rows), rows).std(0))
    assert columns_that_carry(rows.var(0)) > FEW
    assert 3.8 < deviations[-1] / deviations[0] < 7


def test_few_columns_are_standardised_first() -> None:
    rows = normal_rows(300, 5)
    scaled = rows * [1e-4, 1, 1e4, 10, 1]
    distances, others = (np.linalg.norm(np.diff(apply(partly(x), x), axis=0), axis=1) for x in (rows, scaled))
    np.testing.assert_allclose(others, distances, rtol=1e-3)


def test_whitening_is_that_within_modes() -> None:
    """Two modes stay as far apart, in distances within a mode, as they are; by the covariance they come together."""
    rng = np.random.default_rng(0)
    side = rng.integers(2, size=600)
    rows = rng.normal(size=(600, 6)) + 100 * side[:, None] * [1, 1, 1, 0, 0, 0]

    def gap(whitening: Whitening) -> float:
        vectors = apply(whitening, rows)
        left, right = vectors[side == 0], vectors[side == 1]
        return float(np.linalg.norm(left.mean(0) - right.mean(0)) / left.std(0).max())

    assert gap(partly(rows)) > 8
    assert gap(fit_whitening(rows, 1.0)) < 5


def test_columns_that_carry() -> None:
    assert columns_that_carry(np.ones(7)) == pytest.approx(7)
    assert columns_that_carry(np.array([1, 1e-12, 0])) == pytest.approx(1)
    assert columns_that_carry(np.zeros(3)) == pytest.approx(1)


def test_whitening_of_patches_ignores_units_and_has_the_variance_of_its_features() -> None:
    rows = normal_rows(400, 20)
    units = np.arange(1, 21) ** 2.0
    plain, scaled = (
        fit_patch_whitening(x, np.random.default_rng(0)).double()(torch.from_numpy(x)).numpy()
        for x in (rows, rows * units)
    )
    np.testing.assert_allclose(plain, scaled, rtol=1e-3, atol=1e-3)
    assert plain.var(0).sum() == pytest.approx(20)
