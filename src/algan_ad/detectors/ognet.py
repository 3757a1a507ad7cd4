"""OGNet: D distinguishes good reconstructions from bad ones, made by an old generator (Zaheer et al., 2020)."""

import math
from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam

from algan_ad.algan.networks import ImageGenerator
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.encoder import Encoder
from algan_ad.detectors.shared.pixels import LAYOUT, place, residual_map, to_range
from algan_ad.detectors.shared.two_phase_gan import TwoPhaseConfig, TwoPhaseGan, TwoPhases
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch


class OGNetConfig(TwoPhaseConfig):
    """OGNet; the defaults are the paper's unless another source is named."""

    lr_g: float = Field(1e-3, gt=0, le=1, description="learning rate of the generator")
    lr_d: float = Field(1e-4, gt=0, le=1, description="learning rate of the discriminator; phase two takes half of it")
    reconstruction: float = Field(0.2, ge=0, description="weight of the reconstruction error in phase one (lambda)")
    alpha: float = Field(0.1, ge=0, le=1, description="weight of real images beside good reconstructions")
    beta: float = Field(0.001, ge=0, le=1, description="weight of old reconstructions beside pseudo-anomalies")
    noise: float = Field(0.155, ge=0, description="standard deviation of the noise to remove in phase one (ALOCC's)")
    old_epoch: int = Field(1, ge=1, description="epoch after which the old generator is kept")
    phase_two_steps: int = Field(75, ge=1, description="batches of phase two, rounded up to whole epochs")


def good_against_bad(logits: tuple[Tensor, ...], alpha: float, beta: float) -> Tensor:
    """The negated objective of phase two, a scalar.

    logits: those of D, high = bad, for real images, good and old reconstructions, and pseudo-anomalies, float (B,)
    each.
    """
    l_real, l_good, l_low, l_pseudo = logits
    good = alpha * softplus(l_real).mean() + (1 - alpha) * softplus(l_good).mean()
    bad = beta * softplus(-l_low).mean() + (1 - beta) * softplus(-l_pseudo).mean()
    return good + bad


class Reconstructor(nn.Module):
    """The generator: image (B, 3, S, S) -> code (B, z_dim) -> image, both in [-1, 1]."""

    def __init__(self, size: int, z_dim: int, width: int, max_width: int) -> None:
        super().__init__()
        self.encoder = Encoder(size, width, max_width, z_dim)
        self.decoder = ImageGenerator(size, z_dim, width, max_width)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))  # type: ignore[no-any-return]


class OGNetAdversary(TwoPhases):
    """Training of a denoising adversarial autoencoder, then of D alone on reconstructions by two of its states."""

    def __init__(self, config: OGNetConfig, n_batches: int, device: torch.device) -> None:
        """n_batches: batches in an epoch."""
        c = self.config = config
        G = Reconstructor(c.image_size, c.z_dim, c.width, c.max_width)
        self.D = Encoder(c.image_size, c.width, c.max_width, out=1)
        networks = {"generator": G, "discriminator": self.D}
        place(networks.values(), device)
        rates = {"generator": c.lr_g, "discriminator": c.lr_d}
        optimisers = {name: Adam(networks[name].parameters(), lr) for name, lr in rates.items()}
        first = max(1, c.epochs - math.ceil(c.phase_two_steps / n_batches))
        super().__init__(networks, optimisers, ("generator", "discriminator"), [min(c.old_epoch, first)], first)

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        self.G.train(not self.second)
        for group in self.optimisers["discriminator"].param_groups:
            group["lr"] = self.config.lr_d / (2 if self.second else 1)

    def phase_one(self, x: Tensor, j: int) -> dict[str, Tensor]:
        made = self.G(x + self.config.noise * torch.randn_like(x)).float()
        l_real, l_made = self._judge(x, made.detach())
        loss_d = self.update("discriminator", softplus(l_real).mean() + softplus(-l_made).mean())
        error = (x - made).square().sum((1, 2, 3)).mean()  # squared norm of an image, as the paper prints it
        (l_made,) = self._judge(made)
        self.update("generator", softplus(l_made).mean() + self.config.reconstruction * error)
        return {"loss_d": loss_d, "loss_g": softplus(l_made).mean().detach(), "loss_reconstruction": error.detach()}

    def phase_two(self, x: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            good, low = self.G(x).float(), self.past.states[0](x).float()
            mixed = (low + low.roll(1, 0)) / 2  # a batch is in random order; a single image mixes with itself
            pseudo = self.G(mixed).float()
        loss = good_against_bad(self._judge(x, good, low, pseudo), self.config.alpha, self.config.beta)
        return {"loss_d": self.update("discriminator", loss)}

    def _judge(self, *groups: Tensor) -> tuple[Tensor, ...]:
        """Logits of D for each group, from one pass: batch norm of each group alone would even out the differences."""
        return self.D(torch.cat(groups)).float().flatten().split([len(group) for group in groups])  # type: ignore[no-any-return]


class OGNetScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): the logit of D(G(x)), high for a bad reconstruction."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_with_maps(images)[0]

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps (N, S, S) of |x - G(x)|."""
        x = to_range(images).contiguous(memory_format=LAYOUT)
        reconstructed = self.generator(x)
        return self.discriminator(reconstructed).flatten(), residual_map(x, reconstructed)


class OGNet(TwoPhaseGan):
    name = "ognet"
    Config = OGNetConfig
    draws_maps = True
    config: OGNetConfig

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        c = self.config
        size = c.width, c.max_width
        return OGNetScorer(Reconstructor(c.image_size, c.z_dim, *size), Encoder(c.image_size, *size, out=1))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        seed_torch(run.seed, "networks")
        n_batches = math.ceil(len(data.train) / self.config.batch_size)
        return self.run_loop(OGNetAdversary(self.config, n_batches, self.device), self.fetcher(data), data, run)
