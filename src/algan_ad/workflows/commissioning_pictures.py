"""Pictures for a commissioning, as PNG files in memory: made-up defects, and good images next to be flagged."""

from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from algan_ad.data.graded import Canvas
from algan_ad.data.masks import Mask
from algan_ad.data.outline import find_part
from algan_ad.evaluation.commissioning import Commissioning
from algan_ad.runtime.drawings import thumbnail
from algan_ad.runtime.images import Levels, Pixels, decode
from algan_ad.runtime.seeding import seed_from

RING = "#ff7a2e"  # seen on light and on dark images
RING_RADIUS = 0.06  # of the longer side


def picture_defects(commissioning: Commissioning, levels: Levels | None) -> dict[tuple[str, int], bytes]:
    """A defect of each kind and contrast, of the largest size but one, on the first image."""
    if not commissioning.trials:
        return {}
    image = decode(Path(commissioning.trials[0].path), levels)
    size = commissioning.sizes[max(0, len(commissioning.sizes) - 2)]
    canvas, pictures = Canvas(image, find_part(image)), {}
    for kind, contrast in product(commissioning.kinds, commissioning.contrasts):
        rng = np.random.default_rng(seed_from(commissioning.seed, "picture", kind))  # one place for all contrasts
        altered, mask = canvas.draw(kind, size, contrast, rng, image)
        pictures[kind, contrast] = thumbnail(_around(altered, mask, 2 * size))
    return pictures


def picture_nearest(commissioning: Commissioning, levels: Levels | None) -> dict[str, bytes]:
    """The good images nearest to being flagged, by path, with a ring around the peak of the map where it is known."""
    return {each.path: thumbnail(_ringed(decode(Path(each.path), levels), each.peak)) for each in commissioning.nearest}


def _ringed(image: Pixels, place: tuple[int, int] | None) -> Pixels:
    if place is None:
        return image
    picture, radius, (x, y) = Image.fromarray(image), RING_RADIUS * max(image.shape), place
    box = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(picture).ellipse(box, outline=RING, width=max(1, round(radius / 5)))
    return np.array(picture)


def _around(image: Pixels, mask: Mask, side: int) -> Pixels:
    """A square of `side` pixels, or as large as the image allows, around what is marked."""
    cut = []
    for axis, length in enumerate(image.shape[:2]):
        marked = np.flatnonzero(mask.any(1 - axis))
        middle = int(marked.mean()) if marked.size else length // 2
        start = int(np.clip(middle - side // 2, 0, max(0, length - side)))
        cut.append(slice(start, start + side))
    return image[tuple(cut)]
