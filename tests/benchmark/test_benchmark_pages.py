"""The pages that carry out runs of their own, each with seconds of work, from the run to its section of the report."""

from pathlib import Path
from typing import Any

import pytest

from algan_ad.benchmark.job import Job
from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.pages import DRAWN, PAGES, timing
from algan_ad.benchmark.plan import Plan
from algan_ad.benchmark.plan_check import runs
from algan_ad.benchmark.plan_files import read_plan, write_folder_plan
from algan_ad.benchmark.report import write_report
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.benchmark.run_job import run_job
from algan_ad.benchmark.sources import Sources
from algan_ad.data.catalog import MVTEC_CATEGORIES
from algan_ad.report.benchmark import Section

TINY = {"image_size": 32, "width": 4, "z_dim": 8, "epochs": 2, "batch_size": 8}


@pytest.fixture
def make(tmp_path: Path, pristine_parts: Path) -> Any:
    """Carry out the one run of a page's plan and write its report: the figures, the sections, the page."""

    def run(page: str, method: str, settings: dict[str, Any], data: bool = False, **changes: Any) -> Any:
        name = pristine_parts.name if data else "none"
        plan = Plan(
            name="mine", title="T", kind=page, page=page, seeds=(0,), protocols=("thesis" if data else "normal-only",),
            methods=({"name": method, "label": "it", "settings": settings},), data=({"name": name},), **changes,
        )  # fmt: skip
        sources = Sources(pristine_parts.parent)
        (spec,) = runs(plan, sources)
        (output,) = run_job(Job((spec,), sources, plan.page, plan.keep, "cpu"))
        assert output.result.error is None
        folder = ResultsFolder(tmp_path)
        folder.create()
        write_folder_plan(tmp_path, plan)
        folder.add(output.result, output.files)
        sections: list[Section] = DRAWN[page](Outcomes(plan, folder.read()), tmp_path / "files")
        return output.result, sections, write_report(tmp_path).read_text(encoding="utf-8")

    return run


def test_every_page_that_runs_is_drawn() -> None:
    assert PAGES.keys() <= DRAWN.keys()


def test_latents_overlap_as_the_thesis_says(make: Any) -> None:
    result, sections, _ = make("latents", "-", {"n": 20000})
    overlap = result.figures
    # (c) has no overlap, (b) less than (a) (5.9); of N(0, 1) and N(0, 16) 0.41 are common: they cross at |z| = 1.72
    assert overlap["overlap/uniform"] == 0
    assert 0 < overlap["overlap/truncated-normal"] < 0.1
    assert overlap["overlap/normal"] == pytest.approx(0.42, abs=0.03)
    assert len(sections[0].plots) == 3


def test_toy_surrounds_the_normal_data(make: Any) -> None:
    result, sections, page = make("toy", "algan-vector", {"epochs": 6, "hidden": 32, "batch_size": 64, "lr_d": 1e-3})
    assert result.figures["sd/fake-anomalous"] > 1.5 * result.figures["sd/fake-normal"]
    assert len(sections[0].plots) == 2
    assert "real-normal" in page


def test_counts_of_the_folder_are_shown_below_the_thesis_s(make: Any) -> None:
    result, sections, _ = make("counts", "-", {}, data=True)
    assert (result.n_train, result.n_normal, result.n_anomalous) == (30, 10, 8)
    thesis, disk = sections[0].tables
    assert [cell.text for cell in dict(thesis.rows)["total"]] == ["3629", "467", "1258"]  # as Table 5.1 adds them up
    assert [cell.text for cell in disk.rows[0][1]] == ["30", "10", "8"]


def test_a_category_with_images_missing_is_named(tmp_path: Path) -> None:
    plan = read_plan("thesis/table-5.1")
    found = {}
    for spec, _ in Outcomes(plan, {}).runs()[:2]:
        counts = MVTEC_CATEGORIES[str(spec.category)].counts
        found[spec.key] = Result(
            key=spec.key, spec=spec, status="done", n_train=counts.train - (spec.category == "grid"),
            n_normal=counts.normal, n_anomalous=counts.anomalous, started="now",
        )  # fmt: skip
    _, disk = DRAWN["counts"](Outcomes(plan, found), tmp_path)[0].tables
    assert "They differ in grid." in disk.caption
    assert [(cell.text, cell.beside) for _, cells in disk.rows for cell in cells[:1]] == [
        ("280", "280"),
        ("263", "264"),
    ]


