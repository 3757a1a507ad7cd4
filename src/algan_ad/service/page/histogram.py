"""The histogram of the scores of good parts, with thresholds and a score, as numbers for a drawing 100 wide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 40
ROOM = 0.8  # right of the highest threshold, as a share of what lies left of it; what lies beyond stands at the edge


@dataclass(frozen=True)
class Histogram:
    """Bars as (left, width, height), in percent of the drawing; lines at thresholds; a mark at the score of a part."""

    bars: Sequence[tuple[float, float, float]]
    thresholds: Sequence[float]
    score: float | None
    beyond: bool  # the score lies outside of the drawing
    low: float
    high: float
    n: int


def histogram(good: Sequence[float], thresholds: Sequence[float], score: float | None = None) -> Histogram:
    """The drawing for at least one score of good parts. Good parts beyond the edge count in the last bar."""
    low, top = min([*good, *thresholds]), max(thresholds)
    reach = top - low or abs(top) or 1.0
    low, high = low - 0.05 * reach, top + ROOM * reach

    def place(value: float) -> float:
        return round(float(np.clip(100 * (value - low) / (high - low), 0, 100)), 2)

    counts, edges = np.histogram(np.minimum(good, high), BINS, (low, high))
    bars = [
        (place(left), round(100 / BINS, 2), round(100 * n / counts.max(), 2))
        for n, left in zip(counts.tolist(), edges.tolist(), strict=False)
        if n
    ]
    return Histogram(
        bars=bars, thresholds=[place(each) for each in thresholds], score=None if score is None else place(score),
        beyond=score is not None and not low <= score <= high, low=low, high=high, n=len(good),
    )  # fmt: skip
