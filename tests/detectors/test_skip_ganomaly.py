import math

import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.pixels import to_range
from algan_ad.detectors.skip_ganomaly import SkipGanomaly, SkipGanomalyAdversary, SkipGanomalyConfig, UNet
from algan_ad.evaluation.metrics import image_auroc

SMALL = {"image_size": 32, "width": 8, "z_dim": 16, "batch_size": 8, "precision": "float32", "selection": "last"}


def images(n: int, seed: int, stripes: bool = False) -> NDArray[np.uint8]:
    return noise(n, seed, 100 * stripes)


def fitted(**changes: object) -> SkipGanomaly:
    detector = SkipGanomaly(SkipGanomalyConfig(**{**SMALL, "epochs": 1, **changes}), "cpu")
    detector.fit(TrainingData(images(32, 0)), RunOptions(0, "cpu"))
    return detector


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Judge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = Times(3.0), nn.Linear(2, 1, bias=False)
        nn.init.ones_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))  # type: ignore[no-any-return]


def test_losses_by_hand() -> None:
    x = torch.tensor([[1.0, -2.0], [0.0, 2.0]])
    gan = SkipGanomalyAdversary(Times(1.5), Judge(), SkipGanomalyConfig())  # type: ignore[arg-type]
    losses = gan.step(x, 0)
    real, fake = [-3.0, 6.0], [-4.5, 9.0]  # logits of D on x and on G(x)
    assert losses["loss_adv"].item() == pytest.approx(sum(math.log1p(math.exp(-t)) for t in fake) / 2, rel=1e-5)
    assert losses["loss_con"].item() == pytest.approx(0.5 * 5 / 4)
    assert losses["loss_lat"].item() == pytest.approx(1.5**2 * 9 / 4)
    total = losses["loss_adv"] + 50 * losses["loss_con"] + losses["loss_lat"]
    assert losses["loss_g"].item() == pytest.approx(total.item())
    by_hand = sum(math.log1p(math.exp(-t)) + math.log1p(math.exp(u)) for t, u in zip(real, fake, strict=True)) / 2
    assert losses["loss_d"].item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize("size", [32, 64])
def test_u_net_joins_both_ways_at_every_size(size: int) -> None:
    torch.manual_seed(0)
    net, x = UNet(size, 8, 4, 16).eval(), torch.rand(2, 3, size, size)
    assert net(x).shape == x.shape
    assert net(x).abs().max() <= 1
    assert len(net.up) == len(net.down) == size.bit_length() - 3
    whole = net(x)
    for way_up in net.up:  # without what it skipped, every step up gives another image
        half = way_up[0].in_channels // 2
        with torch.no_grad():
            kept = way_up[0].weight.clone()
            way_up[0].weight[half:] = 0
            assert not torch.equal(net(x), whole)
            way_up[0].weight.copy_(kept)
    net.bottleneck = nn.Sequential(*net.bottleneck, nn.Threshold(1e9, 0.0))  # nothing from below
    assert not torch.equal(net(x)[:1], net(x)[1:])


def test_score_by_hand() -> None:
    """Eq. 3.11 with the L1 norm of the paper, each norm per element."""
    detector, x = fitted(), images(3, 5)
    m = detector.module
    assert m is not None
    with torch.no_grad():
        real = to_range(torch.from_numpy(x))
        made = m.generator(real)
        apart = (m.discriminator.features(real) - m.discriminator.features(made)).flatten(1)
    n, f = 3 * 32 * 32, apart.shape[1]
    l1, l2 = (real - made).abs().flatten(1).sum(1), torch.linalg.vector_norm(apart, dim=1)
    np.testing.assert_allclose(detector.score(x), 0.9 * l1 / n + 0.1 * l2 / math.sqrt(f), rtol=1e-5)
    np.testing.assert_allclose([heat.mean() for heat in detector.score_and_maps(x)[1]], l1 / n, rtol=1e-5)


def test_lambda_weighs_the_score_and_not_the_training() -> None:
    by_features, by_pixels = fitted(score_lambda=0.0), fitted(score_lambda=1.0)
    assert all(np.array_equal(tensor, by_pixels.tensors()[key]) for key, tensor in by_features.tensors().items())
    x = images(3, 5)
    mixed = 0.9 * by_pixels.score(x) + 0.1 * by_features.score(x)
    np.testing.assert_allclose(fitted().score(x), mixed, rtol=1e-5)


def test_defaults_are_those_of_the_papers() -> None:
    c = SkipGanomalyConfig()
    assert (c.w_adv, c.w_con, c.w_lat, c.z_dim, c.score_lambda) == (1, 50, 1, 512, 0.9)
    assert (c.lr, c.beta_1, c.beta_2) == (2e-4, 0.5, 0.999)


def test_striped_images_score_higher() -> None:
    detector = fitted(epochs=8, lr=1e-3)
    scores = detector.score(np.concatenate([images(20, 2), images(20, 3, stripes=True)]))
    assert image_auroc(np.repeat([0, 1], 20), scores) > 0.9
