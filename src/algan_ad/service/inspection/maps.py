"""Anomaly maps as grey PNG files."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class MapPicture:
    """A map (h, w) as PNG, 8 bits grey. A value is low + pixel / 255 * (high - low), in the unit of the map."""

    content: bytes
    low: float
    high: float


def picture_of(heat: NDArray[np.float32]) -> MapPicture | None:
    """The picture of a map; None for one with values that are not finite."""
    low, high = float(heat.min()), float(heat.max())
    if not np.isfinite([low, high]).all():
        return None
    grey = np.rint((heat - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "png", compress_level=1)
    return MapPicture(buffer.getvalue(), low, high)
