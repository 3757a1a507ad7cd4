"""report.html: one file without any outside reference, made from result files only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algan_ad.evaluation.commissioning import Commissioning
from algan_ad.evaluation.figures import ACCURACY, DECISIONS
from algan_ad.evaluation.results import Evaluation, TradeOff, trade_off
from algan_ad.report import commissioning as words
from algan_ad.report import curves, plots
from algan_ad.report.cards import ORIGINS
from algan_ad.report.gallery import Gallery, groups
from algan_ad.report.verdict import verdict
from algan_ad.runtime.environment import write_html
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.protocols import WORDS


def write_report(
    path: Path,
    evaluation: Evaluation,
    config: ModelConfig,
    metrics: Sequence[dict[str, Any]],
    gallery: Gallery,
    commissioning: Commissioning | None = None,
) -> Path:
    """Write the page to `path` (atomically) and return it.

    `metrics` are the rows of metrics.jsonl, or empty: a figure that is absent makes no plot. Images without a
    thumbnail are listed without a picture.
    """
    things = "images" if config.input == "image" else "samples"
    held_out = config.calibration.scores if config.calibration else ()
    return write_html(
        path,
        "report.html.j2",
        evaluation=evaluation,
        config=config,
        gallery=gallery,
        things=things,
        verdict=verdict(evaluation, "parts" if config.input == "image" else things),
        note=WORDS[evaluation.protocol].note,
        origins=ORIGINS,
        figures=evaluation.known(ACCURACY),
        decisions=evaluation.known(DECISIONS),
        histogram=plots.histogram(evaluation, held_out),
        detection=[plot for plot in (plots.roc(evaluation), plots.precision_recall(evaluation)) if plot],
        trade_off=_trade_off(evaluation),
        groups=groups(evaluation),
        training=curves.training(metrics),
        expected=commissioning and _expected(commissioning),
    )


def _expected(commissioning: Commissioning) -> dict[str, Any]:
    return {
        "result": commissioning,
        "sentence": words.expectation(commissioning),
        "false_alarms": words.false_alarms(commissioning),
        "chart": words.chart(commissioning),
        "advice": words.advice(commissioning),
        "size": words.size,
        "range_of": words.range_of,
    }


def _trade_off(evaluation: Evaluation) -> list[tuple[TradeOff, bool]]:
    """The trade-off table with the model's own threshold in its place (marked True)."""
    if evaluation.image_auroc is None:
        return []
    images = evaluation.images
    rows = {row.threshold: (row, False) for row in trade_off([i.label for i in images], [i.score for i in images])}
    match evaluation.threshold, evaluation.realised_false_alarm_rate, evaluation.detection_rate:
        case float(threshold), float(false_alarms), float(detections):
            rows[threshold] = (TradeOff(threshold, false_alarms, detections), True)
    return [rows[threshold] for threshold in sorted(rows, reverse=True)]
