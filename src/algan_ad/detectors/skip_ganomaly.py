"""Skip-GANomaly (Akcay, Atapour-Abarghouei & Breckon, 2019): errors of a U-Net in pixels and in D's features."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from algan_ad.algan.networks import SLOPE, dcgan_init, layer_widths
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.encoder import Encoder
from algan_ad.detectors.shared.gan_adversary import GanAdversary, descend, gan_loss
from algan_ad.detectors.shared.ganomaly_training import EncodingConfig
from algan_ad.detectors.shared.image_gan import ImageGan, ImageGanConfig
from algan_ad.detectors.shared.pixels import residual_map, to_range
from algan_ad.training.loop import Trained


class SkipGanomalyConfig(ImageGanConfig, EncodingConfig):
    """Skip-GANomaly; sizes and epochs are those of ALGAN-image (thesis 5.1.1, 5.3)."""

    z_dim: int = Field(512, ge=1, description="channels of the bottleneck (published code)")
    w_lat: float = Field(1.0, ge=0, description="weight of the latent loss, mean (f(x) - f(G(x)))^2")
    score_lambda: float = Field(0.9, ge=0, le=1, description="weight of the reconstruction in the score (eq. 3.11)")


class UNet(nn.Module):
    """Image (B, 3, S, S) -> image of the same shape in [-1, 1], through a bottleneck (B, z_dim, 1, 1).

    Skip connections join the way down and the way up at every size from S / 2 to 4 (Ronneberger et al., 2015).
    """

    def __init__(self, size: int, z_dim: int, width: int, max_width: int) -> None:
        super().__init__()
        widths = layer_widths(size, width, max_width)
        first = nn.Sequential(nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True))
        self.down = nn.ModuleList([first])
        self.up = nn.ModuleList()
        for c_in, c_out in pairwise(widths):
            norm, rectifier = nn.BatchNorm2d(c_out), nn.LeakyReLU(SLOPE, inplace=True)
            self.down.append(nn.Sequential(nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False), norm, rectifier))
        self.bottleneck = nn.Sequential(
            nn.Conv2d(widths[-1], z_dim, 4, 1, 0), nn.LeakyReLU(SLOPE, inplace=True), _up(z_dim, widths[-1], 1, 0)
        )
        for c_in, c_out in pairwise(widths[::-1]):
            self.up.append(_up(2 * c_in, c_out, 2, 1))
        self.up.append(nn.Sequential(nn.ConvTranspose2d(2 * widths[0], 3, 4, 2, 1), nn.Tanh()))
        self.apply(dcgan_init)

    def forward(self, x: Tensor) -> Tensor:
        skipped = []
        for layer in self.down:
            x = layer(x)
            skipped.append(x)
        x = self.bottleneck(x)
        for layer in self.up:
            x = layer(torch.cat([x, skipped.pop()], 1))
        return x


def _up(c_in: int, c_out: int, stride: int, padding: int) -> nn.Sequential:
    transposed = nn.ConvTranspose2d(c_in, c_out, 4, stride, padding, bias=False)
    return nn.Sequential(transposed, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


class SkipGanomalyAdversary(GanAdversary):
    """The losses of section 3.3 of the paper."""

    def __init__(self, generator: UNet, discriminator: Encoder, c: SkipGanomalyConfig) -> None:
        self.c, self.G, self.D = c, generator, discriminator
        self.adam_g, self.adam_d = c.adam(generator), c.adam(discriminator)
        parts = {"generator": generator, "discriminator": discriminator}
        super().__init__({**parts, "adam_g": self.adam_g, "adam_d": self.adam_d}, tuple(parts))

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        x_hat = self.G(x)
        with torch.no_grad():
            wanted = self.D.features(x).float()
        found = self.D.features(x_hat)
        adv = F.softplus(-self.D.head(found).float()).mean()  # -log D(G(x)), the non-saturating form
        con = F.l1_loss(x_hat.float(), x)
        lat = F.mse_loss(found.float(), wanted)
        loss_g = self.c.w_adv * adv + self.c.w_con * con + self.c.w_lat * lat
        descend(self.adam_g, loss_g)
        loss_d = gan_loss(self.D(x).float(), self.D(x_hat.detach()).float())
        descend(self.adam_d, loss_d)
        losses = {"loss_g": loss_g, "loss_d": loss_d, "loss_adv": adv, "loss_con": con, "loss_lat": lat}
        return {name: loss.detach() for name, loss in losses.items()}


class SkipGanomalyScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,), eq. 3.11, with norms that do not grow with the number of elements:

    lambda mean |x - G(x)| + (1 - lambda) root mean square of f(x) - f(G(x)), f = D's last features.
    """

    def __init__(self, generator: UNet, discriminator: Encoder, score_lambda: float) -> None:
        super().__init__()
        self.generator, self.discriminator, self.score_lambda = generator, discriminator, score_lambda

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_with_maps(images)[0]

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps (N, S, S) of |x - G(x)|."""
        x = to_range(images)
        x_hat = self.generator(x)
        f = self.discriminator.features
        reconstruction = (x - x_hat).abs().mean((1, 2, 3))
        latent = (f(x) - f(x_hat)).square().mean((1, 2, 3)).sqrt()
        return self.score_lambda * reconstruction + (1 - self.score_lambda) * latent, residual_map(x, x_hat)


class SkipGanomaly(ImageGan):
    name = "skip-ganomaly"
    Config = SkipGanomalyConfig
    draws_maps = True
    config: SkipGanomalyConfig

    def build_module(self, tensors: Mapping[str, Tensor]) -> SkipGanomalyScorer:
        return SkipGanomalyScorer(*self._networks(), self.config.score_lambda)

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        networks = self.fresh(self._networks, run.seed)
        return self.run_loop(SkipGanomalyAdversary(*networks, self.config), self.fetcher(data), data, run)

    def _networks(self) -> tuple[UNet, Encoder]:
        c = self.config
        discriminator = Encoder(c.image_size, c.width, c.max_width, out=1)
        return UNet(c.image_size, c.z_dim, c.width, c.max_width), discriminator
