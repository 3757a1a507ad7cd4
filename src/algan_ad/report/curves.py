"""The curves of a training run, from the rows of metrics.jsonl (thesis Fig. 5.6)."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from algan_ad.report.plots import Mark, Plot
from algan_ad.report.svg import Role, color, draw

Row = dict[str, Any]
_Series = dict[str, tuple[str, Role]]
_TRAINING: tuple[tuple[str, str, _Series], ...] = (
    (
        "Discriminator's mean output",
        "Mean logit on each kind of data; high = judged normal. Held-out normal data was never learned from: "
        "where it leaves the training data's curve, the detector is memorising.",
        {
            "logit/real-normal": ("real-normal, trained on", "real-normal"),
            "logit/held-out-normal": ("real-normal, held out", "held-out-normal"),
            "logit/fake-normal": ("fake-normal", "fake-normal"),
            "logit/fake-anomalous": ("fake-anomalous", "fake-anomalous"),
            "logit/buffered": ("buffered", "buffered"),
        },
    ),
    (
        "Losses",
        "Mean of each epoch. The losses balance each other, so neither of them has to fall.",
        {"loss_d": ("discriminator", "anomalous"), "loss_g": ("generator", "normal")},
    ),
    (
        "Validation AUROC",
        "Measured on labelled test-half data, which selected the checkpoint.",
        {"validation_auroc": ("labelled validation half", "anomalous")},
    ),
    (
        "AUROC on made-up anomalies",
        "Good training images against altered copies of them, which selected the checkpoint without labels.",
        {
            "made-up_auroc": ("made-up defects", "fake-anomalous"),
            "cut-paste_auroc": ("cut and pasted", "fake-anomalous"),
        },
    ),
    (
        "Fréchet distance",
        "Distance between generated fake-normal and real normal images; lower = more alike.",
        {"frechet_distance": ("fake-normal images", "fake-normal")},
    ),
    (
        "Inception score",
        "Score of generated fake-normal images; higher = sharper and more varied.",
        {"inception_score": ("fake-normal images", "fake-normal")},
    ),
)


def training(metrics: Sequence[Row]) -> list[Plot]:
    """The curves for which `metrics` has values, in the order of `_TRAINING`; other keys are ignored."""
    candidates = [_curves(metrics, *each) for each in _TRAINING]
    return [plot for plot in candidates if plot is not None]


def _curves(metrics: Sequence[Row], title: str, caption: str, series: _Series) -> Plot | None:
    found = {key: line for key in series if (line := _line(metrics, key))}
    if not found:
        return None

    def paint(axes: Axes) -> None:
        for key, (epochs, values) in found.items():
            axes.plot(
                epochs,
                values,
                color=color(series[key][1]),
                marker="o" if len(epochs) < 20 else None,
                markersize=3,
                linewidth=1.6 if len(epochs) < 200 else 1,
                linestyle="--" if key == "logit/held-out-normal" else "-",
            )
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))

    legend: list[tuple[str, Role, Mark]] = [
        (*series[key], "dashed" if key == "logit/held-out-normal" else "line") for key in found
    ]
    return Plot(title, draw(paint, f"{title} over the epochs of the training"), caption, tuple(legend))


def _line(metrics: Sequence[Row], key: str) -> tuple[list[float], list[float]] | None:
    pairs = [(row["epoch"], row[key]) for row in metrics if isinstance(row.get(key), int | float)]
    pairs = [(epoch, value) for epoch, value in pairs if math.isfinite(value)]
    return ([epoch for epoch, _ in pairs], [value for _, value in pairs]) if pairs else None
