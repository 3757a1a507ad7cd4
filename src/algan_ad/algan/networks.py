"""Generator and discriminator of section 5.1.1, for images and for feature vectors. Discriminators give logits."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2  # of the LeakyReLU, as in DCGAN


def layer_widths(size: int, width: int, max_width: int) -> list[int]:
    """Channels after each halving from `size` down to 4: width, 2 width, 4 width ... up to max_width."""
    halvings = size.bit_length() - 3
    if size != 1 << (size.bit_length() - 1) or not 32 <= size <= 512:
        raise ValueError(f"image size {size}: expected a power of two from 32 to 512")
    return [min(width << i, max_width) for i in range(halvings)]


class ImageGenerator(nn.Module):
    """z (B, z_dim) -> image (B, 3, size, size) in [-1, 1]. Seven transposed convolutions at 256 x 256."""

    def __init__(self, size: int, z_dim: int, width: int, max_width: int) -> None:
        super().__init__()
        widths = layer_widths(size, width, max_width)[::-1]
        layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, widths[0], 4, 1, 0, bias=False)]
        for c_in, c_out in pairwise(widths):
            layers += [nn.BatchNorm2d(c_in), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(dcgan_init)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])  # type: ignore[no-any-return]


class ImageDiscriminator(nn.Module):
    """Image (B, 3, size, size) in [-1, 1] -> logit (B,). Spectral norm on every layer, no batch norm.

    `normalised=False` builds the same network without spectral norm: the twin that carries the effective
    weights at prediction time.
    """

    def __init__(self, size: int, width: int, max_width: int, normalised: bool = True) -> None:
        super().__init__()
        widths = [5, *layer_widths(size, width, max_width)]
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise(widths):
            layers += [nn.Conv2d(c_in, c_out, 4, 2, 1), nn.LeakyReLU(SLOPE, inplace=True)]
        layers += [nn.Conv2d(widths[-1], 1, 4, 1, 0)]
        self.layers = nn.Sequential(*layers)
        self.apply(dcgan_init)
        if normalised:
            normalise_spectrum(self)

    def forward(self, x: Tensor) -> Tensor:
        # 5.2.5: the image joined with its max- and average-pooling over channels   (B, 3, H, W) -> (B, 5, H, W)
        x = torch.cat([x, x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return self.layers(x).flatten()  # type: ignore[no-any-return]


class VectorGenerator(nn.Module):
    """z (B, z_dim) -> vector (B, dim). Three fully connected layers.

    Weights are drawn from torch's global random state, or with `drawn` from a generator, in the same way.
    """

    @classmethod
    def drawn(cls, dim: int, z_dim: int, hidden: int, generator: torch.Generator) -> Self:
        """A generator network with its initial weights drawn from `generator`."""
        with torch.device("meta"):  # without a draw
            network = cls(dim, z_dim, hidden)
        network.to_empty(device="cpu")
        for layer in network.layers:
            if isinstance(layer, nn.BatchNorm1d):
                layer.reset_parameters()
            elif isinstance(layer, nn.Linear):
                bound = layer.in_features**-0.5
                for parameter in layer.parameters():
                    nn.init.uniform_(parameter, -bound, bound, generator=generator)
        return network

    def __init__(self, dim: int, z_dim: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(z_dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, dim),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)  # type: ignore[no-any-return]


class VectorDiscriminator(nn.Module):
    """Vector (B, dim) -> logit (B,). Three fully connected layers with spectral norm.

    `joined`: the vector is joined with its mean magnitude, as images are with their pooled channels (5.2.5). The
    mean magnitude of a whitened vector measures its distance from the centre, which the layers can hardly compute
    under spectral norm (docs/experiments/vectors.md).
    """

    def __init__(self, dim: int, hidden: int, joined: bool = False, normalised: bool = True) -> None:
        super().__init__()
        self.joined = joined
        # Twice the norm of a Gaussian vector with this mean magnitude: E|x| = sqrt(2 / pi) sigma.
        self.magnitude = 2 * math.sqrt(math.pi / 2 * dim)
        self.layers = nn.Sequential(
            nn.Linear(dim + joined, hidden), nn.LeakyReLU(SLOPE, inplace=True),
            nn.Linear(hidden, hidden), nn.LeakyReLU(SLOPE, inplace=True),
            nn.Linear(hidden, 1),
        )  # fmt: skip
        if normalised:
            normalise_spectrum(self)

    def forward(self, x: Tensor) -> Tensor:
        if self.joined:
            x = torch.cat([x, self.magnitude * x.abs().mean(-1, keepdim=True)], -1)  # (B, dim + 1)
        return self.layers(x).flatten()  # type: ignore[no-any-return]


def dcgan_init(module: nn.Module) -> None:
    """Initialise convolutions from N(0, 0.02) and batch-norm scales from N(1, 0.02) (Radford et al., 2016)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


@contextmanager
def resting_statistics(network: nn.Module) -> Iterator[None]:
    """Keep batch norm's running statistics as they are while a network in train mode runs.

    Eval mode uses these statistics, and normal latents must act there with their own deviation. Statistics averaged
    over batches with anomalous latents would shrink both kinds: a deviation of 1 to about 0.6, sigma = 4 to about 2.4.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def normalise_spectrum(network: nn.Module) -> None:
    """Put spectral norm (Miyato et al., 2018) on every convolution and linear layer, including the last."""
    for layer in list(network.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)


@torch.no_grad()
def effective_weights(network: nn.Module) -> dict[str, Tensor]:
    """Weights that a discriminator acts with, spectral norm divided out; its twin without spectral norm loads them."""
    training = network.training
    network.eval()  # in train mode, looking at a weight would take a step of its power iteration
    weights = {
        f"{name}.{part}": getattr(layer, part).detach().clone()
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        for part in ("weight", "bias")
    }
    weights |= {  # of other modules
        name: parameter.detach().clone()
        for name, parameter in network.named_parameters()
        if name not in weights and ".parametrizations." not in name
    }
    network.train(training)
    return weights
