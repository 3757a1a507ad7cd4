import csv
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.plan import Plan, RunSpec
from algan_ad.benchmark.plan_files import write_folder_plan
from algan_ad.benchmark.report import write_report
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.runtime.errors import InputError

PLAN: dict[str, Any] = {
    "name": "mine", "title": "Two methods", "reference": "Table 5.2", "seeds": [0, 1, 2], "protocols": ["thesis"],
    "methods": [
        {"name": "algan-image", "label": "ALGAN"}, {"name": "ganomaly", "label": "GANomaly"},
        {"name": "alocc", "label": "ALOCC"},
    ],
    "data": [{"name": "mvtec-ad", "categories": ["carpet", "bottle"]}],
    "thesis": {"ALGAN|bottle": "0.948 ± 0.024", "ALGAN|mean": "0.878"},
}  # fmt: skip
Figure = Callable[[RunSpec], float | str | None]


def folder_of(folder: Path, figure: Figure, files: Mapping[str, bytes] | None = None, **changes: Any) -> Path:
    """Results of every run of a plan: an AUROC, the words of a failure, or None for a run not carried out."""
    plan = Plan(**{**PLAN, **changes})
    results = ResultsFolder(folder)
    results.create()
    write_folder_plan(folder, plan)
    for spec, _ in Outcomes(plan, {}).runs():
        value = figure(spec)
        common = {"key": spec.key, "spec": spec, "started": "2026-01-01T00:00:00"}
        if isinstance(value, str):
            results.add(Result(**common, status="failed", error=value), {})
        elif value is not None:
            done = {"image_auroc": value, "auprc": value / 2, "f1_all_anomalous": 0.5 + spec.seed / 10}
            results.add(
                Result(
                    **common, status="done", figures=done, train_seconds=2.0, score_ms_per_image=1.0, n_parameters=7
                ),
                files or {},
            )
    return folder


def by_method(spec: RunSpec) -> float:
    base = {"ALGAN": 0.9, "GANomaly": 0.7, "ALOCC": 0.6}[spec.label]
    return base + 0.01 * spec.seed + (0.05 if spec.category == "bottle" else 0.0)


