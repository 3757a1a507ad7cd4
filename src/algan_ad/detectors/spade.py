"""SPADE: distances to the nearest images and to their features (Cohen and Hoshen, 2020; thesis 3.3, eq. 3.15)."""

from collections.abc import Mapping

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.detectors.shared.contract import FITTED_ONCE, RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import PyramidConfig, PyramidDetector, collect
from algan_ad.features.backbones import RANDOM, PyramidBackbone, pooled
from algan_ad.features.maps import anomaly_map, concatenated
from algan_ad.features.neighbours import nearest
from algan_ad.runtime.errors import Option
from algan_ad.training.loop import Trained


class SpadeConfig(PyramidConfig):
    """The paper's settings, except for its network, a WideResNet-50."""

    layer: str | None = Field(
        None, description="layer whose averaged features find the nearest images; None = the last block"
    )
    neighbours: int = Field(50, ge=1, description="K, number of images to compare with; all if there are fewer")


class SpadeBackbone(PyramidBackbone):
    """The levels that `layers` names, then the one of `layer`."""

    option = (Option("layers"), " or ", Option("layer"))


class SpadeScorer(nn.Module):
    """uint8 (N, S, S, 3) -> (N,): the mean distance to the K nearest images of the bank.

    bank: float (n, d), the pooled features of the training images. gallery: the images, uint8 (n, S, S, 3). Their
    maps are a hundred times as large, so they are made when a query needs them.
    """

    bank: Tensor
    gallery: Tensor

    def __init__(self, backbone: PyramidBackbone, bank: Tensor, gallery: Tensor, neighbours: int) -> None:
        super().__init__()
        self.backbone, self.neighbours = backbone, min(neighbours, len(bank))
        self.register_buffer("bank", bank)
        self.register_buffer("gallery", gallery)

    def forward(self, images: Tensor) -> Tensor:
        deep = pooled(self.backbone(images)[-1])
        return nearest(deep, self.bank, self.neighbours)[0].mean(1)

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps of the distances to the nearest feature anywhere in the K images (kappa = 1)."""
        *levels, deep = self.backbone(images)
        to_images, found = nearest(pooled(deep), self.bank, self.neighbours)
        grids = concatenated(levels, "bilinear")
        distances = torch.full(grids.shape[:1] + grids.shape[2:], torch.inf, device=grids.device)
        for i in found.unique().tolist():  # one image of the gallery at a time, to save memory
            *of_gallery, _ = self.backbone(self.gallery[i : i + 1])
            features = as_rows(concatenated(of_gallery, "bilinear"))
            for query in (found == i).any(1).nonzero()[:, 0].tolist():
                each = nearest(as_rows(grids[query : query + 1]), features, 1)[0]
                distances[query] = torch.minimum(distances[query], each.reshape(distances.shape[1:]))
        return to_images.mean(1), anomaly_map(distances, images.shape[1:3])


class Spade(PyramidDetector):
    """A detector without training: the training images and their features are the model."""

    name = "spade"
    draws_maps = True
    exports_maps = False  # each takes as many passes of the backbone as there are neighbours
    map_batch = 64  # each batch passes an image of the gallery once
    Config = SpadeConfig
    config: SpadeConfig
    module: SpadeScorer | None

    def build_module(self, tensors: Mapping[str, Tensor]) -> SpadeScorer:
        bank, gallery = torch.empty_like(tensors["bank"]), torch.empty_like(tensors["gallery"])
        backbone = SpadeBackbone(self.config.backbone, self._layers(), RANDOM)
        return SpadeScorer(backbone, bank, gallery, self.config.neighbours)

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        backbone = SpadeBackbone(c.backbone, self._layers(), c.backbone_weights).to(self.device)
        bank = collect(lambda batch: pooled(backbone(batch)[-1]), data.train, self.device, "features")
        gallery = torch.from_numpy(np.array(data.train[np.arange(len(data.train))]))
        self.module = SpadeScorer(backbone, bank, gallery, c.neighbours).to(self.device).eval()
        return FITTED_ONCE

    def _layers(self) -> tuple[str | None, ...]:
        return (*self.config.taken, self.config.layer)


def as_rows(maps: Tensor) -> Tensor:
    """Maps (N, d, H, W) -> rows (N H W, d)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)
