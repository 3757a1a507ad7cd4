"""What the data and the machine decide, where the user does not."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.layouts import is_list
from algan_ad.runtime.model_folder import PlanEntry
from algan_ad.runtime.vectors import SUFFIXES

IMAGES, VECTORS = "algan-patch", "algan-vector"


def derive_method(source: str | Path | NDArray[Any]) -> PlanEntry:
    """The method for a source of `train`: vectors take `algan-vector`, images `algan-patch`.

    Raises InputError for a .csv or .parquet that cannot be read.
    """
    if _holds_vectors(source):
        return PlanEntry(value=VECTORS, origin="derived", reason="a table of numbers")
    why = "images; of the methods that need no GPU and no download, the one that finds small defects best"
    return PlanEntry(value=IMAGES, origin="derived", reason=why)


def _holds_vectors(source: str | Path | NDArray[Any]) -> bool:
    if isinstance(source, np.ndarray):
        return source.ndim == 2
    path = Path(source)
    return path.suffix.lower() in SUFFIXES and not path.is_dir() and not is_list(path)
