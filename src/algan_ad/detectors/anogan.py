"""AnoGAN: a GAN on normal images; the score is the error left by a search for the latent of an image (thesis 3.2).

Schlegl et al., Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery,
IPMI 2017.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from algan_ad.algan.networks import ImageGenerator
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.encoder import Encoder
from algan_ad.detectors.shared.gan_adversary import GanAdversary, descend, gan_loss
from algan_ad.detectors.shared.image_gan import ImageGan, ImageGanConfig
from algan_ad.detectors.shared.pixels import residual_map, to_range
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch
from algan_ad.training.selection import Selection


class AnoGanConfig(ImageGanConfig):
    """AnoGAN; the defaults of the search are the paper's, and those of the GAN are DCGAN's, as in the paper."""

    z_dim: int = Field(100, ge=1, description="dimensions of the latents (DCGAN)")
    lr: float = Field(2e-4, gt=0, le=1, description="learning rate of both networks (DCGAN)")
    beta_1: float = Field(0.5, ge=0, lt=1, description="Adam's first momentum (DCGAN)")
    feature_weight: float = Field(0.1, ge=0, le=1, description="lambda, share of the feature term (eq. 3.8)")
    iterations: int = Field(500, ge=1, description="steps of the search for the latent of an image (paper)")
    search_lr: float = Field(0.01, gt=0, le=1, description="learning rate of the search; the paper gives none")


def draw_latents(n: int, z_dim: int, device: torch.device) -> Tensor:
    """Latents (n, z_dim), uniform on [-1, 1], as in DCGAN."""
    return 2 * torch.rand(n, z_dim, device=device) - 1


class LatentSearch(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): the loss of eq. 3.8 at the last step of the search.

    Every search starts from the same latent, which is drawn once from the seed of the training. So the score depends
    on the image only, and no image has an unlucky start.
    """

    start: Tensor  # (z_dim,)

    def __init__(self, generator: ImageGenerator, discriminator: Encoder, config: AnoGanConfig) -> None:
        super().__init__()
        self.generator, self.discriminator, self.config = generator, discriminator, config
        self.register_buffer("start", torch.zeros(config.z_dim))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_with_maps(images)[0]

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps (N, S, S) of |x - G(z)|."""
        x = to_range(images)
        found = self.search(x)
        return self.loss(x, self.discriminator.features(x), found), residual_map(x, found)

    def search(self, x: Tensor) -> Tensor:
        """Search the latents z of images (N, 3, S, S). Returns the nearest drawings found, G(z), of the same shape.

        Adam keeps its moments for each element of z, and the gradient of the sum of the losses is that of each image's
        own loss, so that the images of a batch do not affect each other.
        """
        with torch.no_grad():
            features = self.discriminator.features(x)
        z = self.start.repeat(len(x), 1).requires_grad_()
        adam = torch.optim.Adam([z], self.config.search_lr)
        for _ in range(self.config.iterations):
            with torch.enable_grad():
                loss = self.loss(x, features, self.generator(z)).sum()
            (z.grad,) = torch.autograd.grad(loss, z)  # for z only: the networks stay as they are
            adam.step()
        with torch.no_grad():
            return self.generator(z)  # type: ignore[no-any-return]

    def loss(self, x: Tensor, features: Tensor, drawn: Tensor) -> Tensor:
        """Losses (N,), (1 - lambda) |x - G(z)|_1 + lambda |f_D(x) - f_D(G(z))|_1 (eq. 3.8); features = f_D(x)."""
        residual = (x - drawn).abs().flatten(1).sum(1)
        discrimination = (features - self.discriminator.features(drawn)).abs().flatten(1).sum(1)
        return torch.lerp(residual, discrimination, self.config.feature_weight)


class DcganAdversary(GanAdversary):
    """The plain GAN of Radford et al. (2016)."""

    def __init__(self, G: ImageGenerator, D: Encoder, start: Tensor, config: AnoGanConfig) -> None:
        self.G, self.D, self.start, self.z_dim = G, D, start, config.z_dim
        self.adam_g, self.adam_d = (
            torch.optim.Adam(part.parameters(), config.lr, betas=(config.beta_1, 0.999)) for part in (G, D)
        )
        parts = {"generator": G, "discriminator": D}
        super().__init__({**parts, "adam_g": self.adam_g, "adam_d": self.adam_d}, tuple(parts))

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        fake = self.G(draw_latents(len(x), self.z_dim, x.device))
        loss_d = gan_loss(self.D(x).float(), self.D(fake.detach()).float())
        descend(self.adam_d, loss_d)
        loss_g = softplus(-self.D(fake).float()).mean()  # the non-saturating form
        descend(self.adam_g, loss_g)
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach()}

    def scoring_weights(self) -> dict[str, Tensor]:
        return super().scoring_weights() | {"start": self.start}


class AnoGan(ImageGan):
    name = "anogan"
    not_exported = "it searches for the latent of every image by gradient descent"
    Config = AnoGanConfig
    default_selection: ClassVar[Selection] = "last"  # a look at made-up anomalies would take 512 searches
    draws_maps = True
    config: AnoGanConfig

    def networks(self) -> tuple[ImageGenerator, Encoder]:
        c = self.config
        generator = ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width)
        return generator, Encoder(c.image_size, c.width, c.max_width, out=1)

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        return LatentSearch(*self.networks(), self.config)

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        G, D = self.fresh(self.networks, run.seed)
        seed_torch(run.seed, "start of the search")
        start = draw_latents(1, self.config.z_dim, torch.device("cpu"))[0]
        adversary = DcganAdversary(G, D, start.to(self.device), self.config)
        return self.run_loop(adversary, self.fetcher(data), data, run)
