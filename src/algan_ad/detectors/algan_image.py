"""ALGAN-image: the generative adversarial pair on pixels; the discriminator is the detector (thesis 5.1.1)."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor, nn

from algan_ad.algan.networks import ImageDiscriminator, ImageGenerator, layer_widths
from algan_ad.data.augmentation import Augment
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.algan import N_OBSERVED, AlganAdversary, AlganConfig, make_algan
from algan_ad.detectors.base import RunOptions, TrainingData
from algan_ad.detectors.trained import TrainedDetector
from algan_ad.runtime.images import Preprocessing
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch

N_EXAMPLES = 16  # generated images kept for people to look at


class AlganImageConfig(AlganConfig):
    """ALGAN-image; every default is the thesis's (5.1.1, 5.3)."""

    image_size: int = Field(256, description="side of the images, a power of two from 32 to 512")
    width: int = Field(64, ge=1, le=512, description="channels after the first layer, doubling with depth")
    max_width: int = Field(512, ge=1, le=4096, description="the most channels of any layer")

    @field_validator("image_size")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        layer_widths(size, 1, 1)
        return size


class ImageScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): minus the logit of D, the raw output of Fig. 5.4."""

    def __init__(self, discriminator: ImageDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        return -self.discriminator(to_range(images))  # type: ignore[no-any-return]


def to_range(images: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [-1, 1], the range of the generator's tanh."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(x: Tensor) -> NDArray[np.uint8]:
    """float (N, 3, H, W) in [-1, 1] -> uint8 (N, H, W, 3)."""
    scaled = ((x.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).cpu().numpy()


class AlganImage(TrainedDetector):
    name = "algan-image"
    family = "ALGAN"
    Config = AlganImageConfig
    input = "image"
    default_selection = "cut-paste"  # measured: docs/experiments/selection.md
    generates_images = True
    config: AlganImageConfig

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_images(self.config.image_size)

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        c = self.config
        return ImageScorer(ImageDiscriminator(c.image_size, c.width, c.max_width, normalised=False))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        seed_torch(run.seed, "networks")
        layout = torch.channels_last  # measured faster than the default with and without bfloat16, benchmarks/
        G = ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width).to(memory_format=layout)
        D = ImageDiscriminator(c.image_size, c.width, c.max_width).to(memory_format=layout)
        algan = make_algan(c, G, D, len(data.train), self.device)
        augment = Augment(data.recipe)

        def fetch(indices: Tensor) -> Tensor:
            batch = torch.from_numpy(data.train[indices.numpy()]).to(self.device)
            varied: Tensor = augment(to_range(batch))
            return varied.contiguous(memory_format=layout)

        held_out = None
        if data.held_out is not None and len(data.held_out):
            held_out = to_range(torch.from_numpy(data.held_out[np.arange(min(N_OBSERVED, len(data.held_out)))]))
            held_out = held_out.to(self.device)
        adversary = AlganAdversary(algan, held_out, run.quality)
        trained = self.run_loop(adversary, fetch, data, run)
        seed_torch(run.seed, "examples")
        self.examples = {kind: to_pixels(x) for kind, x in algan.pseudo_samples(N_EXAMPLES).items()}
        return trained
