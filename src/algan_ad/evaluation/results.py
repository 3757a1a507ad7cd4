"""Results of one detector on one test set: `evaluation.json`, the source of tables and reports."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from algan_ad.evaluation.bootstrap import interval
from algan_ad.evaluation.figures import ACCURACY, Figure
from algan_ad.evaluation.metrics import Floats, image_auroc, operating_points
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import read_json, write_json
from algan_ad.runtime.images import Skipped
from algan_ad.runtime.protocols import BenchmarkProtocol
from algan_ad.runtime.schema import Schema

JudgedMaps = tuple[Sequence[ArrayLike], Sequence[ArrayLike]]

FALSE_ALARM_RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class ImageScore(Schema):
    """One test image; `p_value` and `anomalous` are None without a calibration."""

    path: str
    label: Literal[0, 1]
    defect: str
    score: float
    p_value: float | None = None
    anomalous: bool | None = None


class DefectResult(Schema):
    """Result for one kind of defect against all normal test images; None where it cannot be measured."""

    n: int
    image_auroc: float | None
    detection_rate: float | None


class Evaluation(Schema):
    """Figures of an evaluation, as shares in [0, 1]; None where a class of test images, or the calibration, is missing.

    Attributes:
        protocol: the labels that were seen before, see `runtime.protocols`.
        n_left_out: samples that the model was made with, which no figure counts.
        evaluated: time, UTC, ISO 8601; None in files of earlier versions.
        pixel_auroc, aupro: of the anomaly maps against the masks; None without either.
        f1_all_anomalous: the F1 of flagging everything, to be compared with `f1_max`.
        intervals: 95 % bootstrap intervals over the test images, by the name of the figure.
        false_alarm_rate: the wanted one; the guaranteed and the realised one follow. Nothing is guaranteed (None)
            where the normals that set the threshold also chose the epoch.
    """

    schema_version: Literal[1] = 1
    method: str
    dataset: str
    protocol: BenchmarkProtocol
    seed: int
    evaluated: str | None = None
    n_normal: int
    n_anomalous: int
    n_left_out: int = 0
    image_auroc: float | None = None
    auprc: float | None = None
    f1_max: float | None = None
    f1_all_anomalous: float | None = None
    fpr_at_95_tpr: float | None = None
    pixel_auroc: float | None = None
    aupro: float | None = None
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    per_defect: dict[str, DefectResult] = Field(default_factory=dict)
    threshold: float | None = None
    false_alarm_rate: float | None = None
    guaranteed_false_alarm_rate: float | None = None
    realised_false_alarm_rate: float | None = None
    detection_rate: float | None = None
    skipped: tuple[Skipped, ...] = ()
    images: tuple[ImageScore, ...] = ()

    def known(self, figures: Iterable[Figure]) -> list[tuple[Figure, str]]:
        """Those of `figures` that have something to show, each with the text of its value."""
        texts = [(figure, getattr(self, figure.key), figure.text(getattr(self, figure.key))) for figure in figures]
        decides = self.threshold is not None
        return [(figure, text) for figure, value, text in texts if value is not None or (decides and text)]

    def summary(self) -> dict[str, Any]:
        """All fields except the single images, JSON-able."""
        return self.model_dump(mode="json", exclude={"images"})


class TradeOff(NamedTuple):
    """Rates of the rule "anomalous if score > threshold" on the test images."""

    threshold: float
    false_alarm_rate: float
    detection_rate: float


def evaluate_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    defects: Sequence[str],
    paths: Sequence[str | Path],
    *,
    calibration: Calibration | None,
    method: str,
    dataset: str,
    protocol: BenchmarkProtocol,
    seed: int,
    skipped: Sequence[Skipped] = (),
    n_left_out: int = 0,
    evaluated: str | None = None,
    pixels: JudgedMaps | None = None,
) -> Evaluation:
    """All figures for `scores` (N,) of test images with `labels` (N,), 0 normal and 1 anomalous.

    With one class only, or no image at all, a figure that needs both is None. `defects` (N,) names each image's kind.
    `pixels`: masks and anomaly maps, (H, W) each, of those images whose defects are marked, and of normal ones.
    Raises InputError for unequal lengths, labels other than 0 and 1, and scores that are NaN or infinite.
    """
    label, score = _aligned(labels, scores, defects, paths)
    flagged = p_values = [None] * label.size
    figures: dict[str, Any] = {}
    if calibration is not None:
        flagged, p_values = calibration.decide(score).tolist(), calibration.p_values(score).tolist()
        figures |= {
            "threshold": calibration.threshold,
            "false_alarm_rate": calibration.false_alarm_rate,
            "guaranteed_false_alarm_rate": calibration.guaranteed_rate,
            "realised_false_alarm_rate": _share(flagged, label == 0),
            "detection_rate": _share(flagged, label == 1),
        }
    if 0 < label.sum() < label.size:
        computed = {figure.key: figure.of_scores for figure in ACCURACY if figure.of_scores}
        figures |= {key: metric(label, score) for key, metric in computed.items()}
        with_interval = [figure.key for figure in ACCURACY if figure.interval]
        figures["intervals"] = {key: interval(computed[key], label, score) for key in with_interval}
    if pixels is not None:
        figures |= {figure.key: figure.of_maps(*pixels) for figure in ACCURACY if figure.of_maps}
    return Evaluation(
        method=method,
        dataset=dataset,
        protocol=protocol,
        seed=seed,
        n_normal=int(np.count_nonzero(label == 0)),
        n_anomalous=int(np.count_nonzero(label == 1)),
        n_left_out=n_left_out,
        evaluated=evaluated,
        per_defect=_per_defect(label, score, np.asarray(defects, dtype=object), flagged),
        skipped=tuple(skipped),
        images=tuple(
            ImageScore(path=str(path), label=each, defect=defect, score=s, p_value=p, anomalous=decision)
            for path, each, defect, s, p, decision in zip(
                paths, label.tolist(), defects, score.tolist(), p_values, flagged, strict=True
            )
        ),
        **figures,
    )


def trade_off(labels: ArrayLike, scores: ArrayLike) -> list[TradeOff]:
    """The highest detection rate for each of `FALSE_ALARM_RATES`, measured on the test images themselves.

    Rates that find no more anomalies are left out. A threshold picked here has seen the test labels.
    Raises InputError as `operating_points` does.
    """
    points = operating_points(labels, scores)
    rates, found = points.false_alarm_rate, points.detection_rate
    # The last point within the rate finds the most; the first that finds as much has the fewest false alarms.
    within = [np.searchsorted(rates, rate + 1e-12, side="right") - 1 for rate in FALSE_ALARM_RATES]
    best = sorted({int(np.searchsorted(found, found[last], side="left")) for last in within})
    return [TradeOff(float(points.thresholds[i]), float(rates[i]), float(found[i])) for i in best]


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write `evaluation.json` atomically."""
    write_json(path, evaluation.model_dump(mode="json"))


