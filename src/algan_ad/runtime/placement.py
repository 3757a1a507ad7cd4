"""The place of a picture on the canvas that a method sees."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Fit = Literal["stretch", "letterbox"]
Size = tuple[int, int]  # width and height, in pixels

OVERLAP = 1 / 8  # of a tile with the next one, at least


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; `left` and `top` are those of its first one."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The part of a canvas (H, W, ...) that lies in the box."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]

    def on(self, canvas: Size, pixels: NDArray[Any], **how: Any) -> NDArray[Any]:
        """Pixels (height, width, ...) laid on a canvas (H, W, ...); `how` the rest is filled is np.pad's."""
        width, height = canvas
        if pixels.shape[:2] == (height, width):
            return pixels
        rest = [(self.top, height - self.top - self.height), (self.left, width - self.left - self.width)]
        return np.pad(pixels, rest + [(0, 0)] * (pixels.ndim - 2), **how)


def placed(picture: Size, canvas: Size, fit: Fit) -> Box:
    """The box that a picture takes on a canvas: all of it, or the largest in the middle that keeps the proportions."""
    if fit == "stretch":
        return Box(0, 0, *canvas)
    scale = min(canvas[0] / picture[0], canvas[1] / picture[1])
    width, height = (min(whole, max(1, round(side * scale))) for side, whole in zip(picture, canvas, strict=True))
    return Box((canvas[0] - width) // 2, (canvas[1] - height) // 2, width, height)


def tile_starts(length: int, side: int) -> list[int]:
    """The first pixels of tiles of `side` that cover `length` pixels evenly, with the least overlap or more."""
    if length == side:
        return [0]
    least = int(side * OVERLAP)
    n = -(-(length - least) // (side - least))
    return [round(i * (length - side) / (n - 1)) for i in range(n)]


def tiled_length(n: int, side: int) -> int:
    """The most pixels that n tiles of `side` cover, those with the least overlap."""
    return side + (n - 1) * (side - int(side * OVERLAP))
