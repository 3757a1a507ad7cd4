"""Screens of the verbs, for a console without markup, which shows names as they are."""

from collections.abc import Sequence
from heapq import heappop, heappush
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from algan_ad.data.check import Report
from algan_ad.detectors import Method
from algan_ad.evaluation.commissioning import Commissioning
from algan_ad.evaluation.figures import FIGURES
from algan_ad.evaluation.results import Evaluation
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Skipped
from algan_ad.runtime.model_folder import ModelConfig, ThresholdChange
from algan_ad.runtime.numbers import percent
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.protocols import WORDS
from algan_ad.runtime.self_test import Agreement

SHOWN = 20
LISTED = 1000  # unreadable files
MAPS = {"own": "anomaly maps of the method itself", "attribution": "attributions of the score"}


def show_evaluation(
    console: Console, evaluation: Evaluation, page: Path, commissioning: Commissioning | None = None
) -> None:
    """Print the figures with their intervals, those of each kind of defect, and the path of the page."""
    e = evaluation
    counts = f"{e.n_normal} normal, {e.n_anomalous} anomalous"
    console.print(f"{e.method} on {e.dataset}, protocol {e.protocol}, seed {e.seed}: {counts}", soft_wrap=True)
    table = Table("figure", "value", "95 % interval", box=None)
    for figure, text in e.known(FIGURES):
        ends = [figure.text(end) for end in e.intervals.get(figure.key, ())]
        table.add_row(figure.title, text, " to ".join(ends))
    console.print(table)
    if e.per_defect:
        defects = Table("defect", "images", "AUROC", "detected", box=None)
        for name, result in e.per_defect.items():
            auroc = "-" if result.image_auroc is None else f"{result.image_auroc:.3f}"
            defects.add_row(name, str(result.n), auroc, percent(result.detection_rate))
        console.print(defects)
    if commissioning:
        from algan_ad.report.commissioning import expectation, false_alarms  # matplotlib

        console.print(expectation(commissioning))
        console.print(false_alarms(commissioning))
    console.print(f"report: {page}", soft_wrap=True)


