"""The histogram of the scores of good parts, with thresholds and a score, as numbers for a drawing 100 wide."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 40
ROOM = 0.5  # to the right of the good parts, as a share of their range: a score beyond stands at the edge


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
    """The drawing for at least one score of good parts."""
    low, high = min(good), max([*good, *thresholds])
    room = (high - low or abs(high) or 1.0) * ROOM
    low, high = low - 0.1 * room, high + room

    def place(value: float) -> float:
        return round(float(np.clip(100 * (value - low) / (high - low), 0, 100)), 2)

    counts, edges = np.histogram(good, BINS, (low, high))
    bars = [
        (place(left), round(100 / BINS, 2), round(100 * n / counts.max(), 2))
        for n, left in zip(counts.tolist(), edges.tolist(), strict=False)
        if n
    ]
    return Histogram(
        bars=bars, thresholds=[place(each) for each in thresholds], score=None if score is None else place(score),
        beyond=score is not None and not low <= score <= high, low=low, high=high, n=len(good),
    )  # fmt: skip
