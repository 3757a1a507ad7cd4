"""Made-up defects of seven kinds, with masks, to choose settings where there are good images only."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from algan_ad.runtime.images import Pixels

Floats = NDArray[np.float64]
Rng = np.random.Generator

VISIBLE = 6  # least change of a defect, in grey levels of 255
LARGE_ENOUGH = 12  # least number of pixels that it changes by that much
ATTEMPTS = 10
FINE = 4  # lines are drawn at this many times the size


def make_up(images: Pixels, kind: str, seed: int = 0) -> tuple[Pixels, NDArray[np.bool_]]:
    """One altered copy of each image, with masks of the visible changes; the same seed gives the same defects.

    Args:
        images: two or more good images, uint8 (N, S, S, 3); `foreign` takes pieces of the others.
        kind: one of KINDS.

    Returns:
        uint8 (N, S, S, 3) and bool (N, S, S).
    """
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    altered = [_altered(image, KINDS[kind], rng, images) for image in images]
    changes = np.abs(np.stack(altered).astype(int) - images).max(-1)
    return np.stack(altered), changes >= VISIBLE


def _altered(image: Pixels, draw: "Draw", rng: Rng, others: Pixels) -> Pixels:
    for _ in range(ATTEMPTS):  # some are drawn where they do not show
        altered = np.clip(np.rint(draw(rng, image.astype(np.float64), others)), 0, 255).astype(np.uint8)
        if (np.abs(altered.astype(int) - image).max(-1) >= VISIBLE).sum() >= LARGE_ENOUGH:
            break
    return altered


def _scratch(rng: Rng, image: Floats, _: Pixels) -> Floats:
    """Draw a thin, nearly straight line, lighter or darker."""
    return image + _line(rng, len(image), bend=0.08) * _either(rng, 15, 70)


def _crack(rng: Rng, image: Floats, _: Pixels) -> Floats:
    """Draw a thin dark line that wanders."""
    return image - _line(rng, len(image), bend=0.5) * _between(rng, 15, 80)


def _stain(rng: Rng, image: Floats, _: Pixels) -> Floats:
    """Draw a soft spot of a faint tint."""
    return image + _spot(rng, len(image), 0.03, 0.15) * _either(rng, 8, 35) * np.exp(rng.normal(0, 0.2, 3))


def _hole(rng: Rng, image: Floats, _: Pixels) -> Floats:
    """Draw a small spot of one level, far from the mean of the image."""
    return _over(image, _spot(rng, len(image), 0.015, 0.05), image.mean((0, 1)) + _either(rng, 30, 90))


def _dent(rng: Rng, image: Floats, _: Pixels) -> Floats:
    """Draw a spot that is light on one side and dark on the other."""
    spot = Image.fromarray(np.uint8(255 * _spot(rng, len(image), 0.03, 0.1)[..., 0]))
    slopes = np.gradient(np.asarray(spot.filter(ImageFilter.GaussianBlur(3)), dtype=np.float64))
    angle = rng.uniform(0, 2 * np.pi)
    shade = slopes[0] * np.sin(angle) + slopes[1] * np.cos(angle)
    relief: Floats = (shade / max(np.abs(shade).max(), 1e-6))[..., None]
    return image + relief * _between(rng, 10, 50)


def _foreign(rng: Rng, image: Floats, others: Pixels) -> Floats:
    """Draw a piece of another image, turned and shifted."""
    other = np.rot90(others[rng.integers(len(others))], int(rng.integers(4)))
    shifted = np.roll(other, rng.integers(len(image) // 10, len(image) * 9 // 10, 2), (0, 1))
    return _over(image, _spot(rng, len(image), 0.03, 0.12), shifted * rng.uniform(0.9, 1.1))


def _wiped(rng: Rng, image: Floats, _: Pixels) -> Floats:
    """Remove the texture of a spot."""
    blurred = Image.fromarray(image.astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.uniform(2, 5)))
    return _over(image, _spot(rng, len(image), 0.04, 0.14), np.asarray(blurred, dtype=np.float64))


Draw = Callable[[Rng, Floats, Pixels], Floats]  # generator, image, other images -> altered image, still unbounded
KINDS: dict[str, Draw] = {
    "scratch": _scratch, "crack": _crack, "stain": _stain, "hole": _hole, "dent": _dent, "foreign": _foreign,
    "wiped": _wiped,
}  # fmt: skip


def _between(rng: Rng, low: float, high: float) -> float:
    """Draw a number of grey levels, small and large ones equally often."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _either(rng: Rng, low: float, high: float) -> float:
    return float(rng.choice([-1, 1])) * _between(rng, low, high)


def _over(image: Floats, mask: Floats, colour: Floats) -> Floats:
    return image * (1 - mask) + mask * colour


def _spot(rng: Rng, side: int, smallest: float, largest: float) -> Floats:
    """An irregular ellipse with a soft edge, 0 to 1, (S, S, 1); radii in shares of the side."""
    radius = _between(rng, smallest, largest) * side
    v, u = np.mgrid[:side, :side] - rng.uniform(0.08, 0.92, (2, 1, 1)) * side
    angle, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(-0.5, 0.5))
    along = (np.cos(angle) * u + np.sin(angle) * v) * stretch
    across = (np.cos(angle) * v - np.sin(angle) * u) / stretch
    cells = max(4, int(side / radius / 1.2))
    coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
    ripple = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    distance = np.hypot(along, across) / radius + 0.25 * ripple
    soft: Floats = np.clip((1.15 - distance) / 0.3, 0, 1)[..., None]
    return soft


def _line(rng: Rng, side: int, bend: float) -> Floats:
    """A line of 24 pieces, each turned from the one before by `bend` radians or so; 0 to 1, (S, S, 1)."""
    step, width = rng.uniform(0.1, 0.5) * side / 24, rng.uniform(1, 2.5)
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, bend, 24))
    start = rng.uniform(0.15, 0.85, 2) * side
    steps = step * np.stack([np.cos(angles), np.sin(angles)], 1)
    points: Sequence[tuple[float, ...]] = [tuple(FINE * p) for p in start + np.cumsum(steps, 0)]
    fine = Image.new("L", (FINE * side, FINE * side))
    ImageDraw.Draw(fine).line(points, 255, max(1, round(FINE * width)), joint="curve")
    small: Floats = np.asarray(fine.resize((side, side), Image.Resampling.BOX), dtype=np.float64)[..., None] / 255
    return small
