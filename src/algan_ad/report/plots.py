"""The plots of an evaluation: histogram of scores, ROC and precision-recall."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from algan_ad.evaluation.metrics import Floats, OperatingPoints, operating_points
from algan_ad.evaluation.results import Evaluation
from algan_ad.report.svg import Role, color, draw

Mark = Literal["area", "line", "dashed", "dotted", "point"]


@dataclass(frozen=True)
class Plot:
    """A plot with the text that the page writes around it; the legend lists (text, colour, kind of mark)."""

    title: str
    svg: Markup
    caption: str
    legend: tuple[tuple[str, Role, Mark], ...] = ()


def histogram(evaluation: Evaluation, held_out: Sequence[float]) -> Plot | None:
    """Raw scores of normal and anomalous test images (thesis Fig. 5.4), with the held-out normals' outline.

    Each is drawn as a share of its own kind, because their numbers differ. None when there is no score at all.
    """
    kinds: list[tuple[str, Role, Floats]] = [
        ("normal", "normal", np.array([i.score for i in evaluation.images if i.label == 0])),
        ("anomalous", "anomalous", np.array([i.score for i in evaluation.images if i.label == 1])),
    ]
    kinds = [kind for kind in kinds if kind[2].size]
    outline = np.asarray(held_out, dtype=np.float64)
    everything = np.concatenate([outline, *(scores for *_, scores in kinds)])
    if everything.size == 0:
        return None
    edges = np.histogram_bin_edges(everything, bins=_bins(everything)).tolist()

    def paint(axes: Axes) -> None:
        for _, role, scores in kinds:
            axes.hist(
                scores,
                edges,
                weights=_percent(scores),
                histtype="stepfilled",
                color=color(role),
                alpha=0.55,
                lw=0,
            )
        if outline.size:
            axes.hist(outline, edges, weights=_percent(outline), histtype="step", color=color("ink"), linewidth=1)
        if evaluation.threshold is not None:
            _mark_threshold(axes, evaluation.threshold)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("anomaly score (raw, higher = more anomalous)")
        axes.set_ylabel("% of its kind")

    legend: list[tuple[str, Role, Mark]] = [
        (f"{scores.size} {name}, tested", role, "area") for name, role, scores in kinds
    ]
    if outline.size:
        legend.append((f"{outline.size} held-out normal, which set the threshold", "ink", "line"))
    return Plot(
        "Raw anomaly scores",
        draw(paint, "Histogram of the raw anomaly scores", height=3.0),
        "The detector's output before any sigmoid, with its sign turned so that anomalous is high.",
        tuple(legend),
    )


def roc(evaluation: Evaluation) -> Plot | None:
    """Detection rate against false-alarm rate, with the operating point; None when a class is missing."""
    if evaluation.image_auroc is None:
        return None
    points = _points(evaluation)

    def paint(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=color("muted"), linestyle=":", linewidth=1)
        axes.plot(points.false_alarm_rate, points.detection_rate, color=color("anomalous"))
        if evaluation.realised_false_alarm_rate is not None and evaluation.detection_rate is not None:
            _mark_point(axes, evaluation.realised_false_alarm_rate, evaluation.detection_rate)
        _unit_square(axes, "false-alarm rate", "detection rate")

    return Plot(
        "ROC curve",
        draw(paint, f"ROC curve, area {evaluation.image_auroc:.3f}"),
        f"Area under the curve {evaluation.image_auroc:.3f}.",
        (("detector", "anomalous", "line"), ("chance", "muted", "dotted"), *_operating(evaluation)),
    )


def precision_recall(evaluation: Evaluation) -> Plot | None:
    """Precision against detection rate, with the operating point; None when a class is missing."""
    if evaluation.auprc is None:
        return None
    points = _points(evaluation)
    share = evaluation.n_anomalous / (evaluation.n_normal + evaluation.n_anomalous)
    flagged = [image for image in evaluation.images if image.anomalous]

    def paint(axes: Axes) -> None:
        axes.axhline(share, color=color("muted"), linestyle=":", linewidth=1)
        axes.plot(points.detection_rate, points.precision, color=color("anomalous"), drawstyle="steps-pre")
        if flagged and evaluation.detection_rate is not None:
            _mark_point(axes, evaluation.detection_rate, sum(image.label for image in flagged) / len(flagged))
        _unit_square(axes, "recall (detection rate)", "precision")

    return Plot(
        "Precision-recall curve",
        draw(paint, f"Precision-recall curve, area {evaluation.auprc:.3f}"),
        f"Area under the curve {evaluation.auprc:.3f} (average precision); "
        f"flagging at random gives {share:.3f}, the share of anomalous ones.",
        (
            ("detector", "anomalous", "line"),
            ("chance", "muted", "dotted"),
            *(_operating(evaluation) if flagged else ()),
        ),
    )


def _points(evaluation: Evaluation) -> OperatingPoints:
    return operating_points([i.label for i in evaluation.images], [i.score for i in evaluation.images])


def _operating(evaluation: Evaluation) -> tuple[tuple[str, Role, Mark], ...]:
    return () if evaluation.threshold is None else (("at the model's threshold", "ink", "point"),)


def _bins(scores: Floats) -> int:
    return int(np.clip(2 * np.sqrt(scores.size), 12, 48))


def _percent(scores: Floats) -> Floats:
    return np.full(scores.size, 100 / scores.size)


def _mark_threshold(axes: Axes, threshold: float) -> None:
    axes.axvline(threshold, color=color("ink"), linestyle="--", linewidth=1)
    low, high = axes.get_xlim()
    left = threshold > (low + high) / 2  # write on the side where there is room
    axes.annotate(
        f"threshold {threshold:.4g}".replace("-", "−"),
        (threshold, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-5 if left else 5, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        annotation_clip=False,
    )


def _mark_point(axes: Axes, x: float, y: float) -> None:
    axes.plot([x], [y], marker="o", markersize=6, color=color("ink"), clip_on=False, zorder=5)


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), xlabel=x, ylabel=y)
