"""ALOCC: a refiner that learns to restore noisy normal images, and a discriminator that judges them (thesis 3.2).

Sabokrou et al., Adversarially Learned One-Class Classifier for Novelty Detection, CVPR 2018.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from algan_ad.algan.networks import ImageGenerator
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.encoder import Encoder
from algan_ad.detectors.shared.gan_adversary import GanAdversary, descend, gan_loss
from algan_ad.detectors.shared.image_gan import ImageGan, ImageGanConfig
from algan_ad.detectors.shared.pixels import residual_map, to_range
from algan_ad.training.loop import Trained

Judged = Literal["refined", "input"]


class AloccConfig(ImageGanConfig):
    """ALOCC; the noise and the weight are those of the published code."""

    noise: float = Field(0.155, ge=0, le=1, description="standard deviation of the noise that R removes")
    reconstruction_weight: float = Field(0.2, ge=0, description="lambda, weight of the reconstruction loss")
    lr: float = Field(2e-4, gt=0, le=1, description="learning rate of both networks")
    beta_1: float = Field(0.5, ge=0, lt=1, description="Adam's first momentum")
    judged: Judged = Field(
        "refined", description="input of D in prediction; refined: R(x), eq. 3.12; input: x, as in the published code"
    )


class Refiner(nn.Module):
    """R, image -> image (B, 3, S, S): convolutions down to 4 x 4 and up again, as in DCGAN, without a code."""

    def __init__(self, size: int, width: int, max_width: int) -> None:
        super().__init__()
        self.down = Encoder(size, width, max_width, 1).body
        self.up = ImageGenerator(size, 1, width, max_width).layers[1:]  # without the layer from a latent to 4 x 4

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x))  # type: ignore[no-any-return]


class AloccScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): minus the logit of D(R(x)) (eq. 3.12), or of D(x)."""

    def __init__(self, refiner: Refiner, discriminator: Encoder, judged: Judged) -> None:
        super().__init__()
        self.refiner, self.discriminator, self.judged = refiner, discriminator, judged

    def forward(self, images: Tensor) -> Tensor:
        x = to_range(images)
        logit: Tensor = self.discriminator(self.refiner(x) if self.judged == "refined" else x)
        return -logit.flatten()

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps (N, S, S) of the changes that R makes."""
        x = to_range(images)
        refined: Tensor = self.refiner(x)
        logit: Tensor = self.discriminator(refined if self.judged == "refined" else x)
        return -logit.flatten(), residual_map(x, refined)


class AloccAdversary(GanAdversary):
    """Training of R against D, eqs. 1 to 3 of the paper."""

    def __init__(self, R: Refiner, D: Encoder, config: AloccConfig) -> None:
        self.R, self.D, self.noise, self.weight = R, D, config.noise, config.reconstruction_weight
        self.adam_r, self.adam_d = (
            torch.optim.Adam(part.parameters(), config.lr, betas=(config.beta_1, 0.999)) for part in (R, D)
        )
        parts = {"refiner": R, "discriminator": D}
        super().__init__({**parts, "adam_r": self.adam_r, "adam_d": self.adam_d}, tuple(parts))

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        refined = self.R(x + self.noise * torch.randn_like(x)).float()
        loss_d = gan_loss(*self.judge(x, refined.detach()))
        descend(self.adam_d, loss_d)
        loss_r = softplus(-self.judge(x, refined)[1]).mean()  # the non-saturating form
        reconstruction = mse_loss(refined, x)
        descend(self.adam_r, loss_r + self.weight * reconstruction)
        return {"loss_d": loss_d.detach(), "loss_r": loss_r.detach(), "loss_reconstruction": reconstruction.detach()}

    def judge(self, x: Tensor, refined: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of both from one pass: in two, batch norm would give both one mean, unlike in prediction."""
        real, fake = self.D(torch.cat([x, refined])).float().chunk(2)
        return real, fake


class Alocc(ImageGan):
    name = "alocc"
    Config = AloccConfig
    draws_maps = True
    config: AloccConfig

    def networks(self) -> tuple[Refiner, Encoder]:
        c = self.config
        return Refiner(c.image_size, c.width, c.max_width), Encoder(c.image_size, c.width, c.max_width, 1)

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        return AloccScorer(*self.networks(), self.config.judged)

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        networks = self.fresh(self.networks, run.seed)
        return self.run_loop(AloccAdversary(*networks, self.config), self.fetcher(data), data, run)