def figures(folder: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    write_report(folder)
    with (folder / "tables.csv").open(encoding="utf-8") as file:
        return {(row["table"], row["row"], row["column"]): row for row in csv.DictReader(file)}


def test_means_spreads_and_the_thesis_beside_them(tmp_path: Path) -> None:
    found = figures(folder_of(tmp_path, by_method))
    bottle = found["AUROC", "bottle", "ALGAN"]
    assert float(bottle["mean"]) == pytest.approx(0.96)
    assert float(bottle["sd"]) == pytest.approx(0.01)  # 0.95, 0.96, 0.97
    assert (bottle["seeds"], bottle["planned"], bottle["thesis"], bottle["mark"]) == ("3", "3", "0.948 ± 0.024", "")
    mean = found["AUROC", "mean", "ALGAN"]
    assert float(mean["mean"]) == pytest.approx(0.935)
    assert float(mean["sd"]) == pytest.approx(0.01)  # of the means of each seed, not of the categories
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| bottle | **0.960 ± 0.010** (0.948 ± 0.024) | 0.760 ± 0.010 | 0.660 ± 0.010 |" in text


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    found = figures(folder_of(tmp_path, by_method))
    row = found["ALGAN against each method", "GANomaly", "difference"]
    assert float(row["mean"]) == pytest.approx(0.2)
    assert float(row["high"]) - float(row["low"]) == pytest.approx(0, abs=1e-9)  # seeds move both alike


def test_a_mean_over_fewer_seeds_is_marked_and_the_failure_listed(tmp_path: Path) -> None:
    def one_fails(spec: RunSpec) -> float | str:
        return (
            "TrainingDiverged: NaN"
            if (spec.label, spec.seed, spec.category) == ("ALOCC", 1, "bottle")
            else by_method(spec)
        )

    found = figures(folder_of(tmp_path, one_fails))
    cell = found["AUROC", "bottle", "ALOCC"]
    assert (cell["mark"], cell["seeds"], cell["planned"]) == ("†", "2", "3")
    assert float(cell["mean"]) == pytest.approx(0.66)  # 0.65 and 0.67
    mean = found["AUROC", "mean", "ALOCC"]
    assert (mean["mark"], mean["seeds"]) == ("†", "2")  # seed 1 lacks a category, so that it has no mean
    assert float(mean["mean"]) == pytest.approx(0.635)
    assert found["AUROC", "bottle", "ALGAN"]["mark"] == ""
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "ALOCC on mvtec-ad/bottle, thesis, seed 1" in page
    assert "TrainingDiverged: NaN" in page
    assert "† fewer seeds than planned" in page
    assert "17 done, 1 failed" in page


def test_a_method_without_any_result_stays_in_the_table_and_out_of_the_ranks(tmp_path: Path) -> None:
    found = figures(folder_of(tmp_path, lambda spec: None if spec.label == "ALOCC" else by_method(spec)))
    assert found["AUROC", "bottle", "ALOCC"]["seeds"] == "0"
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no seed has a result of every method" in page
    assert "6 not run" in page
    assert "Average ranks" not in page


def test_ranks_and_times_compare_what_both_have(tmp_path: Path) -> None:
    """GANomaly, the second, was done on the best seed alone; a mean over its own seeds would make it the first."""

    def one_lucky_run(spec: RunSpec) -> float | str:
        if spec.label == "GANomaly" and spec.seed != 2:
            return "lost"
        return {"ALGAN": 0.6, "GANomaly": 0.55, "ALOCC": 0.5}[spec.label] + 0.3 * (spec.seed == 2)

    found = figures(folder_of(tmp_path, one_lucky_run))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "over the seeds that all methods have" in page
    assert "ALGAN  1.00" in page
    assert found["Time and memory", "GANomaly", "training, s"]["mark"] == "†"
    assert found["Time and memory", "ALGAN", "training, s"]["mark"] == ""


def test_ranks_over_categories(tmp_path: Path) -> None:
    write_report(folder_of(tmp_path, by_method))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "ALGAN  1.00" in page
    assert "3.00  ALOCC" in page
    assert "Accuracy against time" in page


def test_one_seed_claims_no_spread(tmp_path: Path) -> None:
    found = figures(folder_of(tmp_path, by_method, seeds=[4]))
    assert found["AUROC", "bottle", "ALGAN"]["sd"] == "nan"
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| bottle | 0.990 (0.948 ± 0.024) |" in text
    assert "seed 4 alone: no spread is known" in text
    assert "no differences with intervals" in text


def test_noise_is_not_bold(tmp_path: Path) -> None:
    def noisy(spec: RunSpec) -> float:
        level = {"ALGAN": 0.9, "GANomaly": 0.89, "ALOCC": 0.6}[spec.label]
        return level + {"ALGAN": 0.01, "GANomaly": -0.02, "ALOCC": 0.0}[spec.label] * (-1) ** spec.seed

    write_report(folder_of(tmp_path, noisy, thesis={}))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| bottle |"))
    assert [cell.strip().startswith("**") for cell in row.split("|")[2:-1]] == [True, True, False]
    assert "Bold: the best and all that do not differ from it" in text


def test_nothing_is_bold_where_nothing_differs(tmp_path: Path) -> None:
    write_report(folder_of(tmp_path, lambda spec: 0.9 + 0.01 * ((spec.seed * 7 + len(spec.label)) % 3), thesis={}))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "**" not in text
    assert "Nothing is bold" in text


def test_two_seeds_have_no_interval(tmp_path: Path) -> None:
    """Student's t with one degree of freedom gave intervals up to +3.0."""

    def jumping(spec: RunSpec) -> float:
        return 0.5 + (0.4 if (spec.label == "ALGAN") == (spec.seed == 0) else 0.0)

    found = figures(folder_of(tmp_path, jumping, seeds=[0, 1]))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "With fewer than three seeds in common there are no differences with intervals" in text
    assert "high" not in found["AUROC", "bottle", "ALGAN"]


def test_no_interval_leaves_what_is_possible(tmp_path: Path) -> None:
    def jumping(spec: RunSpec) -> float:
        return float((spec.label == "ALGAN") == (spec.seed == 0))

    found = figures(folder_of(tmp_path, jumping))
    row = found["ALGAN against each method", "GANomaly", "difference"]
    assert (float(row["low"]), float(row["high"])) == (-1, 1)
    assert 0 <= float(found["AUROC", "bottle", "ALGAN"]["low"]) <= float(found["AUROC", "bottle", "ALGAN"]["high"]) <= 1


def test_every_cell_names_its_column(tmp_path: Path) -> None:
    """On a phone, where a table is too wide, a row is a list of its cells."""
    write_report(folder_of(tmp_path, by_method))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('data-column="GANomaly"') >= 3
    assert page.count("<td ") == page.count('<td class="number" data-column=')


def test_protocols_are_kept_apart_and_named(tmp_path: Path) -> None:
    def better_with_labels(spec: RunSpec) -> float:
        return by_method(spec) + (0.02 if spec.protocol == "thesis" else 0.0)

    write_report(folder_of(tmp_path, better_with_labels, protocols=["normal-only", "thesis"]))
    with (tmp_path / "tables.csv").open(encoding="utf-8") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if (row["table"], row["row"], row["column"]) == ("AUROC", "bottle", "ALGAN")
        ]
    assert {row["protocol"]: round(float(row["mean"]), 3) for row in rows} == {"normal-only": 0.96, "thesis": 0.98}
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Detection (protocol normal-only)" in text
    assert "Labelled test-half data selected the checkpoint" in text


