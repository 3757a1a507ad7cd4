"""PaDiM: a Gaussian of the features at each position (Defard et al., 2021; thesis 3.3, eq. 3.14)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.detectors.shared.contract import FITTED_ONCE, RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import PyramidConfig, PyramidDetector, at_least_two, batches
from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.features.gaussians import Gaussians
from algan_ad.features.maps import concatenated
from algan_ad.features.marks import counted, marked_map
from algan_ad.features.packaged import LITE0
from algan_ad.runtime.errors import InputError, Option
from algan_ad.training.loop import Trained

EPSILON = 0.01  # added to the variances (III-B)
DIMS = {"resnet18": 100, LITE0: 100}  # IV-B, for ResNet-18; 550 for the larger WideResNet-50


class PadimConfig(PyramidConfig):
    """The paper's settings (IV-B), for a smaller network than its WideResNet-50."""

    dims: int | None = Field(
        None,
        ge=1,
        description="number of features kept, drawn at random; None = 100 for resnet18 "
        "and tf_efficientnet_lite0, else 550 (IV-B)",
    )


class PadimScorer(nn.Module):
    """uint8 (N, S, S, 3) -> (N,): the maximum of the map of Mahalanobis distances.

    kept: indices of the features, int64 (d,). mean: float (P, d) of the positions, row by row. factor: (P, d, d),
    the inverse L^-1 of the Cholesky factor of the covariance L L^T: the distance of x is |L^-1 (x - mean)|.
    """

    kept: Tensor
    mean: Tensor
    factor: Tensor

    def __init__(self, backbone: PyramidBackbone, kept: Tensor, mean: Tensor, factor: Tensor) -> None:
        super().__init__()
        self.backbone = backbone
        self.columns: list[int] = kept.tolist()  # plain numbers: an exported graph has fixed shapes
        for name, tensor in (("kept", kept), ("mean", mean), ("factor", factor)):
            self.register_buffer(name, tensor)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_with_maps(images)[0]

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = embedding(self.backbone, images, self.columns)
        rows = by_position(x) - self.mean[:, None]
        distances = torch.bmm(rows, self.factor.transpose(1, 2)).norm(dim=2)  # (P, N)
        found = distances.T.reshape(len(x), *x.shape[2:])
        maps = marked_map(found, images, counted(images, found.shape[1:]), "bicubic")
        return maps.amax((1, 2)), maps


class Padim(PyramidDetector):
    """A detector that gathers mean and covariance of the features at each position, batch by batch."""

    name = "padim"
    draws_maps = by_position = True
    Config = PadimConfig
    config: PadimConfig
    module: PadimScorer | None

    def choices(self, protocol: str) -> dict[str, Any]:
        return super().choices(protocol) | ({"dims": self.dims()} if self.config.dims is None else {})

    def dims(self) -> int:
        """Number of features that are kept."""
        return self.config.dims or DIMS.get(self.config.backbone, 550)

    def build_module(self, tensors: Mapping[str, Tensor]) -> PadimScorer:
        c = self.config
        empty = (torch.empty_like(tensors[name]) for name in ("mean", "factor"))
        return PadimScorer(PyramidBackbone(c.backbone, c.taken, RANDOM), tensors["kept"].clone(), *empty)

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        at_least_two(data.train)
        c = self.config
        backbone = PyramidBackbone(c.backbone, c.taken, c.backbone_weights).to(self.device)
        kept = self._draw(backbone, run.seed)
        gaussians = Gaussians()
        for batch in batches(data.train, self.device, "features"):
            gaussians.add(by_position(embedding(backbone, batch, kept.tolist())))
        self.module = PadimScorer(backbone, kept, gaussians.mean, gaussians.inverse_factor(EPSILON)).eval()
        return FITTED_ONCE

    def _draw(self, backbone: PyramidBackbone, seed: int) -> Tensor:
        c, blank = self.config, torch.zeros(1, self.config.image_size, self.config.image_size, 3)
        n_features = sum(found.shape[1] for found in backbone(blank.to(self.device)))
        if self.dims() > n_features:
            raise InputError(
                Option("dims", self.dims()), f": the layers of {c.backbone} have {n_features} features; choose fewer"
            )
        drawn = torch.randperm(n_features, generator=torch.Generator().manual_seed(seed))[: self.dims()]
        return drawn.sort().values.to(self.device)


@torch.no_grad()
def embedding(backbone: PyramidBackbone, images: Tensor, kept: Sequence[int]) -> Tensor:
    """uint8 (N, S, S, 3) -> (N, d, H, W): the kept features, coarse maps repeated on the finest grid (III-A).

    kept: indices, ascending. Other features are left out before the maps are enlarged, which saves most of the work.
    """
    levels, first = [], 0
    for found in backbone(images):
        last = first + found.shape[1]
        levels.append(found[:, [column - first for column in kept if first <= column < last]])
        first = last
    return concatenated(levels, "nearest")


def by_position(maps: Tensor) -> Tensor:
    """Maps (N, d, H, W) -> rows of each position (H W, N, d)."""
    return maps.flatten(2).permute(2, 0, 1)
