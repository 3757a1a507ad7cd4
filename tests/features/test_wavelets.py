"""The fixed network of wavelets: what its features depend on, and how its axes are fitted."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from algan_ad.features.wavelets import ANGLES, COLOURS, N_FEATURES, WaveletNetwork, fit_wavelets, morlet


def textures(n: int, seed: int = 0, side: int = 64) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(60, 190, (n, side, side, 3)).astype(np.uint8)


def stripes(angle: float, side: int = 64) -> torch.Tensor:
    v, u = np.mgrid[:side, :side]
    wave = 128 + 50 * np.cos(0.6 * np.pi * (np.cos(angle) * u + np.sin(angle) * v))
    return torch.from_numpy(np.repeat(wave[None, ..., None], 3, -1).astype(np.uint8))


def test_wavelets_have_no_mean_and_one_norm() -> None:
    filters = morlet()
    torch.testing.assert_close(filters.sum((2, 3)), torch.zeros(ANGLES, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(filters.norm(dim=1).sum((1, 2)), torch.ones(ANGLES))


@pytest.mark.parametrize("k", range(ANGLES))
def test_stripes_answer_at_their_own_angle(k: int) -> None:
    found = WaveletNetwork(1).scattered(stripes(np.pi * k / ANGLES))
    finest = found[0, 2:-2, 2:-2, COLOURS : COLOURS + ANGLES].mean((0, 1))
    assert int(finest.argmax()) == k


def test_brightness_changes_its_own_feature_alone() -> None:
    """What is divided by contrast does not see a lamp that is brighter by a constant."""
    images, network = torch.from_numpy(textures(2)), WaveletNetwork(1)
    darker, lighter = network.scattered(images), network.scattered(images + 20)
    torch.testing.assert_close(darker[..., 1:], lighter[..., 1:], atol=2e-4, rtol=0)
    torch.testing.assert_close(darker[..., 0] + 20 / 255, lighter[..., 0])


def test_a_stronger_contrast_leaves_the_second_order_nearly_as_it_is() -> None:
    noise = np.random.default_rng(0).normal(0, 10, (2, 64, 64, 1)).repeat(3, -1)
    faint, strong = (torch.from_numpy((128 + k * noise).clip(0, 255).astype(np.uint8)) for k in (1, 3))
    change = (WaveletNetwork(1).scattered(strong) - WaveletNetwork(1).scattered(faint)).abs().mean((0, 1, 2))
    first, second = change[COLOURS : COLOURS + ANGLES], change[COLOURS + ANGLES : COLOURS + 9 * ANGLES]
    assert first.mean() > 0.9  # ln 3 = 1.1
    assert second.mean() < 0.1


def test_what_is_far_away_does_not_count() -> None:
    images, network = textures(1, side=256), WaveletNetwork(1)
    changed = images.copy()
    changed[0, :, 128:] = 0
    before, after = (network.scattered(torch.from_numpy(x)) for x in (images, changed))
    assert torch.equal(before[0, :, :8], after[0, :, :8])
    assert not torch.allclose(before[0, :, 15], after[0, :, 15], atol=0.1)


@pytest.mark.parametrize(("sides", "grid"), [((64, 40), (8, 5)), ((100, 64), (13, 8)), ((64, 8), (8, 1))])
def test_images_may_have_any_sides(sides: tuple[int, int], grid: tuple[int, int]) -> None:
    images = torch.from_numpy(textures(1)[:, :40].repeat(3, 1)[:, : sides[0], : sides[1]])
    (found,) = WaveletNetwork(5)(images)
    assert found.shape == (1, 5, *grid)


def test_axes_are_the_principal_ones_of_standardised_features() -> None:
    images = textures(6)
    network = fit_wavelets(images, 7, torch.device("cpu"))
    with torch.no_grad():
        rows = network.scattered(torch.from_numpy(images)).flatten(0, 2).double()
        (found,) = network(torch.from_numpy(images))
    deviations = rows.std(0, correction=0)
    standard = (rows - rows.mean(0)) / deviations.where(deviations > 0, 1)
    expected = torch.linalg.svdvals(standard)[:7].square() / len(rows)
    kept = found.permute(0, 2, 3, 1).flatten(0, 2).double()
    torch.testing.assert_close(kept.var(0, correction=0).flip(0), expected, rtol=1e-3, atol=0)
    torch.testing.assert_close(kept.mean(0), torch.zeros(7, dtype=torch.float64), atol=1e-3, rtol=0)


def test_pixels_that_do_not_count_do_not_shape_the_axes() -> None:
    marks = np.full((6, 64, 64, 1), 255, np.uint8)
    marks[:, :, 32:] = 0
    images = np.concatenate([textures(6), marks], -1)
    network = fit_wavelets(images, 5, torch.device("cpu"))
    with torch.no_grad():
        rows = network.scattered(torch.from_numpy(images))[:, :, :4].flatten(0, 2)
    torch.testing.assert_close(network.mean, rows.mean(0), atol=1e-5, rtol=1e-4)
    assert rows.shape[1] == N_FEATURES
