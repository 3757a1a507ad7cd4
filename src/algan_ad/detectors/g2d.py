"""G2D: a GAN's immature samples as pseudo-anomalies for a binary classifier (Pourreza et al., 2021; thesis 4.2.1)."""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam

from algan_ad.algan.networks import ImageGenerator
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.encoder import Encoder
from algan_ad.detectors.shared.pixels import place
from algan_ad.detectors.shared.two_phase_gan import ClassifierScorer, SavedGeneratorsConfig, TwoPhaseGan, TwoPhases
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch


class G2DConfig(SavedGeneratorsConfig):
    """G2D with the networks and the optimiser of DCGAN (Radford et al., 2016)."""

    lr: float = Field(2e-4, gt=0, le=1, description="learning rate of all networks (DCGAN)")
    beta_1: float = Field(0.5, ge=0, lt=1, description="Adam's first momentum (DCGAN)")


def real_against_fake(network: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross entropy on logits, real = 0 and fake = 1; a scalar.

    Real and fake take one joint pass: batch norm of each alone would even out the differences.
    """
    l_real, l_fake = network(torch.cat([real, fake])).float().flatten().split([len(real), len(fake)])
    return (softplus(l_real).mean() + softplus(-l_fake).mean()) / 2


class G2DAdversary(TwoPhases):
    """Training of G against D, then of C between the training data and images by earlier states of G."""

    def __init__(self, config: G2DConfig, device: torch.device) -> None:
        c = config
        self.z_dim, size = c.z_dim, (c.image_size, c.width, c.max_width)
        G = ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width)
        self.D, self.C = Encoder(*size, out=1), Encoder(*size, out=1)
        networks = {"generator": G, "discriminator": self.D, "classifier": self.C}
        place(networks.values(), device)
        optimisers = {name: Adam(net.parameters(), c.lr, (c.beta_1, 0.999)) for name, net in networks.items()}
        super().__init__(networks, optimisers, ("classifier",), c.moments, c.gan_epochs)
        self.weights = torch.ones(len(c.moments))

    def phase_one(self, x: Tensor, j: int) -> dict[str, Tensor]:
        fake = self.G(torch.randn(len(x), self.z_dim, device=x.device))
        loss_d = self.update("discriminator", real_against_fake(self.D, x, fake.detach()))
        loss_g = self.update("generator", softplus(self.D(fake).float()).mean())  # for D, 0 means real
        return {"loss_d": loss_d, "loss_g": loss_g}

    def phase_two(self, x: Tensor) -> dict[str, Tensor]:
        immature = self.past.draw(torch.randn(len(x), self.z_dim, device=x.device), self.weights)
        return {"loss_c": self.update("classifier", real_against_fake(self.C, x, immature))}


class G2D(TwoPhaseGan):
    name = "g2d"
    Config = G2DConfig
    config: G2DConfig

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        c = self.config
        return ClassifierScorer(Encoder(c.image_size, c.width, c.max_width, out=1))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        seed_torch(run.seed, "networks")
        return self.run_loop(G2DAdversary(self.config, self.device), self.fetcher(data), data, run)
