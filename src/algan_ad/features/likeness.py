"""Good images beside each other: do their parts lie alike, and is a varied copy still like the others?"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from algan_ad.features.backbones import PyramidBackbone
from algan_ad.features.packaged import PACKAGED

BACKBONE, LAYER = next(iter(PACKAGED)), "blocks.2"
SIDE = 160  # of the images that are compared; the layer's stride is 8
AT_ONCE = 8  # images, which bounds the memory
BORDER = 2  # positions left out on each side: there the padding shows, in every image alike


@torch.no_grad()
def positions(images: Tensor) -> Tensor:
    """uint8 (N, S, S, 3) -> features at 16 x 16 inner positions, float32 (N, 16, 16, d), of the packaged network.

    Raises MissingExtra where its weights are not installed.
    """
    backbone, inner = PyramidBackbone(BACKBONE, (LAYER,)), slice(BORDER, -BORDER)
    found = []
    for some in images.split(AT_ONCE):
        x = interpolate(some.permute(0, 3, 1, 2).float(), (SIDE, SIDE), mode="bilinear", antialias=True)
        found.append(backbone(x.permute(0, 2, 3, 1))[0].permute(0, 2, 3, 1)[:, inner, inner])
    return torch.cat(found)


def alignment(maps: Tensor) -> float:
    """How much nearer two images are at the same position than at two positions, for maps (N, H, W, d), N >= 2.

    1 - a / b of the mean distances a, at the same position, and b, at positions drawn at random: about 0 for textures
    and for parts that lie anywhere, towards 1 for parts that lie alike.
    """
    ours = maps.flatten(1, 2)
    theirs = ours.roll(1, 0)
    order = torch.randperm(ours.shape[1], generator=torch.Generator().manual_seed(0))
    apart = (ours - theirs[:, order]).norm(dim=2).mean()
    return float(1 - (ours - theirs).norm(dim=2).mean() / apart) if apart > 0 else 0.0


def oddness(queries: Tensor, maps: Tensor, aligned: bool) -> Tensor:
    """How unlike the other images the query made of each is: (N, H, W, d), twice, -> (N,), N >= 2.

    The largest distance of a position of query i to the nearest in the maps of all images but i; where the parts are
    aligned, at the same position.
    """
    n = len(maps)
    ours, theirs = queries.flatten(1, 2), maps.flatten(1, 2)  # (N, P, d)
    if aligned:
        distances = torch.cdist(ours.transpose(0, 1), theirs.transpose(0, 1))  # (P, N, N)
        distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
        return distances.amin(2).amax(0)
    others = [torch.cat([theirs[:i], theirs[i + 1 :]]).flatten(0, 1) for i in range(n)]
    return torch.stack([torch.cdist(each, rest).amin(1).amax() for each, rest in zip(ours, others, strict=True)])


def nearly_copies(images: Tensor) -> int:
    """The number of images, uint8 (N, S, S, 3), that are far nearer to another one than two images are to each other.

    Their grey values at 32 x 32 differ by less than a fifth of the median difference of two images (root mean square).
    """
    if len(images) < 3:
        return 0
    grey = (some.float().mean(3)[:, None] for some in images.split(AT_ONCE))
    rows = torch.cat([interpolate(some, (32, 32), mode="bilinear", antialias=True).flatten(1) for some in grey])
    distances = torch.cdist(rows, rows)
    pairs = distances[tuple(torch.triu_indices(len(rows), len(rows), 1))]
    distances.fill_diagonal_(torch.inf)
    return int((distances.amin(1) < pairs.median() / 5).sum())
