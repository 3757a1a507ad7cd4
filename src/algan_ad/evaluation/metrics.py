"""Metrics of how well scores distinguish anomalous from normal, on images and on pixels.

Every figure here depends on the *order* of the scores only, so that their scale and offset do not matter, and
every threshold follows the one decision rule of this package: **anomalous if and only if score > threshold**.

Labels are 0 (normal) or 1 (anomalous); scores are higher where an image is more anomalous.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algan_ad.runtime.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoints:
    """Counts that every possible threshold would flag, from "nothing" (first) to "everything" (last).

    Attributes:
        thresholds: float64 (K,), descending; K is the number of distinct scores plus one.
        false_alarms: float64 (K,), the number of normal scores above each threshold.
        detections: float64 (K,), the number of anomalous scores above each threshold.
    """

    thresholds: Floats
    false_alarms: Floats
    detections: Floats

    @property
    def false_alarm_rate(self) -> Floats:
        """Share of the normal ones that are flagged (FPR, thesis eq. 3.19), float64 (K,)."""
        return np.asarray(self.false_alarms / self.false_alarms[-1])

    @property
    def detection_rate(self) -> Floats:
        """Share of the anomalous ones that are flagged (TPR, thesis eq. 3.18; recall), float64 (K,)."""
        return np.asarray(self.detections / self.detections[-1])

    @property
    def precision(self) -> Floats:
        """Share of the flagged ones that are anomalous, float64 (K,); 1 where nothing is flagged."""
        flagged = self.false_alarms + self.detections
        return np.divide(self.detections, flagged, out=np.ones_like(flagged), where=flagged > 0)


class BestF1(NamedTuple):
    """The largest F1 that any threshold reaches, and that threshold (score > threshold is anomalous)."""

    f1: float
    threshold: float


def operating_points(labels: ArrayLike, scores: ArrayLike) -> OperatingPoints:
    """All operating points of `scores` (N,) against `labels` (N,) of 0 and 1.

    Raises InputError for empty input, unequal lengths, other labels, a missing class, NaN or infinite scores.
    """
    label, score = _checked(labels, scores)
    order = np.argsort(-score, kind="stable")  # linear when the scores come in two sorted runs (bootstrap.py)
    score, label = score[order], label[order]
    last = np.append(np.flatnonzero(np.diff(score)), score.size - 1)  # the last of each run of equal scores
    flagged, detections = last + 1.0, np.cumsum(label)[last].astype(np.float64)
    # To flag a score and nothing below it, its threshold is the next lower score (a midpoint may round).
    everything = np.nextafter(score[-1], -np.inf)
    return OperatingPoints(
        np.append(score[last], everything),
        np.append(0.0, flagged - detections),
        np.append(0.0, detections),
    )


def image_auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that an anomalous score exceeds a normal one; ties count half."""
    points = operating_points(labels, scores)
    # Counts are exact and divided once, so that a perfect separation has exactly 1.
    return _area(points.detections, points.false_alarms) / float(points.detections[-1] * points.false_alarms[-1])


