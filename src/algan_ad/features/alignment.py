"""Parts brought to lie alike: small turns and shifts of each image, found against the mean of the good ones.

Phase correlation (Kuglin and Hines, 1975) with a few turned references, of low frequencies and for small shifts alone,
by matrix products (Guizar-Sicairos et al., 2008). All of it is tensor operations, so that it exports with the network.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

COLOURS = 3
REACH, STEPS = 0.1, 26  # largest shift either way in shares of a side, and the steps up to it
TURN, TURNS = math.radians(6), 6  # largest turn either way, and the steps up to it
HIGHEST = 16  # cycles a side of the highest frequency that is looked at
NEAR_PEAK = 0.8  # of the largest correlation: the centroid of what lies above moves without jumps
ROUNDS = 3  # of aligning good images to their mean, and taking the mean again
FAINT = 0.01  # grey levels a pixel: frequencies fainter than that hardly count, because rounding sets their phases
AT_ONCE = 8  # images, which bounds the memory


class Alignment(nn.Module):
    """Images (N, H, W, C) -> the same, float32, turned and shifted so that each part lies as the reference does.

    Beside them the moves that were found, float32 (N, 3): the turn in radians, and the shifts down and to the right in
    shares of the side. Channels beyond the three colours move with them and are not looked at.
    """

    references: Tensor  # low frequencies of the turned reference: real and imaginary parts (2, turns, k, k)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("references", torch.zeros(2, 2 * TURNS + 1, 2 * HIGHEST + 1, 2 * HIGHEST + 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        moves = self.moves(images)
        return _moved(images, moves), moves

    def back(self, maps: Tensor, moves: Tensor) -> Tensor:
        """Maps (N, H, W) of aligned images, as they lie over the images themselves."""
        return _sampled(maps[:, None], _back(moves, maps.shape[1] / maps.shape[2]))[:, 0]

    def moves(self, images: Tensor) -> Tensor:
        """The moves (N, 3) of images (N, H, W, C): the centroid of the correlations near the largest one."""
        found = self._correlations(images[..., :COLOURS].float().mean(3))
        weights = (found - NEAR_PEAK * found.amax((1, 2, 3), keepdim=True)).clamp_min(0)
        weights = weights / weights.sum((1, 2, 3), keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)
        turns, shifts = _steps(TURN, TURNS, images.device), _steps(REACH, STEPS, images.device)
        axes = ((2, 3), turns), ((1, 3), shifts), ((1, 2), shifts)
        return torch.stack([(weights.sum(others) * steps).sum(1) for others, steps in axes], 1)

    def _correlations(self, grey: Tensor) -> Tensor:
        """Phase correlations (N, turns, shifts down, shifts right) of grey images (N, H, W) with the references."""
        real, imaginary = (each[:, None] for each in _phases(grey))
        a, b = self.references
        real, imaginary = real * a + imaginary * b, imaginary * a - real * b  # times the conjugate
        cos, sin = _waves(_steps(REACH, STEPS, grey.device))
        real, imaginary = cos @ real - sin @ imaginary, sin @ real + cos @ imaginary
        found: Tensor = real @ cos.mT - imaginary @ sin.mT
        return found

    @torch.no_grad()
    def fit(self, images: Tensor) -> "Alignment":
        """Take the mean of good images, uint8 (N, H, W, C), as the reference, which sharpens as they get aligned."""
        moves = torch.zeros(len(images), 3, device=images.device)
        for _ in range(ROUNDS + 1):  # first the images as they are
            mean = torch.zeros(images.shape[1:3], device=images.device)
            for some, m in zip(images.split(AT_ONCE), moves.split(AT_ONCE), strict=True):
                mean += _moved(some[..., :COLOURS], m).mean(3).sum(0) / len(images)
            self._refer_to(mean)
            moves = torch.cat([self.moves(some) for some in images.split(AT_ONCE)])
            moves -= moves.mean(0)  # so that the reference stays in the middle of the images
        return self

    def _refer_to(self, grey: Tensor) -> None:
        turns = _steps(TURN, TURNS, grey.device)
        moves = torch.stack([turns, torch.zeros_like(turns), torch.zeros_like(turns)], 1)
        turned = _sampled(grey.expand(len(turns), 1, -1, -1), _back(moves, grey.shape[0] / grey.shape[1]))
        k = torch.arange(-HIGHEST, HIGHEST + 1, device=grey.device)
        radius = (k[:, None].square() + k.square()).sqrt()
        self.references = torch.stack(_phases(turned[:, 0])) * ((radius > 0) & (radius <= HIGHEST))


def _moved(images: Tensor, moves: Tensor) -> Tensor:
    pixels = images.permute(0, 3, 1, 2).float()
    return _sampled(pixels, _there(moves, images.shape[1] / images.shape[2])).permute(0, 2, 3, 1)


def _there(moves: Tensor, ratio: float) -> Tensor:
    """q -> R q + t for pixels q, each side from -1 to 1: (N, 2, 3). ratio: height to width."""
    turn, down, right = moves.unbind(1)
    cos, sin = turn.cos(), turn.sin()
    x, y = (cos, -sin * ratio, 2 * right), (sin / ratio, cos, 2 * down)
    return torch.stack([torch.stack(row, 1) for row in (x, y)], 1)


def _back(moves: Tensor, ratio: float) -> Tensor:
    """The inverse, p -> R^-1 (p - t): (N, 2, 3)."""
    turn, down, right = moves.unbind(1)
    cos, sin = turn.cos(), turn.sin()
    x = (cos, sin * ratio, -2 * (cos * right + sin * ratio * down))
    y = (-sin / ratio, cos, 2 * (sin / ratio * right - cos * down))
    return torch.stack([torch.stack(row, 1) for row in (x, y)], 1)


def _sampled(pixels: Tensor, theta: Tensor) -> Tensor:
    """Values of (N, C, H, W) at theta (N, 2, 3) of each pixel's coordinates, bilinear; the border goes on outside."""
    height, width = pixels.shape[2:]
    y, x = ((torch.arange(n, device=pixels.device) * 2 + 1) / n - 1 for n in (height, width))
    x, y = x[None, None, :], y[None, :, None]
    at = [theta[:, i, 0, None, None] * x + theta[:, i, 1, None, None] * y + theta[:, i, 2, None, None] for i in (0, 1)]
    return grid_sample(pixels, torch.stack(at, 3), padding_mode="border", align_corners=False)


