"""Shared parts of the ALGAN detectors: the thesis's options, and ALGAN as an adversary of the shared loop."""

from collections.abc import Callable

import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.algan import ALGAN, Hyperparameters, Latents
from algan_ad.algan.algorithm import BufferScope, Scope
from algan_ad.algan.latents import LatentFamily
from algan_ad.algan.networks import effective_weights
from algan_ad.detectors.shared.trained_by_epochs import TrainingConfig

N_OBSERVED = 256  # samples of each kind that the monitors look at


class AlganConfig(TrainingConfig):
    """The thesis's hyperparameters and defaults (5.1.1)."""

    sigma: float = Field(4.0, gt=0, description="standard deviation of the anomalous latents (4.3)")
    alpha: float = Field(0.75, gt=0, le=1, description="share of fake-normal among generated data (eq. 4.3)")
    xi: float = Field(0.75, ge=0, le=1, description="weight of generated against buffered data (eq. 4.3)")
    n_z: int = Field(2, ge=1, description="epochs between two draws of the latents (Algorithm 1)")
    n_dis: int = Field(2, ge=1, description="updates of the discriminator a batch (Algorithm 1)")
    z_dim: int = Field(100, ge=1, description="dimensions of the latents (5.1.1)")
    lr_g: float = Field(2e-4, gt=0, le=1, description="learning rate of the generator (5.1.1)")
    lr_d: float = Field(1e-4, gt=0, le=1, description="learning rate of the discriminator (5.1.1)")
    beta_1: float = Field(0.0, ge=0, lt=1, description="Adam's first momentum (5.1.1)")
    beta_2: float = Field(0.9, ge=0, lt=1, description="Adam's second momentum (5.1.1)")
    latents: LatentFamily = Field("normal", description="family of the latents (5.9)")
    buffered: bool = Field(True, description="train with samples of the generator's past; the ablation of 5.5")
    anomalous_latents: bool = Field(True, description="train with fake-anomalous data; the ablation of 5.5")
    saturating: bool = Field(False, description="the generator's loss as printed in eq. 4.2")
    latent_scope: Scope = Field(
        "dataset",
        description="dataset: latents for each batch, kept for n_z epochs; batch: the same latents for all batches; "
        "fresh: new latents every time",
    )
    buffer_scope: BufferScope = Field(
        "batch", description="size of the buffer: twice the batch (5.1.1) or twice the data set (4.1)"
    )


class AlganAdversary:
    """ALGAN behind the loop's interface, with the monitors of section 5.8."""

    def __init__(
        self, algan: ALGAN, held_out: Tensor | None, quality: Callable[[Tensor], dict[str, float]] | None
    ) -> None:
        """held_out: real-normal samples as D takes them (K, ...). quality: fake-normal samples -> extra monitors."""
        self.algan, self.held_out, self.quality = algan, held_out, quality
        self.begin_epoch, self.step = algan.begin_epoch, algan.step
        self.state_dict, self.load_state_dict = algan.state_dict, algan.load_state_dict

    def scoring_weights(self) -> dict[str, Tensor]:
        return {f"discriminator.{name}": w for name, w in effective_weights(self.algan.D).items()}

    @torch.no_grad()
    def observe(self) -> dict[str, float]:
        """Mean logit of D, in eval mode, on each kind of data; high = judged normal."""
        kinds = self.algan.pseudo_samples(N_OBSERVED)
        if self.held_out is not None:
            kinds["held-out-normal"] = self.held_out
        self.algan.D.eval()
        row = {f"logit/{kind}": self.algan.D(x).mean().item() for kind, x in kinds.items()}
        self.algan.D.train()
        if self.quality is not None:
            row |= self.quality(kinds["fake-normal"])
        return row


def make_algan(
    config: AlganConfig, generator: nn.Module, discriminator: nn.Module, n_samples: int, device: torch.device,
    draws: torch.Generator | None = None, disturb: Callable[[Tensor], Tensor] | None = None,
) -> ALGAN:  # fmt: skip
    """Make ALGAN from the options of a detector, with its networks on the device. `disturb`: as in `ALGAN`.

    `draws`: generator of the latents and the buffer, on the device; None = torch's global state.
    """
    latents = Latents(config.z_dim, config.sigma, config.latents, device, draws)
    names = Hyperparameters.__dataclass_fields__.keys() & type(config).model_fields.keys()
    hyper = Hyperparameters(**{name: getattr(config, name) for name in names})
    n_batches = -(-n_samples // config.batch_size)
    return ALGAN(generator.to(device), discriminator.to(device), latents, hyper, config.batch_size, n_batches, disturb)
