"""Shared parts of the three GANomaly detectors: Adam's settings, GANomaly's losses and its training."""

from itertools import chain

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from algan_ad.detectors.shared.gan_adversary import GanAdversary, descend, gan_loss
from algan_ad.detectors.shared.trained_by_epochs import TrainingConfig


class EncodingConfig(TrainingConfig):
    """Settings of Adam in the published code of both papers, and weights of the losses that both have."""

    lr: float = Field(2e-4, gt=0, le=1, description="learning rate of all networks (published code)")
    beta_1: float = Field(0.5, ge=0, lt=1, description="Adam's first momentum (Akcay et al., 2018, 4)")
    beta_2: float = Field(0.999, ge=0, lt=1, description="Adam's second momentum (Akcay et al., 2018, 4)")
    w_adv: float = Field(1.0, ge=0, description="weight of the adversarial loss")
    w_con: float = Field(50.0, ge=0, description="weight of the contextual loss, mean |x - G(x)|")

    def adam(self, *networks: nn.Module) -> torch.optim.Adam:
        parameters = chain.from_iterable(network.parameters() for network in networks)
        return torch.optim.Adam(parameters, self.lr, (self.beta_1, self.beta_2))


class GanomalyConfig(EncodingConfig):
    """GANomaly, on images or vectors."""

    z_dim: int = Field(100, ge=1, description="dimensions of the code (Akcay et al., 2018)")
    w_enc: float = Field(1.0, ge=0, description="weight of the encoder loss, mean (G_E(x) - E(G(x)))^2")


class GanomalyAdversary(GanAdversary):
    """Training of GANomaly (Akcay et al., 2018, 3.3), for images or vectors.

    encoder, reencoder: x -> code (B, z_dim); decoder: code -> x; discriminator: x -> logit (B, 1), its `features`
    the activations before the logit.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, reencoder: nn.Module, discriminator: nn.Module, c: GanomalyConfig
    ) -> None:
        self.c = c
        self.G_E, self.G_D, self.E, self.D = encoder, decoder, reencoder, discriminator
        self.adam_g, self.adam_d = c.adam(encoder, decoder, reencoder), c.adam(discriminator)
        parts = {"encoder": encoder, "decoder": decoder, "reencoder": reencoder, "discriminator": discriminator}
        optimisers = {"adam_g": self.adam_g, "adam_d": self.adam_d}
        super().__init__({**parts, **optimisers}, ("encoder", "decoder", "reencoder"))

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        z = self.G_E(x)
        x_hat = self.G_D(z)
        z_hat = self.E(x_hat)
        with torch.no_grad():
            wanted = self.D.features(x).float()  # type: ignore[operator]
        adv = F.mse_loss(self.D.features(x_hat).float(), wanted)  # type: ignore[operator]  # eq. 1, feature matching
        con = F.l1_loss(x_hat.float(), x)  # eq. 2
        enc = F.mse_loss(z_hat.float(), z.float())  # eq. 3
        loss_g = self.c.w_adv * adv + self.c.w_con * con + self.c.w_enc * enc  # eq. 4
        descend(self.adam_g, loss_g)
        loss_d = gan_loss(self.D(x).float(), self.D(x_hat.detach()).float())
        descend(self.adam_d, loss_d)
        losses = {"loss_g": loss_g, "loss_d": loss_d, "loss_adv": adv, "loss_con": con, "loss_enc": enc}
        return {name: loss.detach() for name, loss in losses.items()}


def code_distance(z: Tensor, z_hat: Tensor) -> Tensor:
    """Scores (B,) from two codes (B, z_dim): ||G_E(x) - E(G(x))||_2, eq. 3.10 of the thesis."""
    return (z - z_hat).square().sum(1).sqrt()
