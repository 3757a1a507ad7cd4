"""Where a part is odd: a method's own anomaly maps, or else an attribution of its score; and masks to judge them by."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.layouts import Item
from algan_ad.detectors.base import Detector, Rows
from algan_ad.evaluation.results import Pixels
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing, load
from algan_ad.runtime.progress import log


def heat_maps(detector: Detector, images: Rows) -> list[NDArray[np.float32]]:
    """float32 (S, S) an image, higher = more anomalous."""
    if detector.draws_maps:
        return detector.maps(images)
    from algan_ad.detectors.attribution import attribution_maps  # captum and torchvision, seconds to import

    return attribution_maps(detector, images)


def judged_maps(
    detector: Detector, images: Rows, items: Sequence[Item], preprocessing: Preprocessing | None
) -> Pixels | None:
    """Masks and anomaly maps of the test images whose truth is known for every pixel.

    None for a method that draws no maps, and where no defect is marked. An attribution explains a score and is
    never judged as a map.
    """
    if not detector.draws_maps or preprocessing is None or not any(item.mask for item in items):
        return None
    masks = [_mask(item, preprocessing) for item in items]
    known = [i for i, mask in enumerate(masks) if mask is not None]
    pairs = [mask for mask in masks if mask is not None]
    if not any(mask.any() for mask in pairs) or all(mask.all() for mask in pairs):
        return None
    return pairs, detector.maps(images[np.array(known)])


def _mask(item: Item, preprocessing: Preprocessing) -> NDArray[np.bool_] | None:
    """bool (S, S), in the geometry of the images; None where it cannot be known."""
    if item.label == 0:
        return np.zeros((preprocessing.size, preprocessing.size), np.bool_)
    if item.mask is None:
        return None
    try:
        pixels = load(item.mask, preprocessing)
    except InputError as error:
        log(f"warning: a mask is left out: {error}")
        return None
    return np.asarray(pixels[..., 0] >= 128)
