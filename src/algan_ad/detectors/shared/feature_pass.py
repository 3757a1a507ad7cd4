"""One pass of training images through a frozen network, and its settings, for the methods on pre-trained features."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import Detector
from algan_ad.features.backbones import Backbone
from algan_ad.features.packaged import LITE0
from algan_ad.features.rotations import Rotations
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Rows
from algan_ad.runtime.progress import track
from algan_ad.runtime.schema import Schema
from algan_ad.training.device import DeviceName

CHUNK = 32  # images that go through the network at once


class BackboneConfig(Schema):
    """A pre-trained network: its name and its weights."""

    backbone: str = Field(LITE0, description="frozen network, by its torchvision or timm name")
    backbone_weights: Path | None = Field(
        None,
        description="local weights file; None = weights that install with the package (tf_efficientnet_lite0), else a "
        "download; 'random' = random weights, for tests",
    )
    image_size: int = Field(224, ge=32, le=1024, description="side of the images")


class PooledConfig(BackboneConfig):
    """A pre-trained network, with one of its layers averaged over positions."""

    layer: str | None = Field(None, description="layer that its features are taken from; None = its last block")


class OptionalBackbone(PooledConfig):
    """Settings of a method that takes vectors, or images through a frozen network."""

    backbone: str | None = Field(  # type: ignore[assignment]
        None, description="take images, as features of this torchvision or timm network"
    )

    @model_validator(mode="after")
    def _needs_backbone(self) -> "OptionalBackbone":
        if self.backbone is None and (self.layer or self.backbone_weights):
            raise InputError(
                Option("layer"),
                " and ",
                Option("backbone_weights"),
                " are for images: name the network with ",
                Option("backbone"),
            )
        return self


class PyramidConfig(BackboneConfig):
    """A pre-trained network, with several of its layers as maps.

    Attributes:
        of_lite0: the layers that are taken from the network that installs with the package.
        of_paper: those that the method's paper takes from its network.
    """

    of_lite0: ClassVar[tuple[str, ...]] = ("blocks.2", "blocks.4")  # of strides 8 and 16
    of_paper: ClassVar[tuple[str, ...]] = ("layer1", "layer2", "layer3")

    layers: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="layers that its features are taken from; None = by the network: those of strides 8 and 16, "
        "blocks.2 and blocks.4, of tf_efficientnet_lite0, those of the paper of another one",
    )

    @property
    def taken(self) -> tuple[str, ...]:
        """The layers, whoever names them."""
        return self.layers or (self.of_lite0 if self.backbone == LITE0 else self.of_paper)

    def choices(self) -> dict[str, Any]:
        """The layers, if the network decides; `Detector.choices`."""
        return {} if self.layers else {"layers": self.taken}


class VectorDetector(Detector):
    """A detector of vectors, or of images as features of the network that its settings name."""

    input: Literal["image", "vector"] = "vector"  # of the class: an instance with a network takes images
    config: OptionalBackbone

    def __init__(self, config: Schema, device: DeviceName = "auto") -> None:
        super().__init__(config, device)
        if self.config.backbone is not None:
            self.input = "image"

    def preprocessing(self, recipe: Recipe) -> Preprocessing | None:
        return None if self.config.backbone is None else recipe.for_features(self.config.image_size)

    def network(self, weights: Path | None) -> Backbone | None:
        """The network that the settings name, on the device, with these weights; None for vectors."""
        c = self.config
        return None if c.backbone is None else Backbone(c.backbone, c.layer, weights).to(self.device)

    def rows(self, network: Backbone | None, samples: Rows) -> Tensor:
        """Vectors as they are, or the features of images: float32 (N, d) on the CPU."""
        if network is None:
            return torch.tensor(np.asarray(samples[:]), dtype=torch.float32)
        return collect(network, samples, self.device, "features")


class PyramidDetector(Detector):
    """A detector fitted in one pass over the images, without augmentation."""

    input = "image"
    config: PyramidConfig

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_features(self.config.image_size)

    def choices(self, protocol: str) -> dict[str, Any]:
        return self.config.choices()


def batches(images: Rows, device: torch.device, label: str, size: int = CHUNK) -> Iterator[Tensor]:
    """Images uint8 (N, S, S, 3), `size` of them at a time, on the device, with a progress bar."""
    for start in track(range(0, len(images), size), label):
        yield torch.from_numpy(images[np.arange(start, min(start + size, len(images)))]).to(device)


@torch.no_grad()
def collect(
    features: Callable[[Tensor], Tensor], images: Rows, device: torch.device, label: str, size: int = CHUNK
) -> Tensor:
    """Results of `features` for images uint8 (N, S, S, 3): float32 (N, ...) on the CPU, never held twice."""
    found, done = torch.empty(0), 0
    for batch in batches(images, device, label, size):
        part = features(batch)
        if not done:
            found = torch.empty(len(images), *part.shape[1:])
        found[done : done + len(part)] = part
        done += len(part)
    return found


def extract(backbone: Backbone, images: Rows, rotations: int, device: torch.device, label: str) -> Tensor:
    """uint8 images (N, S, S, 3) -> features on the CPU, float32 (N, rotations, d)."""
    rotate = Rotations(rotations).to(device)

    def rotated(batch: Tensor) -> Tensor:
        return backbone(rotate(batch)).reshape(len(batch), rotate.count, -1)  # type: ignore[no-any-return]

    return collect(rotated, images, device, label, max(1, CHUNK // rotate.count))


def at_least_two(images: Rows) -> None:
    """Raise InputError for fewer than two images, because a covariance needs two."""
    if len(images) < 2:
        raise InputError(f"{len(images)} training image: the covariance of the features needs two or more")
