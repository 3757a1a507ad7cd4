"""Masks of defects as data sets hold them: image files, polygons, runs of pixels. All become bool (H, W)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageDraw

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import decode, deep_range

Mask = NDArray[np.bool_]

TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height


class MaskSource(Protocol):
    """A source of marks of one or all defects of an image."""

    def draw(self, image: Path) -> Mask:
        """The marked pixels, bool (H, W), at full size.

        Args:
            image: the image that is marked; it gives the size if the source has none.

        Raises:
            InputError: the mask, or the size of the image, cannot be read.
        """
        ...


@dataclass(frozen=True)
class MaskFile:
    """An image file of the size of its image. It is black and white, or holds the number of a class in each pixel."""

    path: Path

    def draw(self, image: Path) -> Mask:
        """Marked pixels: those from 128 on; if all values are below that, those that are not 0."""
        spread = deep_range(self.path, (0, 1))
        classes = spread is not None and spread[1] <= 255  # whose upper 8 of 16 bits are all 0
        values = decode(self.path, levels=(0, 255) if classes else None).max(-1)
        return np.asarray(values >= (128 if values.max() >= 128 else 1))


@dataclass(frozen=True)
class Polygon:
    """Corners (x, y) as fractions of the width and height of the upright image; (0, 0) is its upper left corner."""

    corners: tuple[tuple[float, float], ...]

    def draw(self, image: Path) -> Mask:
        """Pixels whose centre lies inside; if there are none, as in a line, all that the outline touches."""
        width, height = upright_size(image)
        points = np.array(self.corners) * (width, height)
        mask = filled(points, width, height)
        return mask if mask.any() else _outlined(points, width, height)


@dataclass(frozen=True)
class Runs:
    """Lengths of runs of unmarked and marked pixels in turn, down one column after the other (COCO's RLE)."""

    lengths: tuple[int, ...]
    height: int
    width: int

    def draw(self, image: Path) -> Mask:
        """Marked pixels of the runs, laid out."""
        values = np.arange(len(self.lengths)) % 2 == 1
        return np.repeat(values, self.lengths).reshape(self.width, self.height).T


def draw_all(sources: Sequence[MaskSource], image: Path) -> Mask:
    """Pixels that any source marks, bool (H, W). Raises InputError as `draw` does, and for masks of several sizes."""
    masks = [source.draw(image) for source in sources]
    if len({mask.shape for mask in masks}) > 1:
        sizes = ", ".join(sorted({f"{mask.shape[1]} x {mask.shape[0]}" for mask in masks}))
        raise InputError(f"{image}: its masks are of several sizes ({sizes}); expected one")
    union: Mask = np.any(masks, axis=0)
    return union


def filled(points: NDArray[np.float64], width: int, height: int) -> Mask:
    """Pixels between two crossings of the outline, by rows. (Pillow's own filling is up to a pixel too wide.)"""
    mask = np.zeros((height, width), np.bool_)
    x, y = points.T
    next_x, next_y = np.roll(points, -1, axis=0).T
    for row in range(max(0, math.floor(y.min())), min(height, math.ceil(y.max()))):
        centre = row + 0.5
        crossing = (y <= centre) != (next_y <= centre)
        along = (centre - y[crossing]) / (next_y[crossing] - y[crossing])
        places = np.sort(x[crossing] + along * (next_x[crossing] - x[crossing]))
        for left, right in np.ceil(places - 0.5).clip(0, width).astype(int).reshape(-1, 2):
            mask[row, left:right] = True
    return mask


def _outlined(points: NDArray[np.float64], width: int, height: int) -> Mask:
    canvas = Image.new("1", (width, height))
    ImageDraw.Draw(canvas).polygon([(x, y) for x, y in points - 0.5], fill=1)  # Pillow counts from a pixel's centre
    return np.asarray(canvas)


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height as `runtime.images.decode` gives them; only the header is read."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation) in TURNED
            return (image.height, image.width) if turned else (image.width, image.height)
    except Exception as error:  # on damaged headers the readers of Pillow raise almost anything
        raise InputError(f"{path}: not a readable image ({error}); replace or remove it") from error
