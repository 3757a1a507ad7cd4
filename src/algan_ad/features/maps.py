"""Feature maps put on one grid, and anomaly maps of the size of the image."""

from collections.abc import Sequence
from typing import Literal

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import interpolate

SIGMA = 4.0  # pixels: SPADE 4.1, PaDiM IV-B, PatchCore 4.1
Mode = Literal["nearest", "bilinear", "bicubic"]


def concatenated(maps: Sequence[Tensor], mode: Mode) -> Tensor:
    """Maps (N, C_l, H_l, W_l), some C_l may be 0, joined to (N, sum of C_l, H, W) on the finest of their grids."""
    size = max((tuple(found.shape[2:]) for found in maps), key=lambda side: side[0])
    return torch.cat([_resized(found, size, mode) for found in maps if found.shape[1]], 1)


def anomaly_map(distances: Tensor, size: Sequence[int], mode: Mode = "bilinear") -> Tensor:
    """Maps (N, *size) of distances at the positions (N, h, w), smoothed by a Gaussian of SIGMA pixels."""
    enlarged = _resized(distances[:, None], (size[0], size[1]), mode)
    width = 2 * int(4 * SIGMA) + 1  # cut off at four standard deviations
    smoothed: Tensor = gaussian_blur2d(enlarged, (width, width), (SIGMA, SIGMA), border_type="reflect")
    return smoothed[:, 0]


def _resized(maps: Tensor, size: tuple[int, ...], mode: Mode) -> Tensor:
    if tuple(maps.shape[2:]) == size:
        return maps
    return interpolate(maps, size, mode=mode, align_corners=None if mode == "nearest" else False)
