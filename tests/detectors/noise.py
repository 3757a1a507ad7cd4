"""Images of noise, with stripes or without, and of bands: small worlds in which a method must see a difference."""

import numpy as np
from numpy.typing import NDArray


def noise(n: int, seed: int, stripes: int = 0) -> NDArray[np.uint8]:
    """Around 100 of 255; every fourth row is brighter by `stripes`."""
    made = np.random.default_rng(seed).integers(90, 110, (n, 32, 32, 3))
    made[:, ::4] += stripes
    return made.astype(np.uint8)


def bands(n: int, seed: int) -> NDArray[np.uint8]:
    """Horizontal bands under noise: nothing that an immature generator draws."""
    made = np.random.default_rng(seed).integers(0, 40, (n, 32, 32, 3))
    made[:, ::8] += 160
    return made.astype(np.uint8)
