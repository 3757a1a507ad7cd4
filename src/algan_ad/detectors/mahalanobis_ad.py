"""Mahalanobis-AD: a Gaussian at each level of a frozen network (Rippel et al., 2021; thesis 3.3, eq. 3.13)."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.detectors.shared.contract import FITTED_ONCE, RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import PyramidConfig, PyramidDetector, at_least_two, collect
from algan_ad.features.backbones import RANDOM, PyramidBackbone, pooled
from algan_ad.features.conditioning import Whitening, fit_whitening
from algan_ad.training.loop import Trained


class MahalanobisADConfig(PyramidConfig):
    """All levels of a network, of which the paper's, an EfficientNet-B4, has nine."""

    of_lite0: ClassVar[tuple[str, ...]] = ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6")
    of_paper: ClassVar[tuple[str, ...]] = tuple(f"features.{i}" for i in range(9))

    layers: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="layers that its features are taken from; None = by the network: all stages of "
        "tf_efficientnet_lite0, the nine of the paper of another one",
    )


class MahalanobisScorer(nn.Module):
    """uint8 (N, S, S, 3) -> (N,): the sum over the levels of the Mahalanobis distance of the pooled features."""

    def __init__(self, backbone: PyramidBackbone, gaussians: list[Whitening]) -> None:
        super().__init__()
        self.backbone, self.gaussians = backbone, nn.ModuleList(gaussians)

    def forward(self, images: Tensor) -> Tensor:
        levels = zip(self.gaussians, self.backbone.outputs(images), strict=True)
        # The Mahalanobis distance is the length of the vector whitened by covariance^(-1/2).
        return torch.stack([gaussian(pooled(found)).norm(dim=1) for gaussian, found in levels]).sum(0)


class MahalanobisAD(PyramidDetector):
    """A detector without training: it estimates the mean and the Ledoit-Wolf covariance of each level once."""

    name = "mahalanobis-ad"
    Config = MahalanobisADConfig
    config: MahalanobisADConfig
    module: MahalanobisScorer | None

    def build_module(self, tensors: Mapping[str, Tensor]) -> MahalanobisScorer:
        c = self.config
        dims = [len(tensors[f"gaussians.{level}.mean"]) for level in range(len(c.taken))]
        backbone = PyramidBackbone(c.backbone, c.taken, RANDOM)  # the tensors hold its weights
        return MahalanobisScorer(backbone, [Whitening(dim) for dim in dims])

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        at_least_two(data.train)
        c = self.config
        backbone = PyramidBackbone(c.backbone, c.taken, c.backbone_weights).to(self.device)
        dims: list[int] = []

        def vectors(batch: Tensor) -> Tensor:
            found = [pooled(level) for level in backbone.outputs(batch)]
            dims[:] = [level.shape[1] for level in found]
            return torch.cat(found, 1)

        features = collect(vectors, data.train, self.device, "features")
        gaussians = [fit_whitening(level.numpy(), scale=1.0) for level in torch.split(features, dims, 1)]
        self.module = MahalanobisScorer(backbone, gaussians).to(self.device).eval()
        return FITTED_ONCE
