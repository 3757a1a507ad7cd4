"""Masks of defects in the geometry of the images that a detector sees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from algan_ad.data.layouts import Item
from algan_ad.data.masks import Mask, draw_all, upright_size
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.progress import log

#: A region that would keep less than this share of its area is drawn one pixel wide instead.
LEAST_KEPT = 0.5


@dataclass(frozen=True)
class Truth:
    """The marked defects of an image.

    Attributes:
        marked: bool (H, W), pixels of the canvas with a defect.
        counts: bool (H, W), pixels of the canvas that show the picture and lie in the region of interest.
    """

    marked: Mask
    counts: Mask

    def of(self, canvas: NDArray[Any]) -> NDArray[Any]:
        """The least rectangle of a canvas (H, W, ...) that holds every pixel that counts."""
        rows, columns = (np.flatnonzero(self.counts.any(axis)) for axis in (1, 0))
        return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def read_mask(item: Item, preprocessing: Preprocessing) -> Truth | None:
    """The marked defects of an image in the geometry of the images; None if they cannot be known."""
    if item.label == 1 and not item.masks:
        return None
    try:
        if item.label == 0:
            counts = preprocessing.counts(upright_size(item.path))
            return Truth(np.zeros_like(counts), counts)
        mask = draw_all(item.masks, item.path)
    except InputError as error:
        log(f"warning: a mask is left out: {error}")
        return None
    small, counts = resized(mask, preprocessing), preprocessing.counts((mask.shape[1], mask.shape[0]))
    if not small.any():
        place = ", ".join(map(str, item.mask_files)) or item.path
        log(f"warning: {place}: marks nothing; for the pixel figures its image is free of defects")
    return Truth(small, counts)


def resized(mask: Mask, preprocessing: Preprocessing) -> Mask:
    """A mask on the canvas, bool (H, W): a pixel is marked if at least half of it consists of marked pixels.

    The weights of that half are those by which the image itself is resized, so that regions keep their area. A region
    that is too thin, such as a scratch one pixel wide, would vanish; it is drawn one pixel wide instead, the least
    that the small picture can show. (Taking the nearest pixel instead, as Anomalib does, breaks such a scratch into
    dots or loses it, by chance.) What lies outside the region of interest is not marked.
    """
    from scipy import ndimage

    size = mask.shape[1], mask.shape[0]
    box = preprocessing.place(size)
    grey = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
    small = np.array(grey.resize((box.width, box.height), Image.Resampling.BILINEAR)) >= 128
    regions, n = ndimage.label(mask, structure=np.ones((3, 3)))
    scale = box.width * box.height / mask.size
    for number, place in enumerate(ndimage.find_objects(regions, n), 1):
        region = regions[place] == number
        touched = _touched(region, (place[0].start, place[1].start), mask.shape, (box.height, box.width))
        if small[touched].sum() < LEAST_KEPT * scale * region.sum():
            small[touched] = True
    return preprocessing.laid(small, size) & preprocessing.counts(size)


def _touched(
    region: Mask, corner: tuple[int, int], shape: tuple[int, ...], small: tuple[int, int]
) -> tuple[NDArray[np.int64], ...]:
    """Rows and columns in the small picture, each once, that hold the centre of a pixel of the region."""
    places = np.argwhere(region) + corner
    found = [((places[:, axis] + 0.5) * small[axis] / shape[axis]).astype(np.int64) for axis in (0, 1)]
    rows, columns = np.unique(np.stack(found, 1), axis=0).T
    return rows, columns