def _phases(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Phases of the low frequencies of (N, H, W) under a Hann window: real and imaginary parts (N, k, k)."""
    height, width = grey.shape[1:]
    (cy, sy), (cx, sx) = (_windowed_waves(n, grey.device) for n in (height, width))
    grey = grey - grey.mean((1, 2), keepdim=True)
    real, imaginary = cy @ grey, -(sy @ grey)
    real, imaginary = real @ cx.mT + imaginary @ sx.mT, imaginary @ cx.mT - real @ sx.mT
    length = (real.square() + imaginary.square()).sqrt() + FAINT * height * width
    return real / length, imaginary / length


def _windowed_waves(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    at = (torch.arange(n, device=device) + 0.5) / n
    window = torch.sin(math.pi * at).square()
    cos, sin = _waves(at)
    return (cos * window[:, None]).mT, (sin * window[:, None]).mT


def _waves(at: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi k at, (n, k), for places in shares of a side and k from -HIGHEST to HIGHEST."""
    phase = 2 * math.pi * at[:, None] * torch.arange(-HIGHEST, HIGHEST + 1, device=at.device)
    return phase.cos(), phase.sin()


def _steps(reach: float, n: int, device: torch.device) -> Tensor:
    return torch.linspace(-reach, reach, 2 * n + 1, device=device)
