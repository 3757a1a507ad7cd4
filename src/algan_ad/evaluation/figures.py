"""Figures that an evaluation can hold: their names, meaning and display. There is no second list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from algan_ad.evaluation.bootstrap import Metric
from algan_ad.evaluation.metrics import auprc, aupro, f1_max, f1_of_flagging_all, fpr_at_tpr, image_auroc, pixel_auroc
from algan_ad.runtime.numbers import percent

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Figure:
    """A figure of an evaluation or of a run.

    Attributes:
        key: its field in `Evaluation`, and its name in evaluation.json and results.jsonl.
        name: the head of a column.
        title: the name where there is room for a longer one.
        meaning: a line that explains it to the readers of a report.
        better: the better one of two values, the higher or the lower.
        digits: decimal places.
        share: shown as percent, with the digits of all percents.
        of_scores: its computation from labels (N,) and scores (N,) of images of both classes.
        of_maps: its computation from masks and anomaly maps, (H, W) each.
        absent: words in place of a value that is None.
        interval: True when it has a bootstrap interval.
    """

    key: str
    name: str
    title: str = ""
    meaning: str = ""
    better: Better = "higher"
    digits: int = 3
    share: bool = False
    of_scores: Metric | None = None
    of_maps: Callable[..., float] | None = None
    absent: str = ""
    interval: bool = False

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is better, 0 where neither is."""
        return {"higher": 1, "lower": -1, "neither": 0}[self.better]

    def text(self, value: float | None) -> str:
        """The value as it is shown; `absent` for None."""
        if value is None:
            return self.absent
        return percent(value) if self.share else f"{value:,.{self.digits}f}"


AUROC = Figure(
    "image_auroc", "AUROC", "AUROC",
    "chance of ranking an anomalous image above a normal one; 0.5 is guessing",
    of_scores=image_auroc, interval=True,
)  # fmt: skip
F1_ALL = Figure(
    "f1_all_anomalous", "F1 of flagging all", "F1 of flagging everything",
    "to be compared with F1 max", "neither", of_scores=lambda labels, _: f1_of_flagging_all(labels),
)  # fmt: skip

#: Figures measured without a threshold, on images and on pixels, in the order of display.
ACCURACY = (
    AUROC,
    Figure("auprc", "AUPRC", "AUPRC", "average precision over all detection rates", of_scores=auprc, interval=True),
    Figure(
        "f1_max", "F1 max", "F1 max (threshold picked on these labels)", "best threshold chosen with the labels",
        of_scores=lambda labels, scores: f1_max(labels, scores).f1, interval=True,
    ),
    F1_ALL,
    Figure(
        "fpr_at_95_tpr", "FPR at 95 % TPR", "false alarms at 95 % detection",
        "false alarms when 95 % of the anomalies are found; lower is better", "lower",
        of_scores=fpr_at_tpr, interval=True,
    ),
    Figure("pixel_auroc", "pixel AUROC", "pixel AUROC", "of the anomaly maps, over every pixel", of_maps=pixel_auroc),
    Figure("aupro", "AUPRO", "AUPRO", "overlap with each marked defect, up to 30 % false pixels", of_maps=aupro),
)  # fmt: skip

#: The wanted, guaranteed and measured rates of the threshold.
DECISIONS = (
    Figure("false_alarm_rate", "wanted", "false alarms: wanted", better="lower", share=True),
    Figure(
        "guaranteed_false_alarm_rate", "guaranteed", "false alarms: guaranteed, on average",
        better="lower", share=True, absent="nothing: the same normals chose the epoch",
    ),
    Figure("realised_false_alarm_rate", "false alarms", "false alarms: found here", better="lower", share=True),
    Figure("detection_rate", "detected", "anomalies detected at that threshold", share=True),
)  # fmt: skip

FIGURES = (*ACCURACY, *DECISIONS)
