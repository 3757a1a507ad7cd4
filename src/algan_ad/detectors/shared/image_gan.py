"""What the GAN methods on pixels share: sizes, the range of the networks, batches, and the state of a run.

All of them are DCGAN-like and of one size (thesis 5.1.1), so that a comparison compares the methods.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import softplus

from algan_ad.algan.networks import SLOPE, dcgan_init, layer_widths
from algan_ad.data.augmentation import Augment
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import TrainingData
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector, TrainingConfig
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.schema import Schema
from algan_ad.training.loop import Fetch
from algan_ad.training.seeding import seed_torch
from algan_ad.training.selection import Selection

# Measured faster than the default with and without bfloat16: benchmarks/
LAYOUT = torch.channels_last

Networks = TypeVar("Networks", bound=tuple[nn.Module, ...])


class ImageSize(Schema):
    """The sizes of the DCGAN-like networks (5.1.1)."""

    image_size: int = Field(256, description="side of the images, a power of two from 32 to 512")
    width: int = Field(64, ge=1, le=512, description="channels after the first layer, doubling with depth")
    max_width: int = Field(512, ge=1, le=4096, description="the most channels of any layer")

    @field_validator("image_size")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        layer_widths(size, 1, 1)
        return size


class ImageGanConfig(ImageSize, TrainingConfig):
    """What the rivals trained on images have in common."""


class ImageGan(TrainedDetector):
    """A GAN on pixels, augmented as the recipe says."""

    input = "image"
    default_selection: ClassVar[Selection] = "cut-paste"  # measured: docs/experiments/selection.md
    config: Any  # an ImageSize and a TrainingConfig

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_images(self.config.image_size)

    def fetcher(self, data: TrainingData) -> Fetch:
        """indices (B,) -> augmented images (B, 3, S, S) in [-1, 1], on the device."""
        augment = Augment(data.recipe)

        def fetch(indices: Tensor) -> Tensor:
            batch = torch.from_numpy(data.train[indices.numpy()]).to(self.device)
            varied: Tensor = augment(to_range(batch))
            return varied.contiguous(memory_format=LAYOUT)

        return fetch

    def fresh(self, networks: Callable[[], Networks], seed: int) -> Networks:
        """The networks, their weights drawn by the seed of the run, on the device."""
        seed_torch(seed, "networks")
        made = networks()
        place(made, self.device)
        return made


class GanAdversary:
    """The parts of the loop's interface that are the same in every rival: state, and nothing to observe.

    parts: networks and optimisers by name, on their device. scoring: names of the networks that score; their
    state, prefixed with their name, is what the scoring module loads.
    """

    def __init__(self, parts: Mapping[str, nn.Module | torch.optim.Optimizer], scoring: tuple[str, ...]) -> None:
        self.parts, self.scoring = dict(parts), scoring

    def begin_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    def observe(self) -> dict[str, float]:
        return {}

    def scoring_weights(self) -> dict[str, Tensor]:
        return {
            f"{name}.{key}": value.detach().clone()
            for name in self.scoring
            for key, value in self.parts[name].state_dict().items()
        }

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def gan_loss(real: Tensor, fake: Tensor) -> Tensor:
    """What a discriminator minimises, -E[log D(x)] - E[log(1 - D(G(x)))], from logits (B,)."""
    return softplus(-real).mean() + softplus(fake).mean()


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step, with gradients for the parameters of this optimiser alone."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward(inputs=[p for group in optimiser.param_groups for p in group["params"]])
    optimiser.step()


class Encoder(nn.Module):
    """Image (B, 3, S, S) -> code (B, out): the mirror of `algan.networks.ImageGenerator`, with batch norm.

    `features` gives the last activations before the code, (B, C, 4, 4). With out=1 it is DCGAN's discriminator.
    """

    def __init__(self, size: int, width: int, max_width: int, out: int) -> None:
        super().__init__()
        widths = layer_widths(size, width, max_width)
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
        for c_in, c_out in pairwise(widths):
            layers += [nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(c_out)]
            layers += [nn.LeakyReLU(SLOPE, inplace=True)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(widths[-1], out, 4, 1, 0)
        self.apply(dcgan_init)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)).flatten(1)  # type: ignore[no-any-return]


def place(networks: Iterable[nn.Module], device: torch.device) -> None:
    """Bring networks to the device, in the layout that batches have."""
    for network in networks:
        network.to(device, memory_format=LAYOUT)  # type: ignore[call-overload]


def to_range(images: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [-1, 1], the range of the generator's tanh."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def residual_map(x: Tensor, reconstructed: Tensor) -> Tensor:
    """Images (N, 3, S, S) in [-1, 1] and what a method makes of them -> |difference|, mean over channels, (N, S, S)."""
    return (x - reconstructed).abs().mean(1)


def to_pixels(x: Tensor) -> NDArray[np.uint8]:
    """float (N, 3, H, W) in [-1, 1] -> uint8 (N, H, W, 3)."""
    scaled = ((x.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).cpu().numpy()
