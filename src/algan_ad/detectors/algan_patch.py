"""ALGAN-patch: ALGAN on the patches of a frozen network; one pass gives the score and the map."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from algan_ad.detectors.shared.algan_on_patches import AlganOnPatches, OnPatchesConfig
from algan_ad.detectors.shared.feature_pass import PyramidConfig
from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.runtime.predictor import Rows


class AlganPatchConfig(OnPatchesConfig, PyramidConfig):
    """ALGAN-patch. The defaults were chosen on good data and made-up defects (docs/experiments/algan-patch.md)."""

    of_paper: ClassVar[tuple[str, ...]] = ("layer2", "layer3")  # as PatchCore's


class AlganPatch(AlganOnPatches):
    name = "algan-patch"
    Config = AlganPatchConfig
    config: AlganPatchConfig

    @property
    def n_levels(self) -> int:
        return len(self.config.taken)

    def choices(self, protocol: str) -> dict[str, Any]:
        return super().choices(protocol) | self.config.choices()

    def network(self, images: Rows) -> PyramidBackbone:
        c = self.config
        return PyramidBackbone(c.backbone, c.taken, c.backbone_weights)

    def empty_network(self, tensors: Mapping[str, Tensor]) -> PyramidBackbone:
        return PyramidBackbone(self.config.backbone, self.config.taken, RANDOM)
