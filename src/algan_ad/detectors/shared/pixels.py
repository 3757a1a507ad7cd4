"""Conversion of images to the range of the networks and back, and the memory layout of both."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# Measured to be faster than the default, with and without bfloat16.
LAYOUT = torch.channels_last


def place(networks: Iterable[nn.Module], device: torch.device) -> None:
    """Move networks to the device, in the layout that batches have."""
    for network in networks:
        network.to(device, memory_format=LAYOUT)  # type: ignore[call-overload]


def to_range(images: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [-1, 1], the range of the generator's tanh."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def residual_map(x: Tensor, reconstructed: Tensor) -> Tensor:
    """Maps (N, S, S) of |x - reconstructed|, averaged over channels; both are (N, 3, S, S) in [-1, 1]."""
    return (x - reconstructed).abs().mean(1)


def to_pixels(x: Tensor) -> NDArray[np.uint8]:
    """float (N, 3, H, W) in [-1, 1] -> uint8 (N, H, W, 3)."""
    scaled = ((x.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).cpu().numpy()
