"""A discriminator of patches that covers the rare ones: `mixture.py` on several levels of a network. Ours."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from algan_ad.algan.mixture import OUTSIDE, SHARPNESS, SPREAD, squared_distances

BLOCK = 256  # prototypes that are compared at once: what they give stays in the processor's cache


class Prototypes(nn.Module):
    """Nearness (...) of patches of one level (..., d): max_i(b_i - |x - p_i|^2 / s_i^2).

    The maximum is the limit of a mixture's log-sum-exp as that gets sharp: in many dimensions the nearest prototype
    outweighs the others anyway. Written out, it is a linear layer on (x, |x|^2), a 1 x 1 convolution of the map, and
    a maximum over its channels.
    """

    prototypes: Tensor
    precision: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(size, dim))
        self.register_buffer("precision", torch.ones(size))  # 1 / s_i^2
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        p, w = self.prototypes, self.precision
        weight = torch.cat([2 * w[:, None] * p, -w[:, None]], 1)  # (K, d + 1)
        with_square = torch.cat([x, x.square().sum(-1, keepdim=True)], -1)
        blocks = zip(weight.split(BLOCK), (self.bias - w * p.square().sum(1)).split(BLOCK), strict=True)
        return torch.stack([linear(with_square, *block).amax(-1) for block in blocks]).amax(0)


class PatchDiscriminator(nn.Module):
    """Patches (B, sum of d_l), the levels side by side -> logit (B,): SHARPNESS (level + sum of the nearnesses).

    A pair of patches is normal if each is normal on its own level: K prototypes per level stand for K^2 pairs, like
    the product of two mixtures.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        """sizes: prototypes and features (K_l, d_l) of each level."""
        super().__init__()
        self.levels = nn.ModuleList(Prototypes(*size) for size in sizes)
        self.dims = [dim for _, dim in sizes]
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.dims, 1)
        return self.logit([near(part) for near, part in zip(self.levels, parts, strict=True)])

    def logit(self, nearness: Sequence[Tensor]) -> Tensor:
        """The logit from the nearness on each level, (...) each."""
        return SHARPNESS * (self.level + torch.stack(list(nearness)).sum(0))


@torch.no_grad()
def place_patches(prototypes: Sequence[Tensor], rows: Tensor) -> tuple[PatchDiscriminator, float]:
    """An untrained discriminator, and the radius of its prototypes: the unit of length around the data.

    prototypes: (K_l, d_l) of each level. rows: normal patches (n, sum of d_l).

    The radius squared is the sum over the levels of the median squared distance of a prototype to its nearest. The
    widths s_i grow with a prototype's own such distance, or with a power of it if these differ much, as in
    `mixture.place`; the level leaves one row in twenty outside, as there.
    """
    D = PatchDiscriminator([(len(p), p.shape[1]) for p in prototypes]).to(rows)
    scales = [_to_nearest(p) for p in prototypes]
    square = float(sum(scale.median() for scale in scales))
    for near, p, scale in zip(D.levels, prototypes, scales, strict=True):
        assert isinstance(near, Prototypes)
        relative = (scale / scale.median()).log()
        own = SPREAD / max(float(relative.std(correction=0)), SPREAD)
        near.prototypes.copy_(p)
        near.precision.copy_((-own * relative).exp() / square)
    D.level.copy_(-D(rows).quantile(OUTSIDE) / SHARPNESS)
    return D, square**0.5


def _to_nearest(prototypes: Tensor) -> Tensor:
    """Squared distance of each of (K, d) to the nearest other, (K,); 1 if there is none elsewhere."""
    between = squared_distances(prototypes, prototypes).fill_diagonal_(torch.inf)
    nearest = between.where(between > 0, torch.inf).amin(1)
    return nearest.where(nearest.isfinite(), 1.0)
