"""The one result type, the same in Python, in JSON and in CSV."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.errors import AlganError
from algan_ad.runtime.files import replacing


@dataclass(frozen=True)
class Prediction:
    """Result of a detector for one image or vector. Raises AlganError for a score that is not finite.

    score: raw, no unit, higher = more anomalous.
    p_value: the share of good examples expected to score at least as high, (0, 1]; None without calibration.
    anomalous: score > threshold; None without calibration.
    threshold: in the unit of the score; None without calibration.
    source: the file or row that was scored.
    anomaly_map: float32 (h, w), higher = more anomalous; None when the detector makes none.
    """

    score: float
    p_value: float | None = None
    anomalous: bool | None = None
    threshold: float | None = None
    source: str | None = None
    anomaly_map: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            subject = self.source or "a prediction"
            raise AlganError(f"{subject}: the score is {self.score} instead of a number; train the model again.")

    def to_dict(self) -> dict[str, str | float | bool | None]:
        """All fields except the anomaly map, JSON-able."""
        return {
            "source": self.source,
            "score": self.score,
            "p_value": self.p_value,
            "threshold": self.threshold,
            "anomalous": self.anomalous,
        }


_COLUMNS = ("source", "score", "p_value", "threshold", "anomalous")


def write_csv(predictions: Iterable[Prediction], path: str | Path) -> None:
    """Write one row per prediction under a header, UTF-8, unknown values empty, atomically."""
    with (
        replacing(Path(path)) as temporary,
        # file names need not be valid Unicode
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        rows = csv.DictWriter(file, _COLUMNS)
        rows.writeheader()
        rows.writerows(prediction.to_dict() for prediction in predictions)
