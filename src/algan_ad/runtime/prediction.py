"""The one result type, the same in Python, in JSON and in tables."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.errors import AlganError


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
