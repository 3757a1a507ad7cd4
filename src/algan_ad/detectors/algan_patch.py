"""ALGAN-patch: ALGAN on the patches of a frozen network; one pass gives the score and the map."""

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor

from algan_ad.detectors.shared.algan_on_patches import AlganOnPatches, OnPatchesConfig
from algan_ad.detectors.shared.feature_pass import PyramidConfig
from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.runtime.predictor import Rows


class AlganPatchConfig(OnPatchesConfig, PyramidConfig):
    """ALGAN-patch. The defaults were chosen on good data and made-up defects (docs/experiments/algan-patch.md)."""

    backbone: str = Field("tf_efficientnet_lite0", description="frozen network, by its torchvision or timm name")
    layers: tuple[str, ...] = Field(
        ("blocks.2", "blocks.4"), min_length=1, description="layers that its features are taken from"
    )


class AlganPatch(AlganOnPatches):
    name = "algan-patch"
    Config = AlganPatchConfig
    config: AlganPatchConfig

    @property
    def n_levels(self) -> int:
        return len(self.config.layers)

    def network(self, images: Rows) -> PyramidBackbone:
        c = self.config
        return PyramidBackbone(c.backbone, c.layers, c.backbone_weights)

    def empty_network(self, tensors: Mapping[str, Tensor]) -> PyramidBackbone:
        return PyramidBackbone(self.config.backbone, self.config.layers, RANDOM)