def auprc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as average precision; chance level is the anomalous share."""
    points = operating_points(labels, scores)
    return float(np.sum(np.diff(points.detections) * points.precision[1:]) / points.detections[-1])


def f1_max(labels: ArrayLike, scores: ArrayLike) -> BestF1:
    """The best F1 over all thresholds, chosen *with* the labels: more than a deployed model reaches."""
    points = operating_points(labels, scores)
    f1 = 2 * points.detections / (points.false_alarms + points.detections + points.detections[-1])
    best = int(np.argmax(f1))
    return BestF1(float(f1[best]), float(points.thresholds[best]))


def f1_of_flagging_all(labels: ArrayLike) -> float:
    """The F1 of calling everything anomalous, to be compared with `f1_max`."""
    label = np.asarray(labels)
    anomalous = int(np.count_nonzero(label))
    if not 0 < anomalous < label.size:
        raise InputError(_one_class(label.size - anomalous, anomalous))
    return 2 * anomalous / (label.size + anomalous)


def fpr_at_tpr(labels: ArrayLike, scores: ArrayLike, tpr: float = 0.95) -> float:
    """False-alarm rate at the highest threshold that detects at least the share `tpr` of the anomalous."""
    points = operating_points(labels, scores)
    needed = tpr * points.detections[-1] - 1e-9  # counts, so that 0.95 of 20 is 19 whatever the rounding
    return float(points.false_alarm_rate[np.argmax(points.detections >= needed)])


def pixel_auroc(masks: Sequence[ArrayLike], maps: Sequence[ArrayLike]) -> float:
    """AUROC over every pixel of every image; `masks[i]` and `maps[i]` are (H, W), non-zero mask = defect."""
    pairs = _pairs(masks, maps)
    label, score = _checked(_flat([mask for mask, _ in pairs]), _flat([scores for _, scores in pairs]))
    # There are millions: the normal ones are sorted, the defective ones looked up, and little else is held.
    normal, defective = np.sort(score[~label]), np.sort(score[label])
    below = np.searchsorted(normal, defective, "left").sum() + np.searchsorted(normal, defective, "right").sum()
    return float(below / (2 * normal.size * defective.size))


def aupro(masks: Sequence[ArrayLike], maps: Sequence[ArrayLike], limit: float = 0.3) -> float:
    """Area under the per-region-overlap curve up to the pixel false-alarm rate `limit`, divided by `limit`.

    The overlap is the mean over all defect regions (8-connected) of the share of the region that is flagged:
    a small defect counts as much as a large one (Bergmann et al., IJCV 2021).

    Args:
        masks: per image (H, W), non-zero where there is a defect; images without defects count, too.
        maps: per image (H, W) float, higher = more anomalous.
        limit: in (0, 1].

    Raises InputError as `operating_points` does, for unequal shapes, and for a limit outside (0, 1].
    """
    if not 0 < limit <= 1:
        raise InputError(f"limit must lie in (0, 1], not {limit}.")
    pairs = _pairs(masks, maps)
    weight = _flat([_region_weights(mask) for mask, _ in pairs])
    label, score = _checked(weight > 0, _flat([scores for _, scores in pairs]))
    n_normal, n_regions = label.size - int(np.count_nonzero(label)), float(weight.sum())
    beyond = min(n_normal, int(limit * n_normal) + 1)  # normal pixels, from the top, that the curve is needed for
    normal = score[~label]
    normal.partition(n_normal - beyond)
    needed = score >= normal[n_normal - beyond]  # all other pixels count in the sums alone
    del normal
    label, score, weight = label[needed], score[needed], weight[needed]
    order = np.argsort(-score)
    last = np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
    x = np.append(0.0, np.cumsum(~label[order])[last]) / n_normal
    y = np.append(0.0, np.cumsum(weight[order])[last]) / n_regions
    within = x <= limit
    # The segment that crosses the limit counts up to it; ties can make it a long one.
    x, y = np.append(x[within], limit), np.append(y[within], np.interp(limit, x, y))
    return _area(y, x) / limit


def _region_weights(mask: NDArray[np.bool_]) -> Floats:
    """Weights 1 / size of a pixel's region, 0 outside the regions; they sum to the number of regions."""
    from scipy import ndimage

    regions: NDArray[np.int32] = ndimage.label(mask, structure=np.ones((3, 3)))[0]
    sizes = np.bincount(regions.ravel()).astype(np.float64)
    inverse = 1 / np.maximum(sizes, 1)
    inverse[0] = 0
    return np.asarray(inverse[regions], dtype=np.float64)


def _area(y: Floats, x: Floats) -> float:
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)  # np.trapezoid needs numpy 2


def _flat(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([array.ravel() for array in arrays])


def _pairs(masks: Sequence[ArrayLike], maps: Sequence[ArrayLike]) -> list[tuple[NDArray[np.bool_], NDArray[Any]]]:
    if len(masks) != len(maps) or len(masks) == 0:
        raise InputError(f"Every mask needs its anomaly map; there are {len(masks)} masks, {len(maps)} maps.")
    pairs = [(np.asarray(mask) != 0, np.asarray(scores)) for mask, scores in zip(masks, maps, strict=True)]
    for number, (mask, scores) in enumerate(pairs):
        if mask.ndim != 2 or mask.shape != scores.shape:
            raise InputError(f"Mask {number} has shape {mask.shape} and its map {scores.shape}: both must be (H, W).")
    return pairs


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    label, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if label.ndim != 1 or label.shape != score.shape:
        raise InputError(f"Labels {label.shape} and scores {score.shape} must both be (N,).")
    if not np.isfinite(score).all():
        where = int(np.argmin(np.isfinite(score)))
        raise InputError(f"Score {where} is {score[where]}: every score must be a finite number.")
    positive = label == 1
    anomalous = int(np.count_nonzero(positive))
    if np.count_nonzero(label) != anomalous:
        raise InputError("Labels must be 0 (normal) or 1 (anomalous).")
    if not 0 < anomalous < label.size:
        raise InputError(_one_class(label.size - anomalous, anomalous))
    return positive, score


def _one_class(normal: int, anomalous: int) -> str:
    return f"Detection can only be measured with both classes; given: {normal} normal, {anomalous} anomalous."
