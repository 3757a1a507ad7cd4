"""The region of interest as people give it: a mask, or corners of polygons."""

from pathlib import Path

import numpy as np

from algan_ad.data.masks import Mask, MaskFile, filled
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.images import IMAGE_SUFFIXES
from algan_ad.runtime.placement import Size
from algan_ad.runtime.regions import Region, shrunk

LEAST = 3  # corners of a polygon
PROPORTIONS = 0.02  # by which those of a mask and of a picture may differ, relatively


def read_region(given: str, picture: Size, size: Size) -> Region:
    """The region that a user gave, drawn at `size`, for pictures of the size `picture`.

    Args:
        given: the path of a mask, an image of which the white part counts; or the corners "x,y x,y x,y" of a polygon,
            as shares of the picture's width and height. Several polygons are separated by ";".

    Raises:
        InputError: neither a mask nor polygons, a mask of other proportions than the pictures, nothing inside.
    """
    named = Path(given)
    mask = _of_file(named, picture) if named.suffix.lower() in IMAGE_SUFFIXES else _of_polygons(given, size)
    small = shrunk(mask, *size)
    if not small.any():
        raise InputError(Option("roi", given), ": marks nothing; expected a part of the picture that counts")
    return Region.of(small)


def _of_file(path: Path, picture: Size) -> Mask:
    if not path.is_file():
        raise InputError(Option("roi", str(path)), ": no such file")
    mask = MaskFile(path).draw(path)
    height, width = mask.shape
    if abs(width * picture[1] / (height * picture[0]) - 1) > PROPORTIONS:
        raise InputError(
            Option("roi", str(path)), f": {width} x {height} pixels are not the proportions of the pictures, "
            f"{picture[0]} x {picture[1]}; draw the mask over one of the pictures",
        )  # fmt: skip
    return mask


def _of_polygons(text: str, size: Size) -> Mask:
    width, height = size
    masks = [filled(_corners(text, each) * size, width, height) for each in text.split(";") if each.strip()]
    union: Mask = np.any(masks, axis=0) if masks else np.zeros((height, width), np.bool_)
    return union


def _corners(text: str, polygon: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    try:
        corners = np.array([[float(number) for number in corner.split(",")] for corner in polygon.split()])
    except ValueError:
        corners = np.empty(0)
    if (
        corners.ndim != 2
        or corners.shape[0] < LEAST
        or corners.shape[1] != 2
        or not ((corners >= 0) & (corners <= 1)).all()
    ):
        raise InputError(
            Option("roi", text), ": expected an image file, or three or more corners x,y as shares of the width and "
            "height of the picture, such as 0.1,0.1 0.9,0.1 0.5,0.9",
        )  # fmt: skip
    return corners
