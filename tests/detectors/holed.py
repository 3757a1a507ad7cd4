"""Images of noise, good or with a dark hole in one place, for the methods on pre-trained features."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tiny import SIDE, TINY

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData

HOLE = (slice(20, 28), slice(4, 12))  # rows, columns


def images(n: int, seed: int, hole: bool = False) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(120, 140, (n, SIDE, SIDE, 3)).astype(np.uint8)
    if hole:
        noise[:, *HOLE] = 0
    return noise


def fitted(name: str, n: int = 16, **changes: Any) -> Detector:
    detector = METHODS[name](METHODS[name].Config(**{**TINY[name], **changes}), "cpu")
    detector.fit(TrainingData(images(n, 0)), RunOptions(0, "cpu"))
    return detector


def peaks_in_the_hole(detector: Detector) -> bool:
    """Whether the map of each holed image is highest within 4 pixels of the hole."""
    maps = detector.score_and_maps(images(4, 3, hole=True))[1]
    peaks = [np.unravel_index(heat.argmax(), heat.shape) for heat in maps]
    return all(16 <= row < 32 and 0 <= column < 16 for row, column in peaks)
