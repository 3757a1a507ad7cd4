"""Masks of defects at the size of the images that a detector sees."""

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.layouts import Item
from algan_ad.data.masks import Mask, draw_all
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.progress import log

#: A region that would keep less than this share of its area is drawn one pixel wide instead.
LEAST_KEPT = 0.5


def read_mask(item: Item, preprocessing: Preprocessing) -> Mask | None:
    """The mask of an image, bool (S, S), in the geometry of the images; None if it cannot be known."""
    if item.label == 0:
        return np.zeros((preprocessing.size, preprocessing.size), np.bool_)
    if not item.masks:
        return None
    try:
        mask = resized(draw_all(item.masks, item.path), preprocessing)
    except InputError as error:
        log(f"warning: a mask is left out: {error}")
        return None
    if not mask.any():
        place = ", ".join(map(str, item.mask_files)) or item.path
        log(f"warning: {place}: marks nothing; for the pixel figures its image is free of defects")
    return mask


def resized(mask: Mask, preprocessing: Preprocessing) -> Mask:
    """A mask resized, bool (H, W) -> bool (S, S): a pixel is marked if at least half of it consists of marked pixels.

    The weights of that half are those by which the image itself is resized, so that regions keep their area. A region
    that is too thin, such as a scratch one pixel wide, would vanish; it is drawn one pixel wide instead, the least
    that the small picture can show. (Taking the nearest pixel instead, as Anomalib does, breaks such a scratch into
    dots or loses it, by chance.)
    """
    from scipy import ndimage

    whole = Preprocessing(size=preprocessing.resize or preprocessing.size)
    small = _through(whole, mask)
    regions, n = ndimage.label(mask, structure=np.ones((3, 3)))
    scale = whole.size**2 / mask.size
    for number, place in enumerate(ndimage.find_objects(regions, n), 1):
        region = regions[place] == number
        touched = _touched(region, (place[0].start, place[1].start), mask.shape, whole.size)
        if small[touched].sum() < LEAST_KEPT * scale * region.sum():
            small[touched] = True
    return _through(preprocessing, small)


def _through(preprocessing: Preprocessing, mask: Mask) -> Mask:
    pixels = np.where(mask[..., None], np.uint8(255), np.uint8(0))
    return np.asarray(preprocessing.apply(np.repeat(pixels, 3, axis=-1))[..., 0] >= 128)


def _touched(region: Mask, corner: tuple[int, int], shape: tuple[int, ...], side: int) -> tuple[NDArray[np.int64], ...]:
    """Rows and columns in the small picture, each once, that hold the centre of a pixel of the region."""
    places = np.argwhere(region) + corner
    found = [((places[:, axis] + 0.5) * side / shape[axis]).astype(np.int64) for axis in (0, 1)]
    rows, columns = np.unique(np.stack(found, 1), axis=0).T
    return rows, columns
