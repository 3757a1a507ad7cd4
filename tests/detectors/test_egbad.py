import numpy as np
import torch
from noise import noise
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.detectors.egbad import BiganAdversary, BiganScorer, Egbad, EgbadConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc

SMALL = {
    "epochs": 30, "batch_size": 8, "image_size": 32, "width": 4, "z_dim": 4, "lr": 2e-3, "precision": "float32",
    "selection": "last",
}  # fmt: skip


def images(n: int, seed: int, stripes: bool = True) -> NDArray[np.uint8]:
    return noise(n, seed, 130 * stripes)


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3))[:, None]


class Paint(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z[:, :, None, None].expand(-1, 3, 2, 2)


class Product(nn.Module):
    """Its feature is the largest value of the image times the latent: (x, z) -> (B, 1)."""

    def features(self, x: Tensor, z: Tensor) -> Tensor:
        return x.amax((1, 2, 3))[:, None] * z


def test_defaults() -> None:
    config = EgbadConfig()
    assert (config.z_dim, config.feature_weight, config.beta_1, config.width) == (200, 0.1, 0.5, 64)


def test_score_by_hand() -> None:
    """Half white (1), half black (-1) except for one grey: z = E(x), y = z everywhere, features with that same z."""
    x = torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)
    x[:, 0] = 0
    x[:, 1, 1] = 255
    x[:, 0, 0] = 255  # three white pixels, one black: z = 0.5
    for weight in (0.0, 0.1, 1.0):
        scorer = BiganScorer(Mean(), Paint(), Product(), weight)  # type: ignore[arg-type]
        residual = 3 * (3 * 0.5 + 1.5)
        matching = 1 * 0.5 - 0.5 * 0.5
        torch.testing.assert_close(scorer(x), torch.tensor([(1 - weight) * residual + weight * matching]))
    heat = scorer.forward_with_maps(x)[1]
    torch.testing.assert_close(heat, torch.tensor([[[0.5, 1.5], [0.5, 0.5]]]))


def test_losses_are_those_of_a_bigan() -> None:
    """At a learning rate near 0 nothing moves within a step: the losses can be computed beside it."""
    config = EgbadConfig(**{**SMALL, "lr": 1e-12})
    torch.manual_seed(0)
    E, G, D = Egbad(config, "cpu").networks()
    x = torch.rand(8, 3, 32, 32)
    adversary = BiganAdversary(E, G, D, config)
    torch.manual_seed(1)
    losses = adversary.step(x, 0)
    torch.manual_seed(1)
    z = torch.randn(8, 4)
    encoded, generated = D(x, E(x)).sigmoid(), D(G(z), z).sigmoid()
    torch.testing.assert_close(losses["loss_d"], -(encoded.log() + (1 - generated).log()).mean().detach())
    torch.testing.assert_close(losses["loss_g"], -generated.log().mean().detach())
    torch.testing.assert_close(losses["loss_e"], -(1 - encoded).log().mean().detach())


def test_every_network_learns_from_its_own_loss() -> None:
    config = EgbadConfig(**SMALL)
    torch.manual_seed(0)
    networks = Egbad(config, "cpu").networks()
    before = [{name: p.clone() for name, p in network.named_parameters()} for network in networks]
    BiganAdversary(*networks, config).step(torch.rand(8, 3, 32, 32), 0)
    for network, old in zip(networks, before, strict=True):
        moved = {name: (p - old[name]).abs().max().item() for name, p in network.named_parameters()}
        assert all(0 < step < 2 * config.lr for name, step in moved.items()), moved


def test_the_discriminator_looks_at_the_latent_too() -> None:
    torch.manual_seed(0)
    _, _, D = Egbad(EgbadConfig(**SMALL), "cpu").networks()
    x = torch.rand(2, 3, 32, 32)
    assert not torch.allclose(D.eval()(x, torch.zeros(2, 4)), D(x, torch.ones(2, 4)))


def test_training_learns_what_is_normal() -> None:
    """Plain images are what untrained networks give back; the stripes they must learn."""
    x, y = np.concatenate([images(10, 1), images(10, 2, stripes=False)]), np.repeat([0, 1], 10)
    detector = Egbad(EgbadConfig(**SMALL), "cpu")
    detector.module = detector.build_module({})
    assert image_auroc(y, detector.score(x)) == 0
    detector.fit(TrainingData(images(16, 0)), RunOptions(0, "cpu"))
    assert image_auroc(y, detector.score(x)) == 1
