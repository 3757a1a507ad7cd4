import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray

from algan_ad.detectors.alocc import Alocc, AloccAdversary, AloccConfig, AloccScorer
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.pixels import to_range
from algan_ad.evaluation.metrics import image_auroc

SMALL = {
    "epochs": 20, "batch_size": 8, "image_size": 32, "width": 4, "lr": 2e-3, "precision": "float32",
    "selection": "last",
}  # fmt: skip


def images(n: int, seed: int, stripes: bool = True) -> NDArray[np.uint8]:
    return noise(n, seed, 130 * stripes)


def fitted(**changes: object) -> Alocc:
    detector = Alocc(AloccConfig(**{**SMALL, **changes}), "cpu")
    detector.fit(TrainingData(images(16, 0)), RunOptions(0, "cpu"))
    return detector


@pytest.fixture(scope="module")
def striped() -> Alocc:
    return fitted()


def scorer(detector: Alocc) -> AloccScorer:
    assert isinstance(detector.module, AloccScorer)
    return detector.module.eval()


def test_defaults() -> None:
    config = AloccConfig()
    assert (config.noise, config.reconstruction_weight, config.judged, config.width) == (0.155, 0.2, "refined", 64)


@torch.no_grad()
def test_score_is_minus_the_logit_of_what_is_judged(striped: Alocc) -> None:
    m, pixels = scorer(striped), torch.from_numpy(images(5, 1))
    x = to_range(pixels)
    torch.testing.assert_close(m(pixels), -m.discriminator(m.refiner(x)).flatten())
    as_published = Alocc(AloccConfig(**SMALL, judged="input"), "cpu").load(striped.tensors())
    torch.testing.assert_close(scorer(as_published)(pixels), -m.discriminator(x).flatten())
    torch.testing.assert_close(m.forward_with_maps(pixels)[1], (x - m.refiner(x)).abs().mean(1))


def test_losses_are_those_of_the_paper() -> None:
    """At a learning rate near 0 nothing moves within a step: the losses can be computed beside it."""
    config = AloccConfig(**{**SMALL, "lr": 1e-12})
    torch.manual_seed(0)
    R, D = Alocc(config, "cpu").networks()
    x = torch.rand(8, 3, 32, 32)
    adversary = AloccAdversary(R, D, config)
    torch.manual_seed(1)
    losses = adversary.step(x, 0)
    torch.manual_seed(1)
    refined = R(x + 0.155 * torch.randn(x.shape))
    real, fake = D(torch.cat([x, refined])).sigmoid().chunk(2)
    torch.testing.assert_close(losses["loss_d"], -(real.log() + (1 - fake).log()).mean().detach())
    torch.testing.assert_close(losses["loss_r"], -fake.log().mean().detach())
    torch.testing.assert_close(losses["loss_reconstruction"], (x - refined).square().mean().detach())


def test_the_refiner_removes_noise() -> None:
    m = scorer(fitted(reconstruction_weight=50.0, noise=0.5))
    x = to_range(torch.from_numpy(images(8, 1)))
    torch.manual_seed(0)
    noisy = x + 0.5 * torch.randn_like(x)
    with torch.no_grad():
        refined = m.refiner(noisy)
    assert (refined - x).square().mean() < 0.2 * (noisy - x).square().mean()


def test_the_weight_of_the_reconstruction_matters() -> None:
    residual = [
        np.mean(fitted(epochs=20, reconstruction_weight=w).score_and_maps(images(8, 1))[1]) for w in (0.0, 50.0)
    ]
    assert residual[1] < 0.8 * residual[0]


@pytest.mark.parametrize("judged", ["refined", "input"])
def test_training_learns_what_is_normal(striped: Alocc, judged: str) -> None:
    x, y = np.concatenate([images(10, 1), images(10, 2, stripes=False)]), np.repeat([0, 1], 10)
    detector = Alocc(AloccConfig(**SMALL, judged=judged), "cpu").load(striped.tensors())
    assert image_auroc(y, detector.score(x)) == 1
