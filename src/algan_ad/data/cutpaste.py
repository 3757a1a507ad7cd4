"""Made-up anomalies: a patch of a good image, jittered, pasted elsewhere in it (Li et al., 2021; thesis 4.2.1, 5.7)."""

import math

import numpy as np
from PIL import Image

from algan_ad.runtime.images import Pixels

AREA = (0.02, 0.15)  # of the image, as in CutPaste; the thesis pastes 0.2 to 0.3, which any detector finds
ASPECT = (1 / 3, 3.0)
JITTER = 0.1  # of contrast and, in 255ths, of each channel's level, as in CutPaste
SCAR_WIDTH, SCAR_LENGTH = (2 / 256, 16 / 256), (10 / 256, 25 / 256)  # of the side: CutPaste's pixels of 256
SCAR_ANGLE = 45.0  # degrees, either way


def cut_paste(images: Pixels, seed: int = 0, area: tuple[float, float] = AREA) -> Pixels:
    """One altered copy of each image: uint8 (N, S, S, 3). The same seed gives the same patches."""
    rng = np.random.default_rng(seed)
    return np.stack([_altered(image, rng, area) for image in images])


def cut_paste_scar(images: Pixels, seed: int = 0) -> Pixels:
    """One altered copy of each image, as in `cut_paste`, by a long, thin patch turned by a random angle."""
    rng = np.random.default_rng(seed)
    return np.stack([_scarred(image, rng) for image in images])


def _altered(image: Pixels, rng: np.random.Generator, share: tuple[float, float]) -> Pixels:
    height, width = image.shape[:2]
    area, aspect = rng.uniform(*share) * height * width, math.exp(rng.uniform(*np.log(ASPECT)))
    h = int(np.clip(round(math.sqrt(area * aspect)), 1, height))
    w = int(np.clip(round(math.sqrt(area / aspect)), 1, width))
    (top, to_top), (left, to_left) = rng.integers(0, height - h + 1, 2), rng.integers(0, width - w + 1, 2)
    pasted = image.copy()
    pasted[to_top : to_top + h, to_left : to_left + w] = _jittered(image[top : top + h, left : left + w], rng)
    return pasted


def _scarred(image: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    w = max(1, round(rng.uniform(*SCAR_WIDTH) * width))
    h = max(2, round(rng.uniform(*SCAR_LENGTH) * height))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    patch = _jittered(image[top : top + h, left : left + w], rng)
    with_mask = np.dstack([patch, np.full((h, w), 255, np.uint8)])
    turned = Image.fromarray(with_mask, "RGBA").rotate(rng.uniform(-SCAR_ANGLE, SCAR_ANGLE), expand=True)
    spots = rng.integers(0, height - turned.height + 1), rng.integers(0, width - turned.width + 1)
    pasted = Image.fromarray(image)
    pasted.paste(turned, (int(spots[1]), int(spots[0])), turned)
    return np.array(pasted)


def _jittered(patch: Pixels, rng: np.random.Generator) -> Pixels:
    contrast, level = 1 + rng.uniform(-JITTER, JITTER), 255 * rng.uniform(-JITTER, JITTER, 3)
    return np.clip(patch.astype(np.float64) * contrast + level, 0, 255).astype(np.uint8)
