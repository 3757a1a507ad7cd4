"""Pixels that do not count: a fourth channel of the images, 255 where a pixel counts and 0 where it does not."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from algan_ad.features.maps import Mode, anomaly_map, concatenated

COLOURS = 3
SHARE = 0.5  # of a position's pixels that must count for the position to count


def counted(images: Tensor, grid: Sequence[int]) -> Tensor | None:
    """Positions that count, bool (N, H, W), of images uint8 (N, S, S, C) on a grid (H, W); None = all.

    Of a picture or region so small that no position has its share, the fullest ones count.
    """
    if images.shape[-1] == COLOURS:
        return None
    share = adaptive_avg_pool2d(images[..., COLOURS].float()[:, None] / 255, (grid[0], grid[1]))[:, 0]
    return (share >= share.amax((1, 2), keepdim=True).clamp(max=SHARE)) & (share > 0)


def on_finest_grid(levels: Sequence[Tensor], images: Tensor) -> Tensor:
    """Levels (N, H_l, W_l), joined to (N, L, H, W) on the finest grid; only positions that count weigh in between."""
    joined = _joined(levels)
    weights = [mark.to(joined) for level in levels if (mark := counted(images, level.shape[1:])) is not None]
    if not weights:
        return joined
    share, total = _joined(weights), _joined([level * weight for level, weight in zip(levels, weights, strict=True)])
    return torch.where(share > 0, total / share.clamp_min(torch.finfo(share.dtype).tiny), joined)


def _joined(levels: Sequence[Tensor]) -> Tensor:
    return concatenated([level[:, None] for level in levels], "bilinear")


def averaged(found: Tensor, counts: Tensor | None) -> Tensor:
    """Each position of (N, H, W) averaged with its neighbours, 3 x 3, of those that count; -inf where one does not."""
    if counts is None:
        return avg_pool2d(found[:, None], 3, 1, padding=1, count_include_pad=False)[:, 0]
    total, share = (avg_pool2d(each[:, None], 3, 1, padding=1)[:, 0] for each in (found * counts, counts.float()))
    return (total / share).where(counts, -torch.inf)


def marked_map(found: Tensor, images: Tensor, counts: Tensor | None, mode: Mode = "bilinear") -> Tensor:
    """`anomaly_map` of the positions (N, H, W) of images (N, S, S, C). What does not count has the lowest value."""
    size = images.shape[1:3]
    if counts is None:
        return anomaly_map(found, size, mode)
    lowest = found.where(counts, torch.inf).amin((1, 2), keepdim=True).nan_to_num(posinf=0)
    maps = anomaly_map(found.where(counts, lowest), size, mode)
    return maps.where(images[..., COLOURS] > 0, maps.amin((1, 2), keepdim=True))