def test_results_of_other_settings_take_no_part(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, by_method)
    changed = {**PLAN, "methods": [{"name": "algan-image", "label": "ALGAN", "settings": {"width": 8}}]}
    write_folder_plan(folder, Plan(**changed))
    found = figures(folder)
    assert found["AUROC", "bottle", "ALGAN"]["seeds"] == "0"
    assert "18 lines there belong to other settings" in (folder / "report.html").read_text(encoding="utf-8")


def test_one_data_set_puts_methods_into_rows(tmp_path: Path) -> None:
    found = figures(folder_of(tmp_path, by_method_anywhere, data=[{"name": "demo"}], scale="small"))
    row = found["demo", "ALGAN", "AUROC"]
    assert row["thesis"] == "0.878"  # the thesis has no such data set: its mean stands beside
    assert float(found["demo", "ALGAN", "AUPRC"]["mean"]) == pytest.approx(0.455)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Small scale" in page
    assert "To flag everything has an F1 of 0.600." in page  # 0.5, 0.6 and 0.7


def by_method_anywhere(spec: RunSpec) -> float:
    return {"ALGAN": 0.9, "GANomaly": 0.7, "ALOCC": 0.6}.get(spec.label, 0.5) + 0.01 * spec.seed


def test_labels_with_a_bar_make_a_grid(tmp_path: Path) -> None:
    methods = [{"name": "algan-image", "label": f"α = {a} | ξ = {x}", "settings": {"alpha": a, "xi": x}}
               for a in (0.25, 0.5) for x in (0.5, 0.75)]  # fmt: skip
    found = figures(folder_of(tmp_path, by_method_anywhere, methods=methods, data=[{"name": "demo"}]))
    assert {key[1:] for key in found if key[0] == "AUROC"} == {
        (f"α = {a}", f"ξ = {x}") for a in (0.25, 0.5) for x in (0.5, 0.75)
    }


