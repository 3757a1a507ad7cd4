"""Shared parts of algan-vector and algan-feature: the fully connected pair of 5.1.1 on conditioned vectors."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from algan_ad.algan.networks import VectorDiscriminator, VectorGenerator
from algan_ad.detectors.shared.algan_adversary import AlganAdversary, AlganConfig, make_algan
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
from algan_ad.features.conditioning import Whitening, fit_whitening
from algan_ad.training.device import Precision
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch


class PairConfig(AlganConfig):
    """The defaults of ALGAN-feature (5.1.1, 5.3); those of the conditioning follow from docs/experiments/."""

    epochs: int = Field(192, ge=1, description="passes over the training data (5.3)")
    hidden: int = Field(512, ge=1, le=8192, description="width of the hidden layers")
    conditioning: Literal["whiten", "none"] = Field(
        "whiten",
        description="whiten: centre, whiten and scale the vectors, and give D their magnitude; none: as in the thesis",
    )
    scale: float = Field(0.05, gt=0, description="standard deviation of the whitened vectors")
    precision: Precision = Field("float32", description="bfloat16 gains nothing on networks this small")


class VectorScorer(nn.Module):
    """float (N, d) -> anomaly score (N,): minus the logit of D on the conditioned vector."""

    def __init__(self, conditioning: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.conditioning, self.discriminator = conditioning, discriminator

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(next(self.discriminator.parameters()).dtype)
        return -self.discriminator(self.conditioning(x))  # type: ignore[no-any-return]


class PairDetector(TrainedDetector):
    """A detector whose `module` is a VectorScorer: a conditioning fitted to the data, and a trained D."""

    config: PairConfig
    module: VectorScorer | None

    def placeholder(self, tensors: Mapping[str, Tensor]) -> tuple[nn.Module, VectorDiscriminator]:
        """Untrained conditioning and discriminator, of the shapes that these tensors fit into."""
        hidden, dim = tensors["discriminator.layers.0.weight"].shape
        conditioning = Whitening(dim - 1) if self.whitens else nn.Identity()
        return conditioning, VectorDiscriminator(dim - self.whitens, hidden, self.whitens, normalised=False)

    @property
    def whitens(self) -> bool:
        """True if vectors are whitened. They are centred then, so that their magnitude matters, and D gets it."""
        return self.config.conditioning == "whiten"

    def twin(self, dim: int) -> VectorDiscriminator:
        """The discriminator of the scoring module, before it gets its weights."""
        return VectorDiscriminator(dim, self.config.hidden, self.whitens, normalised=False)

    def fit_conditioning(self, rows: NDArray[np.float32]) -> nn.Module:
        """Fit the conditioning to normal vectors (n, d)."""
        if not self.whitens:
            return nn.Identity()
        return fit_whitening(rows, self.config.scale).to(self.device)

    def train_pair(self, x: Tensor, held_out: Tensor | None, data: TrainingData, run: RunOptions) -> Trained:
        """Train on x, conditioned float32 (N, R, d), R variants of each sample; held_out (K, d) is conditioned, too.

        In each epoch a sample takes part once, as a random variant.
        """
        c = self.config
        n_variants, dim = x.shape[1:]
        seed_torch(run.seed, "networks")
        G, D = VectorGenerator(dim, c.z_dim, c.hidden), VectorDiscriminator(dim, c.hidden, self.whitens)
        algan = make_algan(c, G, D, len(x), self.device)

        def fetch(indices: Tensor) -> Tensor:
            variants = torch.randint(n_variants, indices.shape)
            return x[indices.to(x.device), variants.to(x.device)]

        return self.run_loop(AlganAdversary(algan, held_out, quality=None), fetch, data, run)
