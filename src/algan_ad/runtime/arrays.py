"""Images that come as an array, not as files."""

import numpy as np

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Pixels


def as_batch(images: object) -> Pixels:
    """Images (N, H, W, 3), one image (H, W, 3) or grey images (N, H, W) as uint8 (N, H, W, 3).

    Raises InputError for any other shape or type of values.
    """
    try:
        array = np.asarray(images)
    except ValueError as error:
        raise InputError("images: expected one array, found images of several sizes; resize them.") from error
    if array.dtype != np.uint8:
        raise InputError(
            f"images: expected uint8 values 0..255, found {array.dtype}; for values 0..1 multiply by 255, "
            "round and convert with .astype('uint8')."
        )
    shape = array.shape
    if array.ndim == 3:
        array = array[None] if array.shape[-1] == 3 else np.repeat(array[..., None], 3, axis=-1)
    if array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape[1:]:
        raise InputError(f"images: expected the shape (N, H, W, 3), (H, W, 3) or (N, H, W), found {shape}.")
    return array