def read_evaluation(path: Path) -> Evaluation:
    """Read `evaluation.json`; raises InputError when it is missing, broken, or of a newer version."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: not an evaluation; `algan evaluate` writes one.")
    version = content.get("schema_version")
    if isinstance(version, int) and version > 1:
        raise InputError(f"{path}: made by a newer algan-ad (schema {version}); upgrade algan-ad to read it.")
    try:
        return Evaluation(**content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _per_defect(
    label: NDArray[np.int64], score: Floats, defect: NDArray[np.object_], flagged: Sequence[bool | None]
) -> dict[str, DefectResult]:
    results = {}
    for name in sorted(set(defect[label == 1])):
        chosen = (label == 1) & (defect == name)
        compared = chosen | (label == 0)
        results[str(name)] = DefectResult(
            n=int(np.count_nonzero(chosen)),
            image_auroc=image_auroc(label[compared], score[compared]) if (label == 0).any() else None,
            detection_rate=_share(flagged, chosen),
        )
    return results


def _share(flagged: Sequence[bool | None], of: NDArray[np.bool_]) -> float | None:
    decisions = np.asarray(flagged, dtype=object)[of]
    return None if decisions.size == 0 or decisions[0] is None else float(np.mean(decisions.astype(bool)))


def _aligned(
    labels: ArrayLike, scores: ArrayLike, defects: Sequence[str], paths: Sequence[str | Path]
) -> tuple[NDArray[np.int64], Floats]:
    label, score = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if label.ndim != 1 or not label.shape == score.shape == (len(defects),) == (len(paths),):
        raise InputError(
            f"Labels {label.shape}, scores {score.shape}, {len(defects)} defect names and {len(paths)} paths "
            "must be equally many."
        )
    if not np.isin(label, (0, 1)).all():
        raise InputError("Labels must be 0 (normal) or 1 (anomalous).")
    if not np.isfinite(score).all():
        where = int(np.argmin(np.isfinite(score)))
        raise InputError(f"{paths[where]}: its score is {score[where]}; every score must be a finite number.")
    return label.astype(np.int64), score
