"""Made-up anomalies: a patch of a good image, jittered, pasted elsewhere in it (Li et al., 2021; thesis 5.7)."""

import math

import numpy as np

from algan_ad.runtime.images import Pixels

AREA = (0.02, 0.15)  # of the image, as CutPaste; the thesis pastes 0.2 to 0.3, which any detector finds
ASPECT = (1 / 3, 3.0)
JITTER = 0.1  # of contrast and, in 255ths, of each channel's level, as CutPaste


def cut_paste(images: Pixels, seed: int = 0) -> Pixels:
    """One altered copy of each image: uint8 (N, S, S, 3) -> uint8 (N, S, S, 3). The same seed, the same patches."""
    rng = np.random.default_rng(seed)
    return np.stack([_altered(image, rng) for image in images])


def _altered(image: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = image.shape[:2]
    area, aspect = rng.uniform(*AREA) * height * width, math.exp(rng.uniform(*np.log(ASPECT)))
    h = int(np.clip(round(math.sqrt(area * aspect)), 1, height))
    w = int(np.clip(round(math.sqrt(area / aspect)), 1, width))
    (top, to_top), (left, to_left) = rng.integers(0, height - h + 1, 2), rng.integers(0, width - w + 1, 2)
    patch = image[top : top + h, left : left + w].astype(np.float64)
    contrast, level = 1 + rng.uniform(-JITTER, JITTER), 255 * rng.uniform(-JITTER, JITTER, 3)
    pasted = image.copy()
    pasted[to_top : to_top + h, to_left : to_left + w] = np.clip(patch * contrast + level, 0, 255)
    return pasted
