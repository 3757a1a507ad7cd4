"""EGBAD: a BiGAN on normal images; the score is the error of its reconstruction (thesis 3.2).

Zenati et al., Efficient GAN-Based Anomaly Detection, ICLR workshop, 2018.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus

from algan_ad.algan.networks import SLOPE, ImageGenerator, layer_widths
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.encoder import Encoder
from algan_ad.detectors.shared.gan_adversary import GanAdversary, descend, gan_loss
from algan_ad.detectors.shared.image_gan import ImageGan, ImageGanConfig
from algan_ad.detectors.shared.pixels import residual_map, to_range
from algan_ad.training.loop import Trained


class EgbadConfig(ImageGanConfig):
    """EGBAD; the defaults are the paper's for images, except for the learning rate."""

    z_dim: int = Field(200, ge=1, description="dimensions of the latents (paper)")
    lr: float = Field(2e-4, gt=0, le=1, description="learning rate of the three networks; the paper's is 1e-5")
    beta_1: float = Field(0.5, ge=0, lt=1, description="Adam's first momentum (paper)")
    feature_weight: float = Field(
        0.1, ge=0, le=1, description="lambda, share of the feature term (eq. 3.9); the paper's 1 - alpha"
    )


class PairDiscriminator(nn.Module):
    """Image (B, 3, S, S) in [-1, 1] and latent (B, z_dim) -> logit (B,), high for pairs of x and E(x)."""

    def __init__(self, config: EgbadConfig) -> None:
        super().__init__()
        size, width, max_width = config.image_size, config.width, config.max_width
        channels = layer_widths(size, width, max_width)[-1]
        self.image = Encoder(size, width, max_width, channels)
        self.latent = nn.Linear(config.z_dim, channels)
        self.joint = nn.Linear(2 * channels, channels)
        self.head = nn.Linear(channels, 1)

    def features(self, x: Tensor, z: Tensor) -> Tensor:
        """Activations f_D of the layer before the logit, (B, channels)."""
        both = leaky_relu(torch.cat([self.image(x), self.latent(z)], 1), SLOPE)
        return leaky_relu(self.joint(both), SLOPE)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.head(self.features(x, z)).flatten()  # type: ignore[no-any-return]


class BiganScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,), eq. 3.9."""

    def __init__(
        self, encoder: Encoder, generator: ImageGenerator, discriminator: PairDiscriminator, feature_weight: float
    ) -> None:
        super().__init__()
        self.encoder, self.generator, self.discriminator = encoder, generator, discriminator
        self.feature_weight = feature_weight

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_with_maps(images)[0]

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps (N, S, S) of |x - G(E(x))|.

        A score is (1 - lambda) |x - G(E(x))|_1 + lambda |f_D(x, E(x)) - f_D(G(E(x)), E(x))|_1.
        """
        x = to_range(images)
        z = self.encoder(x)
        y: Tensor = self.generator(z)
        residual = (x - y).abs().flatten(1).sum(1)
        matching = (self.discriminator.features(x, z) - self.discriminator.features(y, z)).abs().sum(1)
        return torch.lerp(residual, matching, self.feature_weight), residual_map(x, y)


class BiganAdversary(GanAdversary):
    """BiGAN (Donahue et al., 2017): D distinguishes (x, E(x)) from (G(z), z); E and G learn to swap its answers."""

    def __init__(self, E: Encoder, G: ImageGenerator, D: PairDiscriminator, config: EgbadConfig) -> None:
        self.E, self.G, self.D, self.z_dim = E, G, D, config.z_dim
        betas = (config.beta_1, 0.999)
        self.adam_ge = torch.optim.Adam([*G.parameters(), *E.parameters()], config.lr, betas=betas)
        self.adam_d = torch.optim.Adam(D.parameters(), config.lr, betas=betas)
        parts = {"encoder": E, "generator": G, "discriminator": D}
        super().__init__({**parts, "adam_ge": self.adam_ge, "adam_d": self.adam_d}, tuple(parts))

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        z = torch.randn(len(x), self.z_dim, device=x.device)
        fake, code = self.G(z), self.E(x)
        loss_d = gan_loss(self.D(x, code.detach()).float(), self.D(fake.detach(), z).float())
        descend(self.adam_d, loss_d)
        loss_g, loss_e = softplus(-self.D(fake, z).float()).mean(), softplus(self.D(x, code).float()).mean()
        descend(self.adam_ge, loss_g + loss_e)
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach(), "loss_e": loss_e.detach()}


class Egbad(ImageGan):
    name = "egbad"
    Config = EgbadConfig
    draws_maps = True
    config: EgbadConfig

    def networks(self) -> tuple[Encoder, ImageGenerator, PairDiscriminator]:
        c = self.config
        encoder = Encoder(c.image_size, c.width, c.max_width, out=c.z_dim)
        generator = ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width)
        return encoder, generator, PairDiscriminator(c)

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        return BiganScorer(*self.networks(), self.config.feature_weight)

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        networks = self.fresh(self.networks, run.seed)
        return self.run_loop(BiganAdversary(*networks, self.config), self.fetcher(data), data, run)
