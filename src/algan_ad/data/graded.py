"""Made-up defects of a given size and contrast, drawn into images as they come from the camera.

They measure what a finished model finds. Those of `made_up.py`, of sizes and contrasts drawn at random, serve to choose
settings; the two share no code, so that nothing is judged by what it was chosen on.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from algan_ad.data.masks import Mask
from algan_ad.runtime.images import Pixels

Floats = NDArray[np.float64]
Rng = np.random.Generator
#: generator, longest extent in pixels -> coverage, (n, n) from 0 to 1
Shape = Callable[[Rng, float], Floats]

FINE = 4  # shapes are drawn at this many times their size
MARGIN = 2  # pixels around a shape, for its soft edge
SLENDER = 24  # a scratch is this many times as long as wide


class Canvas:
    """A good image to draw defects into.

    Args:
        image: uint8 (H, W, 3).
        part: bool (h, w), where defects may lie, in a picture of any smaller size (`outline.find_part`).
    """

    def __init__(self, image: Pixels, part: Mask) -> None:
        from scipy import ndimage

        self.image = image
        height, width = image.shape[:2]
        self.part: Mask = np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.NEAREST))
        self._scale = np.array([height / part.shape[0], width / part.shape[1]])
        inside = np.pad(part, 1)  # what lies beyond the picture is no part
        self._room: Floats = ndimage.distance_transform_edt(inside, sampling=self._scale)[1:-1, 1:-1]

    def draw(self, kind: str, size: float, contrast: float, rng: Rng, other: Pixels) -> tuple[Pixels, Mask]:
        """A copy with one defect on the part.

        Args:
            kind: one of KINDS.
            size: longest extent, in pixels.
            contrast: change at the strongest place, in grey levels of 255; where the image is too dark or too light for
                it, in the other direction.
            rng: it draws place, shape and direction.
            other: image that a foreign piece is taken from, uint8 (H', W', 3).

        Returns:
            uint8 (H, W, 3), and what changed, bool (H, W).
        """
        shape, paint = KINDS[kind]
        cover = shape(rng, size)
        rows, columns = self._window(rng, size, len(cover))
        place = np.ix_(rows, columns)
        before = self.image[place].astype(np.float64)
        cover = (cover[: len(rows), : len(columns)] * self.part[place])[..., None]
        after = paint(rng, before, cover, contrast, other)
        altered, mask = self.image.copy(), np.zeros(self.image.shape[:2], np.bool_)
        altered[place] = np.clip(np.rint(after), 0, 255)
        mask[place] = (altered[place] != self.image[place]).any(-1)
        return altered, mask

    def _window(self, rng: Rng, size: float, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns around a place where the defect fits into the part, or where there is most room."""
        enough = min(size / 2, 0.9 * self._room.max())
        candidates = np.argwhere(self._room >= enough)
        centre = (candidates[rng.integers(len(candidates))] + rng.uniform(0, 1, 2)) * self._scale
        corner = [
            int(np.clip(round(middle - side / 2), 0, max(0, length - side)))
            for middle, length in zip(centre, self.image.shape[:2], strict=True)
        ]
        return (
            np.arange(corner[0], min(corner[0] + side, self.image.shape[0])),
            np.arange(corner[1], min(corner[1] + side, self.image.shape[1])),
        )


def _line(rng: Rng, size: float) -> Floats:
    """A thin line, nearly straight."""
    steps = np.cumsum(rng.normal(0, 0.08, 12)) + rng.uniform(0, np.pi)
    points = np.cumsum(np.stack([np.cos(steps), np.sin(steps)], 1), 0)
    return _drawn(points, size, width=max(1.0, size / SLENDER))


def _blob(rng: Rng, size: float) -> Floats:
    """A rounded spot, up to twice as long as wide."""
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radii = 1 + sum(rng.uniform(-0.15, 0.15) * np.cos(k * angles + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles) * rng.uniform(0.5, 1)], 1)
    return _drawn(points @ _turn(rng), size)


def _soft_blob(rng: Rng, size: float) -> Floats:
    """A spot without an edge: its strength falls from the middle to the rim."""
    whole = _blob(rng, size)
    picture = Image.fromarray(np.uint8(255 * whole)).filter(ImageFilter.GaussianBlur(size / 8))
    soft = np.asarray(picture, dtype=np.float64) * (whole > 0)
    strength: Floats = soft / max(soft.max(), 1e-9)
    return strength