def test_cut_paste_shows_the_images_before_and_after(make: Any) -> None:
    result, sections, _ = make("cut-paste", "algan-image", {"image_size": 32}, data=True)
    assert result.n_normal == 5  # the test half of ten
    before, after = sections[0].pictures
    assert before.png != after.png


def test_robustness_judges_as_many_made_up_as_real_anomalies(make: Any) -> None:
    result, sections, _ = make("robustness", "algan-image", TINY, data=True)
    assert (result.n_normal, result.n_anomalous) == (5, 4)
    made_up = {key: value for key, value in result.figures.items() if key != "image_auroc"}
    assert list(made_up) == ["σ = 5", "σ = 6", "σ = 7", "σ = 8", "CutPaste-style"]
    assert all(0 <= value <= 1 for value in made_up.values())
    assert len(sections[0].pictures) == 5


def test_all_methods_are_timed_in_turn_and_a_failing_one_is_shown(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from algan_ad.detectors.ganomaly import Ganomaly

    def broken(*_: Any) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(Ganomaly, "fit", broken)
    settings = {
        "epochs": 1, "train_rounds": 2, "warm_up": 1, "rounds": 3, "settings": TINY,
        "contestants": [
            {"name": "algan-image", "label": "ALGAN-image", "settings": {"epochs": 10}},
            {"name": "alocc", "label": "ALOCC"}, {"name": "ganomaly", "label": "GANomaly"},
        ],
    }  # fmt: skip
    thesis = {"ALGAN-image|ms": "10.6", "ALOCC|ms": "577.8"}
    result, sections, page = make("timing", "-", settings, data=True, thesis=thesis)
    assert result.figures["ALGAN-image/ms_1"] > 0
    assert result.figures["ALOCC/p95_16"] >= result.figures["ALOCC/ms_16"] > 0
    assert result.notes == {"GANomaly": "RuntimeError: no memory"}
    prediction, training = sections[0].tables
    rows = dict(prediction.rows)
    assert rows["ALOCC"][-1].text == "577.8 (× 55)"
    assert rows["ALGAN-image"][2].text == "1"
    assert rows["GANomaly"][0].text == "failed"
    assert [cell.text for cell in dict(training.rows)["ALGAN-image"][1:3]] == ["1", "10"]
    assert "no memory" in page


def test_time_of_all_epochs_is_worked_out_from_those_measured() -> None:
    of = {"fit": [5.0, 7.0, 6.0], "loop": [4.0, 4.0, 4.0], "epochs": 2, "full_epochs": 20, "error": None,
          "ms/1": [1.0, 2.0, 3.0], "ms/16": []}  # fmt: skip
    found = timing.summary(of)
    assert found["fit_s"] == 6.0
    assert found["full_s"] == pytest.approx(2 + 4 * 10)  # 2 s are spent once, 4 s in 2 of 20 epochs
    assert found["ms_1"] == 2.0
    assert "ms_16" not in found
    once = timing.summary({**of, "epochs": None, "full_epochs": None})
    assert once["full_s"] == 6.0


def test_timing_refuses_what_cannot_be_timed(pristine_parts: Path) -> None:
    contestants = [{"name": "nothing"}, {"name": "alocc", "settings": {"width": 0}}]
    plan = Plan(
        name="mine", title="T", page="timing", seeds=(0,), data=({"name": pristine_parts.name},),
        methods=({"name": "-", "settings": {"contestants": contestants}},),
    )  # fmt: skip
    sources = Sources(pristine_parts.parent)
    (spec,) = runs(plan, sources)
    result = run_job(Job((spec,), sources, plan.page, plan.keep, "cpu"))[0].result
    assert result.status == "failed"
    assert result.error is not None
    assert "nothing" in result.error
    assert "width" in result.error
