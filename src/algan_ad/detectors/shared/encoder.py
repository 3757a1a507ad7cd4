"""The encoder of the rivals on images, which is also their discriminator."""

from itertools import pairwise

from torch import Tensor, nn

from algan_ad.algan.networks import SLOPE, dcgan_init, layer_widths


class Encoder(nn.Module):
    """Image (B, 3, S, S) -> code (B, out): the mirror of `algan.networks.ImageGenerator`, with batch norm.

    `features` gives the last activations before the code, (B, C, 4, 4). With out=1 it is the discriminator of DCGAN.
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