class Predictions:
    """The predictions of a call, as they come: counts, the most anomalous, the first unreadable files; or all."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.n = self.n_anomalous = self.n_skipped = 0
        self.predictions: list[Prediction] = []
        self.skipped: list[Skipped] = []
        self._most: list[tuple[float, int, Prediction]] = []  # a heap; of equal scores the first ones stay

    def add(self, outcome: Prediction | Skipped) -> None:
        if isinstance(outcome, Skipped):
            self.n_skipped += 1
            if self.keep or len(self.skipped) < LISTED:
                self.skipped.append(outcome)
            return
        self.n += 1
        self.n_anomalous += bool(outcome.anomalous)
        if self.keep:
            self.predictions.append(outcome)
        heappush(self._most, (outcome.score, -self.n, outcome))
        if len(self._most) > SHOWN:
            heappop(self._most)

    def show(self, console: Console, out: Path | None) -> None:
        """Print the most anomalous predictions first; the table holds all of them."""
        table = Table("score", "p-value", "decision", "source", box=None)
        for _, _, each in sorted(self._most, reverse=True):
            p_value = "-" if each.p_value is None else f"{each.p_value:.4f}"
            words = {True: "anomalous", False: "normal", None: "-"}[each.anomalous]
            table.add_row(f"{each.score:.4f}", p_value, Text(words, "red" * bool(each.anomalous)), each.source or "-")
        console.print(table)
        if self.n > SHOWN:
            console.print(f"... and {self.n - SHOWN} with lower scores")
        console.print(f"{self.n_anomalous} of {self.n} anomalous, {self.n_skipped} skipped")
        if out is not None:
            console.print(f"all predictions: {out}", soft_wrap=True)


def show_check(console: Console, report: Report) -> None:
    """Print the use of the data, and everything that is odd about it."""
    console.print(f"{report.name} ({report.layout}) in {report.root}, protocol {report.protocol}", soft_wrap=True)
    console.print(f"recognised by {report.looks_like}", soft_wrap=True)
    table = Table("part", "normal", "anomalous", "with mask", box=None)
    for name, part in report.parts.items():
        table.add_row(name, str(part.normal), str(part.anomalous), str(part.with_mask))
    console.print(table)
    for title, counts in (("defects", report.defects), ("sizes", report.sizes), ("modes", report.modes)):
        shown = ", ".join(f"{name}: {n}" for name, n in list(counts.items())[:SHOWN])
        console.print(f"{title}: {shown or 'none'}" + (" ..." if len(counts) > SHOWN else ""), soft_wrap=True)
    if report.groups:
        console.print(f"groups: {report.groups}, each on one side of every split")
    for name, values in report.notes.items():
        more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
        console.print(f"{name}: {', '.join(values[:SHOWN])}{more}", soft_wrap=True)
    for warning in report.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)
    for reason in report.unreadable.values():
        console.print(f"unreadable: {reason}", soft_wrap=True)
    for first, second in report.overlaps:
        console.print(f"same content in training and test: {first} = {second}", soft_wrap=True)
    for first, second in report.copies:
        console.print(f"same content in training and calibration: {first} = {second}", soft_wrap=True)
    if not (report.warnings or report.unreadable or report.overlaps or report.copies):
        console.print("nothing odd was found")


def show_model(console: Console, folder: Path, config: ModelConfig, agreement: Agreement | None = None) -> None:
    """Print the plan with its fixed / derived / user marks, the facts around it, and the outcome of a self-test."""
    facts = Table(show_header=False, box=None)
    facts.add_row("model", str(folder))
    facts.add_row("method", config.method)
    facts.add_row("protocol", f"{config.protocol} ({WORDS[config.protocol].brief})")
    facts.add_row("weights", config.selection)
    if config.maps is not None:
        facts.add_row("maps", MAPS[config.maps])
    facts.add_row("seed", str(config.seed))
    for name, value in config.training.items():
        facts.add_row(name, str(value))
    facts.add_row("made with", ", ".join(f"{name} {version}" for name, version in config.versions.items()))
    console.print(facts)
    if config.calibration is not None:
        console.print(config.calibration.explain(), soft_wrap=True)
    if config.quantisation is not None:
        console.print(config.quantisation.explain(), soft_wrap=True)
    for change in config.threshold_history:
        console.print(_changed(change), soft_wrap=True)
    plan = Table("setting", "value", "origin", "reason", box=None)
    for name, entry in config.plan.items():
        style = None if entry.origin == "fixed" else "bold"
        plan.add_row(name, str(entry.value), entry.origin, entry.reason or "", style=style)
    console.print(plan)
    if agreement is not None:
        console.print(f"self-test passed: {agreement.explain()}", soft_wrap=True)


def _changed(change: ThresholdChange) -> str:
    """One line of the record."""
    return (
        f"threshold changed {change.when:%Y-%m-%d %H:%M} UTC: "
        f"rate {percent(change.old_rate)} to {percent(change.new_rate)}, "
        f"threshold {change.old_threshold:.6g} to {change.new_threshold:.6g}"
        + (f" ({change.reason})" if change.reason else "")
    )


def show_threshold(console: Console, calibration: Calibration) -> None:
    """Print the promise of the threshold, and the other rates that the held-out scores allow."""
    console.print(calibration.explain(), soft_wrap=True)
    kept = "on average approximately" if calibration.also_selected else "on average at most"
    table = Table("wanted", kept, "threshold", "", box=None)
    for each in calibration.choices():
        own = "now" if each == calibration else ""
        table.add_row(percent(each.false_alarm_rate), percent(each.nominal_rate), f"{each.threshold:.6g}", own)
    console.print(table)


def show_methods(console: Console, methods: Sequence[Method]) -> None:
    """Print the methods by family: name, input, way of fitting, output and summary."""
    width = max(len(each.name) for each in methods)
    for family in dict.fromkeys(each.family for each in methods):
        console.print(f"\n{family}")
        for each in methods:
            if each.family == family:
                fitted = "trained by epochs" if each.epochs else "fitted once"
                facts = [_needs(each), fitted, *([] if each.exports else ["not exported"])]
                console.print(f"  {each.name:{width}}  {'; '.join(facts)}; returns {' and '.join(each.returns)}")
                console.print(f"  {'':{width}}  {each.summary}", soft_wrap=True)


def _needs(method: Method) -> str:
    if not method.backbone:
        return f"{method.input}s"
    return "images, a backbone" if method.input == "image" else "vectors, or images and a backbone"
