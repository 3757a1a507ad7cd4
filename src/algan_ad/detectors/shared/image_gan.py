"""A GAN on pixels: its sizes, its batches, and its new networks.

All networks are DCGAN-like and of one size (thesis 5.1.1), so that a comparison compares the methods.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from algan_ad.algan.networks import layer_widths
from algan_ad.data.augmentation import Augment
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import TrainingData
from algan_ad.detectors.shared.pixels import LAYOUT, place, to_range
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector, TrainingConfig
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.schema import Schema
from algan_ad.training.loop import Fetch
from algan_ad.training.seeding import seed_torch
from algan_ad.training.selection import Selection

Networks = TypeVar("Networks", bound=tuple[nn.Module, ...])


class ImageSize(Schema):
    """The sizes of the DCGAN-like networks (5.1.1)."""

    image_size: int = Field(256, description="side of the images, a power of two from 32 to 512")
    width: int = Field(64, ge=1, le=512, description="channels after the first layer, doubling with depth")
    max_width: int = Field(512, ge=1, le=4096, description="largest number of channels of a layer")

    @field_validator("image_size")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        layer_widths(size, 1, 1)
        return size


class ImageGanConfig(ImageSize, TrainingConfig):
    """Settings that the rivals trained on images have in common."""


class ImageGan(TrainedDetector):
    """A GAN on pixels, augmented as the recipe says."""

    input = "image"
    default_selection: ClassVar[Selection] = "cut-paste"  # measured: docs/experiments/selection.md
    config: Any  # an ImageSize and a TrainingConfig

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_images(self.config.image_size)

    def fetcher(self, data: TrainingData) -> Fetch:
        """A function from indices (B,) to augmented images (B, 3, S, S) in [-1, 1], on the device."""
        augment = Augment(data.recipe)
        at_once = self.device.type == "cuda"  # which copies a batch without waiting for the work that it has

        def fetch(indices: Tensor) -> Tensor:
            batch = torch.from_numpy(data.train[indices.numpy()]).to(self.device, non_blocking=at_once)
            varied: Tensor = augment(to_range(batch))
            return varied.contiguous(memory_format=LAYOUT)

        return fetch

    def fresh(self, networks: Callable[[], Networks], seed: int) -> Networks:
        """New networks on the device, with weights drawn from the seed of the run."""
        seed_torch(seed, "networks")
        made = networks()
        place(made, self.device)
        return made
