"""ALGAN on vectors: the pair of section 5.1.1 with fully connected layers, on features or tabular data."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from algan_ad.algan.networks import VectorDiscriminator, VectorGenerator
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.algan import N_OBSERVED, AlganAdversary, AlganConfig, make_algan
from algan_ad.detectors.base import Detector, RunOptions, TrainingData
from algan_ad.features.conditioning import Whitening, fit_whitening
from algan_ad.training.device import DeviceName, Precision
from algan_ad.training.loop import Trained, Weights
from algan_ad.training.seeding import seed_torch


class AlganVectorConfig(AlganConfig):
    """ALGAN on vectors; the defaults are those of ALGAN-feature (5.1.1, 5.3) and, for the scale, measured."""

    epochs: int = Field(192, ge=1, description="passes over the training data (5.3)")
    hidden: int = Field(512, ge=1, le=8192, description="width of the hidden layers")
    conditioning: Literal["whiten", "none"] = Field(
        "whiten", description="whiten: centre, whiten and scale the vectors; none: the thesis to the letter"
    )
    scale: float = Field(0.05, gt=0, description="standard deviation of the whitened vectors")
    precision: Precision = Field("float32", description="bfloat16 gains nothing on networks this small")


class VectorScorer(nn.Module):
    """float (N, d) -> anomaly score (N,): minus the logit of D on the conditioned vector."""

    def __init__(self, conditioning: nn.Module, discriminator: VectorDiscriminator) -> None:
        super().__init__()
        self.conditioning, self.discriminator = conditioning, discriminator

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.discriminator.dtype())
        return -self.discriminator(self.conditioning(x))  # type: ignore[no-any-return]


class AlganVector(Detector):
    name = "algan-vector"
    Config = AlganVectorConfig
    input = "vector"
    config: AlganVectorConfig

    def __init__(self, config: AlganVectorConfig, device: DeviceName = "auto") -> None:
        super().__init__(config, device)
        self.conditioning: nn.Module = nn.Identity()

    def preprocessing(self, recipe: Recipe) -> None:
        return None

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        hidden, dim = tensors["discriminator.layers.0.weight"].shape
        conditioning = Whitening(dim) if self.config.conditioning == "whiten" else nn.Identity()
        return VectorScorer(conditioning, VectorDiscriminator(dim, hidden, normalised=False))

    def load(self, weights: Weights) -> None:
        """The discriminator's weights, and the conditioning's unless `fit` has just made it."""
        fitted = {f"conditioning.{name}": buffer for name, buffer in self.conditioning.state_dict().items()}
        super().load({**fitted, **weights})

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        train = np.asarray(data.train[:], dtype=np.float32)
        if c.conditioning == "whiten":
            self.conditioning = fit_whitening(train, c.scale).to(self.device)
        x = self._conditioned(train)
        seed_torch(run.seed, "networks")
        dim = x.shape[1]
        G, D = VectorGenerator(dim, c.z_dim, c.hidden), VectorDiscriminator(dim, c.hidden)
        algan = make_algan(c, G, D, len(x), self.device)
        held_out = None if data.held_out is None else self._conditioned(data.held_out[:N_OBSERVED])
        adversary = AlganAdversary(algan, held_out, run.quality)
        return self.run_loop(adversary, lambda indices: x[indices.to(x.device)], data, run)

    def _conditioned(self, samples: NDArray[np.float32]) -> Tensor:
        return self.conditioning(torch.as_tensor(samples, dtype=torch.float32, device=self.device))  # type: ignore[no-any-return]
