import numpy as np
import torch

from algan_ad.features.conditioning import Whitening
from algan_ad.features.gaussians import Gaussians, PositionGaussians


def test_batches_give_the_covariance_of_all() -> None:
    rows = torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(0)) * 2 + 100  # far from 0: digits are lost
    gaussians = Gaussians()
    for batch in torch.split(rows, [1, 20, 29], 1):
        gaussians.add(batch)
    factor = gaussians.inverse_factor(0.01)
    for position in range(3):
        expected = np.cov(rows[position].double().numpy().T) + 0.01 * np.eye(4)
        np.testing.assert_allclose(gaussians.mean[position], rows[position].mean(0), rtol=1e-6)
        found = torch.linalg.inv(factor[position].double())
        np.testing.assert_allclose(found @ found.T, expected, rtol=1e-3, atol=1e-4)


def test_conditioned_gaussians_are_those_of_conditioned_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, whitening = torch.randn(5, 30, 4, generator=generator), Whitening(4)
    whitening.mean.copy_(torch.randn(4, generator=generator))
    whitening.matrix.copy_(torch.randn(4, 4, generator=generator))
    before, after = Gaussians(), Gaussians()
    before.add(rows)
    after.add(whitening(rows))
    before.conditioned(whitening)
    torch.testing.assert_close(before.mean, after.mean)
    torch.testing.assert_close(before.scatter, after.scatter, rtol=1e-4, atol=1e-4)


def test_distances_are_those_to_the_gaussian_of_the_position() -> None:
    generator = torch.Generator().manual_seed(0)
    maps, gaussians = torch.randn(40, 2, 3, 4, generator=generator), Gaussians()
    gaussians.add(maps.flatten(1, 2).transpose(0, 1))
    found = PositionGaussians(gaussians.mean, gaussians.inverse_factor(0.01))(maps)
    rows = maps[:, 1, 2].double().numpy()
    deviation = rows[7] - rows.mean(0)
    expected = deviation @ np.linalg.inv(np.cov(rows.T) + 0.01 * np.eye(4)) @ deviation
    np.testing.assert_allclose(found[7, 1, 2], expected, rtol=1e-4)


def test_the_covariance_of_all_positions_helps_where_samples_are_few() -> None:
    rows, gaussians = torch.randn(200, 3, 4, generator=torch.Generator().manual_seed(0)), Gaussians()
    gaussians.add(rows)
    factor = gaussians.inverse_factor(0.01, 0.5)
    each = [np.cov(position.double().numpy().T) for position in rows]
    expected = (2 * each[7] + 2 * np.mean(each, axis=0)) / 4 + 0.01 * np.eye(4)  # 3 samples; 0.5 a feature
    found = torch.linalg.inv(factor[7].double())
    np.testing.assert_allclose(found @ found.T, expected, rtol=1e-4, atol=1e-5)
