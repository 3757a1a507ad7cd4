"""The one result type, the same in Python, in JSON and in tables."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import AlganError
from algan_ad.runtime.placement import Size


@dataclass(frozen=True)
class Prediction:
    """Result of a detector for one image or vector. Raises AlganError for a score that is not finite.

    score: raw, no unit, higher = more anomalous.
    p_value: the share of good examples expected to score at least as high, (0, 1]; None without calibration.
    anomalous: score > threshold; None without calibration.
    threshold: in the unit of the score; None without calibration.
    source: the file or row that was scored.
    anomaly_map: float32 (h, w), higher = more anomalous; None when the detector makes none.
    image: uint8 (h, w, 3), the picture as the detector sees it; None without a map.
    size: width and height of the picture as it was, in pixels; None for vectors.
    calibration: the held-out scores behind p-value and threshold; None without calibration.
    """

    score: float
    p_value: float | None = None
    anomalous: bool | None = None
    threshold: float | None = None
    source: str | None = None
    anomaly_map: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    image: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    size: Size | None = field(default=None, compare=False, repr=False)
    calibration: Calibration | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            subject = self.source or "a prediction"
            raise AlganError(f"{subject}: the score is {self.score} instead of a number; train the model again.")

    def to_dict(self) -> dict[str, str | float | bool | None]:
        """The fields of the table of predictions, JSON-able."""
        return {
            "source": self.source,
            "score": self.score,
            "p_value": self.p_value,
            "threshold": self.threshold,
            "anomalous": self.anomalous,
        }

    def _repr_html_(self) -> str:
        """Everything about the prediction as HTML, for a notebook."""
        from algan_ad.runtime.notebook import prediction_html  # jinja2, which scoring does without

        return prediction_html(self)