def _shard(rng: Rng, size: float) -> Floats:
    """A piece with corners."""
    angles = (np.arange(6) + rng.uniform(0, 0.8, 6)) * np.pi / 3
    points = rng.uniform(0.5, 1, 6)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return _drawn(points, size)


def _turn(rng: Rng) -> Floats:
    angle = rng.uniform(0, np.pi)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _drawn(points: Floats, size: float, width: float = 0) -> Floats:
    """A polygon, or with a width a line, of points (n, 2), enlarged until it is `size` pixels long."""
    extent = np.linalg.norm(points[:, None] - points, axis=-1).max()
    points = points * max(size - width, 0.5) / extent
    low, high = points.min(0), points.max(0)
    side = int(np.ceil(size)) + 2 * MARGIN
    corners = [tuple(FINE * xy) for xy in points - (low + high) / 2 + side / 2]
    fine = Image.new("L", (FINE * side, FINE * side))
    if width:
        ImageDraw.Draw(fine).line(corners, 255, max(1, round(FINE * width)), joint="curve")
    else:
        ImageDraw.Draw(fine).polygon(corners, 255)
    return np.asarray(fine.resize((side, side), Image.Resampling.BOX), dtype=np.float64) / 255


def _shaded(rng: Rng, before: Floats, cover: Floats, contrast: float, _: Pixels) -> Floats:
    """Lighter or darker, with the texture left in place."""
    return before + cover * _shift(rng, _level(before, cover), contrast)


def _flat(rng: Rng, before: Floats, cover: Floats, contrast: float, _: Pixels) -> Floats:
    """One level, without texture."""
    level = _level(before, cover)
    return _over(before, cover, level + _shift(rng, level, contrast))


def _dark(_: Rng, before: Floats, cover: Floats, contrast: float, __: Pixels) -> Floats:
    """One level, darker where that is possible."""
    level = _level(before, cover)
    return _over(before, cover, level + (-contrast if level.mean() >= contrast else contrast))


def _relief(rng: Rng, before: Floats, cover: Floats, contrast: float, _: Pixels) -> Floats:
    """Light on one side and dark on the other."""
    v, u = (np.indices(cover.shape[:2]) - np.array(cover.shape[:2]).reshape(2, 1, 1) / 2)[..., None]
    angle = rng.uniform(0, 2 * np.pi)
    slope = cover * (np.cos(angle) * u + np.sin(angle) * v)
    relief: Floats = contrast * slope / max(np.abs(slope).max(), 1e-9)
    return before + relief


def _foreign(rng: Rng, before: Floats, cover: Floats, contrast: float, other: Pixels) -> Floats:
    """The texture of another place, at another level."""
    rows, columns = (np.arange(n) + rng.integers(m) for n, m in zip(before.shape[:2], other.shape[:2], strict=True))
    piece = np.rot90(other, 2)[np.ix_(rows % other.shape[0], columns % other.shape[1])].astype(np.float64)
    level = _level(before, cover)
    return _over(before, cover, piece - piece.mean((0, 1)) + level + _shift(rng, level, contrast))


def _level(before: Floats, cover: Floats) -> Floats:
    """Mean colour of what is covered, (3,)."""
    level: Floats = (before * cover).sum((0, 1)) / max(cover.sum(), 1e-9)
    return level


def _shift(rng: Rng, level: Floats, contrast: float) -> float:
    """Up or down by the contrast, by lot where both are possible."""
    up = rng.random() < 0.5
    middle = level.mean()
    possible = middle + contrast <= 255 if up else middle >= contrast
    return contrast if up == possible else -contrast


def _over(before: Floats, cover: Floats, colour: Floats) -> Floats:
    return before * (1 - cover) + cover * colour


Paint = Callable[[Rng, Floats, Floats, float, Pixels], Floats]
KINDS: dict[str, tuple[Shape, Paint]] = {
    "scratch": (_line, _shaded),
    "stain": (_soft_blob, _shaded),
    "hole": (_blob, _dark),
    "dent": (_soft_blob, _relief),
    "missing piece": (_shard, _flat),
    "foreign piece": (_shard, _foreign),
}
