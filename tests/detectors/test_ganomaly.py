import math

import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.detectors.ganomaly import Ganomaly, GanomalyImageConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.ganomaly_training import (
    GanomalyAdversary,
    GanomalyConfig,
    code_distance,
    descend,
    gan_loss,
)
from algan_ad.detectors.shared.pixels import to_range
from algan_ad.evaluation.metrics import image_auroc

SMALL = {"image_size": 32, "width": 8, "z_dim": 16, "batch_size": 8, "precision": "float32", "selection": "last"}


def squares(n: int, seed: int, holes: bool = False) -> NDArray[np.uint8]:
    """A bright square somewhere on a dark ground; with a dark hole in it."""
    rng = np.random.default_rng(seed)
    made = np.full((n, 32, 32, 3), 60) + rng.integers(0, 20, (n, 1, 1, 3))
    for image in made:
        top, left = rng.integers(4, 8, 2)
        image[top : top + 20, left : left + 20] += 100
        if holes:
            image[top + 5 : top + 13, left + 5 : left + 13] -= 120
    return made.clip(0, 255).astype(np.uint8)


def fitted(train: NDArray[np.uint8] | None = None, **changes: object) -> Ganomaly:
    detector = Ganomaly(GanomalyImageConfig(**{**SMALL, "epochs": 1, **changes}), "cpu")
    detector.fit(TrainingData(squares(32, 0) if train is None else train), RunOptions(0, "cpu"))
    return detector


class Times(nn.Module):
    """x -> factor x."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Judge(nn.Module):
    """Features f(x) = factor x, logit = their sum."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.features = Times(factor)

    def head(self, features: Tensor) -> Tensor:
        return features.sum(1, keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def adversary(**weights: float) -> GanomalyAdversary:
    return GanomalyAdversary(Times(2.0), Times(0.75), Times(1.0), Judge(3.0), GanomalyConfig(**weights))


X = torch.tensor([[1.0, -2.0], [0.0, 2.0]])  # z = 2 x, G(x) = 1.5 x, E(G(x)) = 1.5 x


def test_losses_by_hand() -> None:
    losses = adversary().step(X, 0)
    assert losses["loss_adv"].item() == pytest.approx(1.5**2 * 9 / 4)  # f(x) - f(G(x)) = -1.5 x, squares of x sum to 9
    assert losses["loss_con"].item() == pytest.approx(0.5 * 5 / 4)
    assert losses["loss_enc"].item() == pytest.approx(0.5**2 * 9 / 4)
    total = losses["loss_adv"] + 50 * losses["loss_con"] + losses["loss_enc"]
    assert losses["loss_g"].item() == pytest.approx(total.item())
    real, fake = [-3.0, 6.0], [-4.5, 9.0]  # logits of D on x and on G(x)
    by_hand = sum(math.log1p(math.exp(-t)) + math.log1p(math.exp(u)) for t, u in zip(real, fake, strict=True)) / 2
    assert losses["loss_d"].item() == pytest.approx(by_hand, rel=1e-5)


def test_a_blind_discriminator_pays_two_log_two() -> None:
    assert gan_loss(torch.zeros(4), torch.zeros(4)).item() == pytest.approx(2 * math.log(2))


def test_each_player_learns_from_its_own_loss() -> None:
    """D moves as it would without any loss of G, and G as it would under another loss of D."""
    full, indifferent = adversary(), adversary(w_adv=0, w_con=0, w_enc=0)
    for each in (full, indifferent):
        each.step(X, 0)
    assert full.D.features.factor.item() == indifferent.D.features.factor.item() != 3.0
    assert (indifferent.G_E.factor.item(), indifferent.E.factor.item()) == (2.0, 1.0)
    assert full.G_E.factor.item() != 2.0
    assert full.E.factor.item() != 1.0


def test_descent_leaves_the_gradients_of_others_alone() -> None:
    ours, theirs = Times(2.0), Times(3.0)
    descend(torch.optim.SGD(ours.parameters(), 0.1), theirs(ours(torch.ones(1))).sum())
    assert ours.factor.item() == pytest.approx(2 - 0.1 * 3)
    assert theirs.factor.grad is None


def test_feature_matching_alone_pulls_the_reconstruction_to_the_input() -> None:
    """D's verdict plays no part in it: the paper's adversarial loss is not cross-entropy."""
    gan = adversary(w_adv=1, w_con=0, w_enc=0)
    before = abs(gan.G_E.factor.item() * gan.G_D.factor.item() - 1)
    for j in range(50):
        gan.step(X, j)
    assert abs(gan.G_E.factor.item() * gan.G_D.factor.item() - 1) < before


def test_score_is_the_distance_of_the_codes() -> None:
    distances = code_distance(torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [1.0, 1.0]]))
    assert distances.tolist() == [5, 0]
    detector = fitted()
    m, x = detector.module, squares(3, 5)
    assert m is not None
    with torch.no_grad():
        z = m.encoder(to_range(torch.from_numpy(x)))
        apart = torch.linalg.vector_norm(z - m.reencoder(m.decoder(z)), dim=1)
    np.testing.assert_allclose(detector.score(x), apart, rtol=1e-5)


def test_maps_are_what_was_not_reconstructed() -> None:
    detector = fitted()
    assert detector.module is not None
    detector.module.decoder = nn.Sequential(detector.module.decoder, nn.Threshold(9.0, 0.5))  # always 0.5
    x = np.zeros((1, 32, 32, 3), np.uint8)
    x[0, 3, 4] = 255, 255, 0
    (found,) = detector.score_and_maps(x)[1]
    assert found[0, 0] == 1.5
    assert found[3, 4] == pytest.approx((0.5 + 0.5 + 1.5) / 3)


def test_defaults_are_those_of_the_papers() -> None:
    c = GanomalyImageConfig()
    assert (c.w_adv, c.w_con, c.w_enc, c.z_dim) == (1, 50, 1, 100)
    assert (c.lr, c.beta_1, c.beta_2) == (2e-4, 0.5, 0.999)
    assert (c.image_size, c.width, c.max_width, c.epochs, c.batch_size) == (256, 64, 512, 512, 16)


def test_networks_begin_as_dcgan() -> None:
    torch.manual_seed(0)
    module = Ganomaly(GanomalyImageConfig(**SMALL), "cpu").build_module({})
    kernels = [layer.weight for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(kernels) == 3 * 4
    assert all(0.018 < kernel.std() < 0.022 for kernel in kernels)


def test_striped_images_score_higher() -> None:
    detector = fitted(noise(32, 0), epochs=24, lr=1e-3)
    scores = detector.score(np.concatenate([noise(20, 2), noise(20, 3, stripes=100)]))
    assert image_auroc(np.repeat([0, 1], 20), scores) > 0.9


def test_holes_are_not_reconstructed() -> None:
    detector = fitted(squares(32, 0), epochs=24, lr=1e-3)
    maps = detector.score_and_maps(np.concatenate([squares(20, 2), squares(20, 3, holes=True)]))[1]
    assert image_auroc(np.repeat([0, 1], 20), np.array([heat.mean() for heat in maps])) > 0.9
