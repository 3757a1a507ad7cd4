"""GANomaly on vectors: features made elsewhere, or tabular data; the fully connected rival of ALGAN-vector."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.algan.networks import SLOPE, VectorGenerator
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.base import RunOptions, TrainingData
from algan_ad.detectors.encoding import GanomalyAdversary, GanomalyConfig, code_distance
from algan_ad.detectors.trained import TrainedDetector
from algan_ad.features.conditioning import Whitening, fit_whitening
from algan_ad.training.device import Precision
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch


class GanomalyVectorConfig(GanomalyConfig):
    """GANomaly on vectors, in networks of the size of ALGAN-vector's (thesis 5.1.1)."""

    epochs: int = Field(48, ge=1, description="passes over the training data, as algan-vector")
    hidden: int = Field(512, ge=1, le=8192, description="width of the hidden layers")
    conditioning: Literal["whiten", "none"] = Field(
        "whiten", description="whiten: centre, whiten and scale the vectors; none: take them as they are"
    )
    scale: float = Field(1.0, gt=0, description="standard deviation of the whitened vectors")
    precision: Precision = Field("float32", description="bfloat16 gains nothing on networks this small")


class VectorEncoder(nn.Module):
    """Vector (B, dim) -> code (B, out): the mirror of `algan.networks.VectorGenerator`; with out=1 a discriminator."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(dim, hidden), nn.LeakyReLU(SLOPE, inplace=True),
            nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.LeakyReLU(SLOPE, inplace=True),
        )  # fmt: skip
        self.head = nn.Linear(hidden, out)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))  # type: ignore[no-any-return]


class GanomalyVectorScorer(nn.Module):
    """float (N, d) -> anomaly score (N,): the distance between the codes of x and G(x), x conditioned."""

    def __init__(self, conditioning: nn.Module, dim: int, hidden: int, z_dim: int) -> None:
        super().__init__()
        self.conditioning = conditioning
        self.encoder, self.reencoder = (VectorEncoder(dim, hidden, z_dim) for _ in range(2))
        self.decoder = VectorGenerator(dim, z_dim, hidden)

    def forward(self, x: Tensor) -> Tensor:
        z = self.encoder(self.conditioning(x))
        return code_distance(z, self.reencoder(self.decoder(z)))


class GanomalyVector(TrainedDetector):
    name = "ganomaly-vector"
    family = "pre-trained features"
    Config = GanomalyVectorConfig
    input = "vector"
    config: GanomalyVectorConfig
    module: GanomalyVectorScorer | None

    def preprocessing(self, recipe: Recipe) -> None:
        return None

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """A whole model, or the networks alone while `fit` is at work."""
        if self.module is None:
            super().load(weights)
        else:
            self.module.load_state_dict({**self.module.state_dict(), **weights})

    def build_module(self, tensors: Mapping[str, Tensor]) -> GanomalyVectorScorer:
        dim = tensors["encoder.body.0.weight"].shape[1]
        whiten = self.config.conditioning == "whiten"
        return self._scorer(Whitening(dim) if whiten else nn.Identity(), dim)

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        rows = np.asarray(data.train[:], dtype=np.float32)
        dim = rows.shape[1]
        conditioning = fit_whitening(rows, c.scale) if c.conditioning == "whiten" else nn.Identity()
        self.module = self._scorer(conditioning, dim).to(self.device)
        x = conditioning(torch.from_numpy(rows).to(self.device))

        def fetch(indices: Tensor) -> Tensor:
            if len(indices) == 1:  # batch norm needs company
                indices = torch.cat([indices, torch.randint(len(x), (1,))])
            return x[indices.to(x.device)]  # type: ignore[no-any-return]

        seed_torch(run.seed, "networks")
        m = self._scorer(nn.Identity(), dim).to(self.device)
        discriminator = VectorEncoder(dim, c.hidden, out=1).to(self.device)
        return self.run_loop(GanomalyAdversary(m.encoder, m.decoder, m.reencoder, discriminator, c), fetch, data, run)

    def _scorer(self, conditioning: nn.Module, dim: int) -> GanomalyVectorScorer:
        return GanomalyVectorScorer(conditioning, dim, self.config.hidden, self.config.z_dim)
