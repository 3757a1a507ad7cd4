"""GANomaly on vectors, or on the features of a frozen backbone: the fully connected rival of ALGAN on vectors."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.algan.networks import SLOPE, VectorGenerator
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import OptionalBackbone, VectorDetector
from algan_ad.detectors.shared.ganomaly_training import GanomalyAdversary, GanomalyConfig, code_distance
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.conditioning import Whitening, fit_whitening
from algan_ad.training.device import Precision
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch


class GanomalyVectorConfig(OptionalBackbone, GanomalyConfig):
    """GANomaly on vectors, with networks of the size of ALGAN's layers (thesis 5.1.1)."""

    epochs: int = Field(48, ge=1, description="passes over the training data, as for the layers of algan-vector")
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
    """float (N, d), or uint8 (N, S, S, 3) with a backbone -> anomaly score (N,): the distance between the codes of
    the conditioned vector x and of G(x), eq. 3.10."""

    def __init__(self, conditioning: nn.Module, dim: int, hidden: int, z_dim: int) -> None:
        super().__init__()
        self.backbone: Backbone | None = None
        self.conditioning = conditioning
        self.encoder, self.reencoder = (VectorEncoder(dim, hidden, z_dim) for _ in range(2))
        self.decoder = VectorGenerator(dim, z_dim, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.encoder.head.weight.dtype) if self.backbone is None else self.backbone(x)
        z = self.encoder(self.conditioning(x))
        return code_distance(z, self.reencoder(self.decoder(z)))


class GanomalyVector(VectorDetector, TrainedDetector):
    """A detector that computes the features of images once, without augmentation."""

    name = "ganomaly-vector"
    Config = GanomalyVectorConfig
    augments = False
    config: GanomalyVectorConfig
    module: GanomalyVectorScorer | None

    def build_module(self, tensors: Mapping[str, Tensor]) -> GanomalyVectorScorer:
        dim = tensors["encoder.body.0.weight"].shape[1]
        module = self._scorer(Whitening(dim) if self.config.conditioning == "whiten" else nn.Identity(), dim)
        module.backbone = self.network(RANDOM)  # the tensors hold its weights
        return module

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c, backbone = self.config, self.network(self.config.backbone_weights)
        rows = self.rows(backbone, data.train)
        dim = rows.shape[1]
        conditioning = fit_whitening(rows.numpy(), c.scale) if c.conditioning == "whiten" else nn.Identity()
        self.module = self._scorer(conditioning, dim).to(self.device).eval()  # scores vectors so far
        x = conditioning(rows.to(self.device))

        def fetch(indices: Tensor) -> Tensor:
            if len(indices) == 1:  # batch norm needs two rows
                indices = torch.cat([indices, torch.randint(len(x), (1,))])
            return x[indices.to(x.device)]  # type: ignore[no-any-return]

        seed_torch(run.seed, "networks")
        m = self._scorer(nn.Identity(), dim).to(self.device)
        discriminator = VectorEncoder(dim, c.hidden, out=1).to(self.device)
        adversary = GanomalyAdversary(m.encoder, m.decoder, m.reencoder, discriminator, c)
        validation = data.validation and (self.rows(backbone, data.validation[0]).numpy(), data.validation[1])
        trained = self.run_loop(adversary, fetch, replace(data, train=rows.numpy(), validation=validation), run)
        self.module.backbone = backbone
        return trained

    def _scorer(self, conditioning: nn.Module, dim: int) -> GanomalyVectorScorer:
        return GanomalyVectorScorer(conditioning, dim, self.config.hidden, self.config.z_dim)
