"""Feature maps as patches that know their neighbourhood (Roth et al., 2022, section 3.1)."""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, avg_pool2d

from algan_ad.features.maps import concatenated

Pyramid = Callable[[Tensor], Sequence[Tensor]]  # images uint8 (N, S, S, C) -> maps (N, C_l, H_l, W_l) of the levels


def levels(backbone: Pyramid, images: Tensor) -> list[Tensor]:
    """Maps of the levels (N, C_l, H_l, W_l) of images uint8 (N, S, S, 3), averaged over 3 x 3, zeros around."""
    return [avg_pool2d(level, 3, stride=1, padding=1) for level in backbone(images)]


def patches(backbone: Pyramid, images: Tensor, dim: int) -> Tensor:
    """Locally aware patch features (N, H, W, d), d at most `dim`, of images uint8 (N, S, S, 3) (3.1).

    The levels are brought to the finest grid, and joined; if that gives more than `dim` features, neighbouring ones are
    averaged.
    """
    joined = concatenated(levels(backbone, images), "bilinear").permute(0, 2, 3, 1)
    if joined.shape[3] <= dim:
        return joined.contiguous()
    return adaptive_avg_pool1d(joined.flatten(0, 2)[:, None], dim).reshape(*joined.shape[:3], dim)