def test_random_weights_are_called_random(tmp_path: Path) -> None:
    settings = {"backbone": "squeezenet1_1", "backbone_weights": "random"}
    methods = [{"name": "algan-feature", "label": "ALGAN-feature", "settings": settings}]
    write_report(folder_of(tmp_path, by_method_anywhere, methods=methods, data=[{"name": "demo"}]))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "RANDOM weights" in page
    assert "ALGAN-feature" in page


def test_page_refers_to_nothing_outside(tmp_path: Path) -> None:
    write_report(folder_of(tmp_path, by_method))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert set(re.findall(r"(?<![&\w])#[0-9a-f]{6}\b", page.split("</style>")[1])) == set()  # dark mode has its say


def test_a_folder_without_plan_or_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"plan\.json"):
        write_report(tmp_path)
    with pytest.raises(InputError, match="no results yet"):
        write_report(folder_of(tmp_path, lambda spec: None))


def test_histograms_and_curves_from_kept_files(tmp_path: Path) -> None:
    scores = tmp_path / "scores.npz"
    np.savez_compressed(scores, labels=[0, 0, 1], scores=[0.1, 0.2, 0.9])
    metrics = "\n".join(json.dumps({"epoch": e, "validation_auroc": 0.5 + e / 100}) for e in range(1, 9))
    kept = {"scores.npz": scores.read_bytes(), "metrics.jsonl": metrics.encode()}
    for kind, title in (("histograms", "Raw scores"), ("curves", "Validation results during training")):
        folder = folder_of(tmp_path / kind, by_method_anywhere, kept, data=[{"name": "demo"}], kind=kind)
        assert title in write_report(folder).read_text(encoding="utf-8")
    rows = figures(tmp_path / "curves")
    # epochs 5 to 8: 0.55, 0.56, 0.57, 0.58 have the standard deviation 0.01 sqrt(5 / 4)
    assert float(rows["Stability", "ALGAN", "movement"]["mean"]) == pytest.approx(0.01 * (5 / 4) ** 0.5)


def test_what_a_method_cannot_measure_is_no_missing_run(tmp_path: Path) -> None:
    """Methods without maps have no pixel figures, which is no failure."""
    folder = folder_of(tmp_path, by_method_anywhere, data=[{"name": "demo"}])
    results = ResultsFolder(folder)
    for result in results.read().values():
        if result.spec.label == "ALGAN":
            changed = {**dict(result), "figures": {**result.figures, "pixel_auroc": 0.5}}
            line = Result(**changed).model_dump_json() + "\n"
            lines = [x for x in results.path.read_text().splitlines() if json.loads(x)["key"] != result.key]
            results.path.write_text("\n".join([*lines, line]))
    write_report(folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| GANomaly | 0.7"))
    assert row.endswith("| – |")
    assert "†" not in text


def test_no_mean_over_rows_that_cannot_be_measured(tmp_path: Path) -> None:
    """Pixel figures on one of two data sets: no mean, and no sign of a missing run."""
    folder = folder_of(tmp_path, by_method)
    results = ResultsFolder(folder)
    lines = []
    for result in results.read().values():
        pixels = {"pixel_auroc": 0.5} if result.spec.category == "bottle" else {}
        lines.append(Result(**{**dict(result), "figures": {**result.figures, **pixels}}).model_dump_json())
    results.path.write_text("\n".join(lines) + "\n")
    found = figures(folder)
    assert found["pixel AUROC", "bottle", "ALGAN"]["mean"] == "0.5"
    assert ("pixel AUROC", "mean", "ALGAN") not in found
    assert "†" not in (folder / "report.md").read_text(encoding="utf-8")


def test_the_mathematics_of_a_label_is_left_alone(tmp_path: Path) -> None:
    methods = [{"name": "algan-image", "label": label} for label in (r"x $\foo$", "b_1$", "c")]
    write_report(folder_of(tmp_path, lambda spec: 0.5 + 0.1 * spec.seed, methods=methods, thesis={}))
    assert r"x $\foo$" in (tmp_path / "report.html").read_text(encoding="utf-8")
