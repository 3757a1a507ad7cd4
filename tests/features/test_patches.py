import torch
from torch.nn.functional import avg_pool2d

from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.features.patches import levels, patches


def test_patches_are_the_levels_on_the_finest_grid() -> None:
    backbone = PyramidBackbone("squeezenet1_1", ["features.3", "features.6"], RANDOM)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    fine, coarse = levels(backbone, images)
    torch.testing.assert_close(fine, avg_pool2d(backbone(images)[0], 3, stride=1, padding=1))
    joined = patches(backbone, images, dim=1024)
    torch.testing.assert_close(joined[..., : fine.shape[1]], fine.permute(0, 2, 3, 1))
    assert joined.shape[3] == fine.shape[1] + coarse.shape[1]
