"""The part in its picture: what stands out from a plain background, or the whole picture where there is none."""

import numpy as np
from PIL import Image

from algan_ad.data.masks import Mask
from algan_ad.runtime.images import Pixels

COARSE = 256  # pixels, the longer side of the picture in which the part is looked for
PLAIN = 0.9  # share of the frame that must be of one colour to be a background
TOLERANCE = 16  # grey levels that a background varies by
LEAST, MOST = 0.05, 0.95  # shares of the picture that a part takes; what is found beyond them is no part


def find_part(image: Pixels) -> Mask:
    """The pixels of the part, bool (h, w), in a coarse copy of the image, uint8 (H, W, 3); h, w <= COARSE.

    A background is plain: nearly all of the frame around the picture has one colour. The part is then what differs
    from that colour, with its holes filled.
    """
    from scipy import ndimage

    coarse = np.asarray(_coarse(image), dtype=np.int16)
    frame = np.concatenate([coarse[0], coarse[-1], coarse[1:-1, 0], coarse[1:-1, -1]])
    background = np.median(frame, 0)
    plain = (np.abs(frame - background).max(-1) <= TOLERANCE).mean() >= PLAIN
    found: Mask = ndimage.binary_fill_holes(ndimage.binary_opening(np.abs(coarse - background).max(-1) > TOLERANCE))
    return found if plain and LEAST <= found.mean() <= MOST else np.ones(found.shape, np.bool_)


def _coarse(image: Pixels) -> Image.Image:
    height, width = image.shape[:2]
    scale = min(1.0, COARSE / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return Image.fromarray(image).resize(size, Image.Resampling.BOX)
