"""Latents against the distributions of Fig. 5.8."""

import math

import pytest
import torch

from algan_ad.algan import Latents

N = 4000


def test_normal_family_has_the_two_standard_deviations() -> None:
    torch.manual_seed(0)
    latents = Latents(dim=50, sigma=4.0)
    assert latents.normal(N).std().item() == pytest.approx(1, abs=0.01)
    assert latents.anomalous(N).std().item() == pytest.approx(4, abs=0.04)


def test_truncated_normal_leaves_out_the_middle_and_keeps_the_tails_shape() -> None:
    torch.manual_seed(0)
    z = Latents(dim=50, sigma=4.0, family="truncated-normal").anomalous(N)
    assert z.abs().min() >= 2
    assert torch.isfinite(z).all()
    assert z.mean().item() == pytest.approx(0, abs=0.05)
    # E|z| of N(0, 16) given |z| > 2: sigma phi(1/2) / (1 - Phi(1/2)), by hand 4 * 0.35207 / 0.30854
    assert z.abs().mean().item() == pytest.approx(4.564, abs=0.02)


def test_uniform_family_does_not_overlap() -> None:
    torch.manual_seed(0)
    latents = Latents(dim=50, family="uniform")
    z_n, z_a = latents.normal(N), latents.anomalous(N)
    assert z_n.abs().max() <= 1
    assert z_a.abs().min() >= 1
    assert z_a.abs().max() <= 2
    assert z_n.std().item() == pytest.approx(1 / math.sqrt(3), abs=0.01)
    assert z_a.abs().mean().item() == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize(("alpha", "n_normal"), [(0.75, 12), (1.0, 16), (0.5, 8), (0.85, 14)])
def test_alpha_sets_the_counts(alpha: float, n_normal: int) -> None:
    z, anomalous = Latents(dim=3).mixed(16, alpha)
    assert z.shape == (16, 3)
    assert anomalous.tolist() == [False] * n_normal + [True] * (16 - n_normal)
