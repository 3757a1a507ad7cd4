import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from algan_ad.features.maps import SIGMA, anomaly_map, concatenated


def test_coarse_maps_come_to_the_finest_grid() -> None:
    coarse, fine = torch.arange(4.0).reshape(1, 1, 2, 2), torch.zeros(1, 3, 4, 4)
    joined = concatenated([coarse, fine], "nearest")
    assert joined.shape == (1, 4, 4, 4)
    assert torch.equal(joined[0, 0], torch.kron(torch.arange(4.0).reshape(2, 2), torch.ones(2, 2)))
    assert torch.equal(joined[:, 1:], fine)


def test_smoothing_is_scipys() -> None:
    distances = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0))
    for found, given in zip(anomaly_map(distances, (64, 64)), distances, strict=True):
        expected = gaussian_filter(given.numpy(), SIGMA, mode="mirror", truncate=4.0)  # what torch calls reflect
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_level_maps_keep_their_level() -> None:
    for mode in ("bilinear", "bicubic"):
        torch.testing.assert_close(
            anomaly_map(torch.full((1, 7, 7), 2.5), (40, 40), mode), torch.full((1, 40, 40), 2.5)
        )
