"""A fixed network of wavelets, which needs no training: the scattering transform (Bruna and Mallat, 2013)."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from algan_ad.features.marks import COLOURS, counted
from algan_ad.runtime.predictor import Rows

SCALES = 4  # at sides halved so often: 1, 2, 4 and 8 pixels a step
ANGLES = 8
SIDE, FREQUENCY, WIDTH, SLANT = 7, 0.6 * math.pi, 1.3, 0.5  # of a wavelet, in steps of its scale
GREY = 1e-3  # of the range of the pixels, a quarter of a grey level: less is as good as nothing
RATIO = 0.03  # of second-order coefficients to the first-order one, likewise
PAIRS = SCALES * (SCALES - 1) // 2
N_FEATURES = COLOURS + SCALES * ANGLES + PAIRS * ANGLES**2
SEEN = 64  # images that the principal axes are estimated from
CHUNK = 8  # of these at once


class WaveletNetwork(nn.Module):
    """Images uint8 (N, H, W, C) -> one map of features, float32 (N, d, H / 8, W / 8), as a network with one level.

    First order: the modulus of Morlet wavelets, at four scales and eight angles, which shows edges and lines. Second
    order: the same of each such modulus at the coarser scales, divided by the first, which shows how edges vary:
    texture. Both are averaged to steps of eight pixels, and their logarithms taken, so that contrasts of faint and
    of strong textures count alike. With the local mean of brightness and of two opponent colours these are 419
    features, of which the d principal axes of the standardised ones are kept.

    filters: (A, 2, s, s), real and imaginary parts. mean: (419,). axes: (419, d).
    """

    filters: Tensor
    mean: Tensor
    axes: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("filters", morlet())
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("axes", torch.zeros(N_FEATURES, dim))

    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (((self.scattered(images) - self.mean) @ self.axes).permute(0, 3, 1, 2),)

    def scattered(self, images: Tensor) -> Tensor:
        """All features, (N, H / 8, W / 8, 419)."""
        red, green, blue = (images[..., :COLOURS].float() / 255).unbind(-1)
        grey = (red + green + blue) / 3
        x = torch.stack([grey, red - green, blue - (red + green) / 2], 1)
        found, brightness, moduli = [_coarser(x, SCALES - 1)], grey[:, None], []
        for _ in range(SCALES):
            moduli.append(self._modulus(brightness))
            brightness = _coarser(brightness)
        for j, modulus in enumerate(moduli):
            levels = [modulus]
            while len(levels) < SCALES - j:
                levels.append(_coarser(levels[-1]))
            first = levels[-1]
            found.append((first + GREY).log())
            for k, level in enumerate(levels[1:], j + 1):
                second = _coarser(self._modulus(level), SCALES - 1 - k)
                found.append((second / (first.repeat_interleave(ANGLES, 1) + GREY) + RATIO).log())
        return torch.cat(found, 1).permute(0, 2, 3, 1)

    def _modulus(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C A, H, W): the modulus of each channel's response to the wavelet of each angle."""
        n, channels, height, width = x.shape
        alone = pad(x.reshape(-1, 1, height, width), (SIDE // 2,) * 4, mode="replicate")
        parts = conv2d(alone, self.filters.flatten(0, 1)[:, None]).unflatten(1, (ANGLES, 2))
        moduli: Tensor = (parts.square().sum(2) + 1e-12).sqrt()
        return moduli.reshape(n, channels * ANGLES, height, width)


def morlet() -> Tensor:
    """Wavelets of each angle, (A, 2, s, s): a complex wave under a Gaussian, without mean, of norm 1 in L1."""
    steps = torch.arange(SIDE, dtype=torch.float64) - SIDE // 2
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    angles = torch.arange(ANGLES, dtype=torch.float64)[:, None, None] * (math.pi / ANGLES)
    along, across = angles.cos() * u + angles.sin() * v, angles.cos() * v - angles.sin() * u
    window = torch.exp(-(along**2 + (SLANT * across) ** 2) / (2 * WIDTH**2))
    waves = torch.stack([(FREQUENCY * along).cos() * window, (FREQUENCY * along).sin() * window], 1)
    means = waves.sum((2, 3), keepdim=True) / window.sum((1, 2))[:, None, None, None]
    waves = waves - means * window[:, None]
    norms: Tensor = waves.norm(dim=1).sum((1, 2))
    return (waves / norms[:, None, None, None]).float()


@torch.no_grad()
def fit_wavelets(images: Rows, dim: int, device: torch.device) -> WaveletNetwork:
    """A network with the principal axes of some of the images, uint8 (N, S, S, C), on the device."""
    network = WaveletNetwork(dim).to(device)
    some = np.linspace(0, len(images) - 1, min(SEEN, len(images)), dtype=np.int64)
    parts = []
    for chosen in np.split(some, range(CHUNK, len(some), CHUNK)):
        batch = torch.from_numpy(images[chosen]).to(device)
        found = network.scattered(batch)
        counts = counted(batch, found.shape[1:3])
        parts.append((found.flatten(0, 2) if counts is None else found[counts]).double().cpu())
    rows = torch.cat(parts)
    mean, deviations = rows.mean(0), rows.std(0, correction=0)
    factors = 1 / torch.where(deviations > 0, deviations, 1)
    standard = (rows - mean) * factors
    _, axes = torch.linalg.eigh(standard.T @ standard / len(standard))
    network.mean.copy_(mean)
    network.axes.copy_(factors[:, None] * axes[:, -dim:])
    return network


def _coarser(x: Tensor, times: int = 1) -> Tensor:
    """(N, C, H, W) smoothed by a binomial filter and halved, so many times."""
    for _ in range(times):
        line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=x.device) / 16
        kernel = torch.outer(line, line).expand(x.shape[1], 1, 5, 5)
        x = conv2d(pad(x, (2, 2, 2, 2), mode="replicate"), kernel, stride=2, groups=x.shape[1])
    return x
