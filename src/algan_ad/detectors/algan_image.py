"""ALGAN-image: a generator and a discriminator on pixels; the discriminator is the detector (thesis 5.1.1)."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from algan_ad.algan.networks import ImageDiscriminator, ImageGenerator
from algan_ad.detectors.shared.algan_adversary import N_OBSERVED, AlganAdversary, AlganConfig, make_algan
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.image_gan import ImageGan, ImageSize
from algan_ad.detectors.shared.pixels import LAYOUT, to_pixels, to_range
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch
from algan_ad.training.selection import Selection

N_EXAMPLES = 16  # generated images kept for people to look at


class AlganImageConfig(ImageSize, AlganConfig):
    """ALGAN-image; every default is the thesis's (5.1.1, 5.3)."""


class ImageScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): minus the logit of D, the raw output of Fig. 5.4."""

    def __init__(self, discriminator: ImageDiscriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        return -self.discriminator(to_range(images))  # type: ignore[no-any-return]


class ExportedScorer(nn.Module):
    """The scores of an `ImageScorer` by operations that runtimes without torch are quick at.

    The mean over the channels is a weighted sum: its weights in the first layer are added to those of the channels. The
    maximum compares two channels at a time, because a reduction takes a runtime far longer.
    """

    def __init__(self, discriminator: ImageDiscriminator) -> None:
        super().__init__()
        self.layers = copy.deepcopy(discriminator.layers)
        first: Any = self.layers[0]
        weight = first.weight.detach()  # (width, 5, 4, 4): three channels, their maximum, their mean
        first.weight = nn.Parameter(torch.cat([weight[:, :3] + weight[:, 4:] / 3, weight[:, 3:4]], 1))

    def forward(self, images: Tensor) -> Tensor:
        x = to_range(images)
        red, green, blue = x.split(1, 1)
        largest = torch.maximum(torch.maximum(red, green), blue)
        return -self.layers(torch.cat([x, largest], 1)).flatten()  # type: ignore[no-any-return]


class AlganImage(ImageGan):
    name = "algan-image"
    Config = AlganImageConfig
    generates_images = True
    default_selection: ClassVar[Selection] = "made-up"  # measured: docs/experiments/selection.md
    config: AlganImageConfig

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        c = self.config
        return ImageScorer(ImageDiscriminator(c.image_size, c.width, c.max_width, normalised=False))

    def exported_module(self) -> nn.Module:
        module = super().exported_module()
        assert isinstance(module, ImageScorer)
        return ExportedScorer(module.discriminator).eval()

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        seed_torch(run.seed, "networks")
        G = ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width).to(memory_format=LAYOUT)
        D = ImageDiscriminator(c.image_size, c.width, c.max_width).to(memory_format=LAYOUT)
        algan = make_algan(c, G, D, len(data.train), self.device)
        held_out = None
        if data.held_out is not None and len(data.held_out):
            held_out = to_range(torch.from_numpy(data.held_out[np.arange(min(N_OBSERVED, len(data.held_out)))]))
            held_out = held_out.to(self.device)
        adversary = AlganAdversary(algan, held_out, run.quality)
        trained = self.run_loop(adversary, self.fetcher(data), data, run)
        seed_torch(run.seed, "examples")
        self.examples = {kind: to_pixels(x) for kind, x in algan.pseudo_samples(N_EXAMPLES).items()}
        return trained
