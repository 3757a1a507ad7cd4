"""Bootstrap intervals: the spread of a figure over other test sets of the same composition."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from algan_ad.evaluation.metrics import Floats, operating_points
from algan_ad.runtime.errors import InputError

Metric = Callable[[ArrayLike, ArrayLike], float]


def interval(
    metric: Metric, labels: ArrayLike, scores: ArrayLike, *, n: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of `metric(labels, scores)` over `n` stratified bootstrap resamples.

    Normal and anomalous scores are resampled apart, with replacement, so that each resample keeps their
    numbers. The interval covers other test images only, not other training seeds. With a perfect separation it is
    a single point, however few images there are.

    Args:
        metric: of labels (N,) and scores (N,), for instance `image_auroc`.
        labels, scores: as for `operating_points`, which raises InputError for what no metric can use.
        n: number of resamples, at least 1.
        level: share of the resamples inside, in (0, 1).
    """
    if n < 1 or not 0 < level < 1:
        raise InputError(f"The bootstrap needs n >= 1 resamples and a level in (0, 1), not {n} and {level}.")
    operating_points(labels, scores)  # refuses what no metric can use
    label, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    generator = np.random.default_rng(seed)
    normal, anomalous = -np.sort(-score[label == 0]), -np.sort(-score[label == 1])
    resampled_labels = np.repeat([0, 1], [normal.size, anomalous.size])
    values = [
        metric(
            resampled_labels,
            np.concatenate([_resample(normal, generator), _resample(anomalous, generator)]),
        )
        for _ in range(n)
    ]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resample(ordered: Floats, generator: np.random.Generator) -> Floats:
    """A draw with replacement that stays ordered, which spares the metric most of its sorting."""
    counts = np.bincount(generator.integers(ordered.size, size=ordered.size), minlength=ordered.size)
    return np.repeat(ordered, counts)
