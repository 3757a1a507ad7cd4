"""report.html: one file without any outside reference, made from result files only."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from algan_ad.evaluation.results import Evaluation, TradeOff, trade_off
from algan_ad.report import curves, plots
from algan_ad.report.cards import ORIGINS, PROTOCOL_NOTES
from algan_ad.report.gallery import Gallery, groups
from algan_ad.runtime.files import replacing
from algan_ad.runtime.model_folder import ModelConfig


def write_report(
    path: Path,
    evaluation: Evaluation,
    config: ModelConfig,
    metrics: Sequence[dict[str, Any]],
    gallery: Gallery,
) -> Path:
    """Write the page to `path` (atomically) and return it.

    `metrics` are the rows of metrics.jsonl, or empty: what is absent makes no plot. Images without a
    thumbnail are listed without a picture.
    """
    environment = Environment(
        loader=PackageLoader("algan_ad.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": _score,
        "rate": _rate,
        "percent": _percent,
        "png": _png,
        "name": _name,
        "plain": _plain,
        "duration": _duration,
    }
    held_out = config.calibration.scores if config.calibration else ()
    page = environment.get_template("report.html.j2").render(
        evaluation=evaluation,
        config=config,
        gallery=gallery,
        things="images" if config.input == "image" else "samples",
        note=PROTOCOL_NOTES[evaluation.protocol],
        origins=ORIGINS,
        figures=_figures(evaluation),
        histogram=plots.histogram(evaluation, held_out),
        detection=[plot for plot in (plots.roc(evaluation), plots.precision_recall(evaluation)) if plot],
        trade_off=_trade_off(evaluation),
        groups=groups(evaluation),
        training=curves.training(metrics),
    )
    with replacing(path) as temporary:
        # file names need not be valid Unicode
        temporary.write_text(page, encoding="utf-8", errors="xmlcharrefreplace")
    return path


def _figures(evaluation: Evaluation) -> list[tuple[str, float, tuple[float, float] | None, str]]:
    """(name, value, interval, explanation) of each figure that could be measured."""
    share = f"{evaluation.f1_all_anomalous or 0:.3f}"
    rows = [
        ("AUROC", "image_auroc", "chance of ranking an anomalous image above a normal one; 0.5 is guessing"),
        ("AUPRC", "auprc", "average precision over all detection rates"),
        ("F1 max", "f1_max", f"best threshold chosen with the labels; flagging everything gives {share}"),
        (
            "FPR at 95% TPR",
            "fpr_at_95_tpr",
            "false alarms when 95% of the anomalies are found; lower is better",
        ),
        ("Pixel AUROC", "pixel_auroc", "of the anomaly maps, over every pixel"),
        ("AUPRO", "aupro", "overlap with each marked defect, up to 30% false pixels"),
    ]
    return [
        (name, getattr(evaluation, key), evaluation.intervals.get(key), text)
        for name, key, text in rows
        if getattr(evaluation, key) is not None
    ]


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


def _score(value: float) -> str:
    return f"{value:#.4g}".rstrip(".").replace("-", "−")


def _rate(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.2g}%" if value < 0.01 else f"{100 * value:.1f}%"


def _png(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def _name(path: str) -> str:
    return PurePath(path).name


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
