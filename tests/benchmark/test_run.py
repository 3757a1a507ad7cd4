import csv
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from algan_ad.benchmark.division import load_samples
from algan_ad.benchmark.job import Job
from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.plan_files import read_folder_plan, read_plan
from algan_ad.benchmark.report import write_report
from algan_ad.benchmark.results import Result, ResultsFolder
from algan_ad.benchmark.run import Summary, run_plan
from algan_ad.benchmark.run_job import failures, run_job
from algan_ad.benchmark.sources import Sources
from algan_ad.detectors import METHODS
from algan_ad.runtime.errors import InputError, MissingExtra

Write = Callable[[str], Path]


def _run(plan: Path, data: Path, out: Path, **options: object) -> Summary:
    return run_plan(read_plan(plan).at("full"), Sources(data), out, workers=0, **options)  # type: ignore[arg-type]


def _results(out: Path) -> list[Result]:
    return list(ResultsFolder(out).read().values())


def test_every_run_leaves_a_line_with_all_that_is_known_of_it(quick: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = _run(quick, data, out)
    assert (len(summary.done), summary.failed, summary.carried_out) == (4, (), 4)
    for result in _results(out):
        assert result.status == "done"
        assert result.figures["image_auroc"] > 0.9
        low, high = result.intervals["image_auroc"]
        assert low <= result.figures["image_auroc"] <= high
        assert result.figures["pixel_auroc"] is None
        assert result.figures["realised_false_alarm_rate"] is not None
        # 36 of 60 normals train, of which 7 calibrate.
        assert (result.n_train, result.n_normal, result.n_anomalous) == (29, 24, 12)
        assert result.train_seconds >= 0
        assert result.score_ms_per_image > 0
        assert result.peak_mb > 10
        assert result.machine["threads"] == 1
        assert result.versions["torch"]
        assert result.git.keys() == {"commit", "dirty"}
        assert result.key == result.spec.key


def test_threads_are_set_and_recorded(quick: Path, data: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            _run(quick, data, tmp_path / str(threads), threads=threads)
            assert {result.machine["threads"] for result in _results(tmp_path / str(threads))} == {threads}
    finally:
        torch.set_num_threads(before)
    with pytest.raises(InputError, match="threads=0"):
        _run(quick, data, tmp_path / "none", threads=0)


def test_the_same_run_gives_the_same_figures(quick: Path, data: Path, tmp_path: Path) -> None:
    _run(quick, data, tmp_path / "a")
    _run(quick, data, tmp_path / "b")
    first, second = _results(tmp_path / "a"), _results(tmp_path / "b")
    assert [each.figures for each in first] == [each.figures for each in second]


def test_what_is_done_is_never_run_again(quick: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run(quick, data, out)
    before = (out / "results.jsonl").read_bytes()
    assert _run(quick, data, out).carried_out == 0
    lines = before.splitlines(keepends=True)
    (out / "results.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:50])
    assert _run(quick, data, out).carried_out == 2
    assert (out / "results.jsonl").read_bytes().startswith(b"".join(lines[:2]))


def test_a_failure_is_recorded_and_tried_again_only_when_asked(write_plan: Write, data: Path, tmp_path: Path) -> None:
    plan = write_plan(
        'title = "t"\nseeds = [0]\n[[methods]]\nname = "knn"\n[[data]]\nname = "scant"\n[[data]]\nname = "made"\n'
    )
    out = tmp_path / "out"
    summary = _run(plan, data, out)
    assert (len(summary.done), len(summary.failed)) == (1, 1)
    failed = _results(out)[0]
    assert failed.status == "failed"
    assert "scant.npz" in str(failed.error)
    assert _run(plan, data, out).carried_out == 0
    again = _run(plan, data, out, retry_failed=True)
    assert (again.carried_out, len(again.failed)) == (1, 1)
    assert len((out / "results.jsonl").read_text().splitlines()) == 3


def test_nothing_is_run_of_a_plan_with_a_mistake(write_plan: Write, data: Path, tmp_path: Path) -> None:
    plan = write_plan(
        'title = "t"\nseeds = [0]\n[[methods]]\nname = "knn"\n[[data]]\nname = "made"\n[[data]]\nname = "mtd"\n'
    )
    with pytest.raises(InputError, match="'mtd': missing"):
        _run(plan, data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_kept_files(write_plan: Write, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write_plan(
        'title = "t"\nseeds = [0]\nkeep = ["scores", "metrics", "examples"]\n[[methods]]\nname = "algan-vector"\n'
        'settings = { epochs = 2, hidden = 8, z_dim = 4, batch_size = 8 }\n[[data]]\nname = "made"\n'
    )
    _run(plan, data, tmp_path / "out")
    assert "kept no" not in capsys.readouterr().err
    folder = tmp_path / "out" / "files" / _results(tmp_path / "out")[0].key
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.jsonl", "scores.npz"]
    assert [json.loads(line)["epoch"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    with np.load(folder / "scores.npz") as kept:
        assert kept["labels"].sum() == 12
        assert kept["scores"].shape == (36,)
    shutil.rmtree(folder)
    _run(plan, data, tmp_path / "out")
    assert "1 runs done earlier kept no scores" in capsys.readouterr().err


def test_a_plan_keeps_the_categories_that_only_its_folder_tells(write_plan: Write, tmp_path: Path) -> None:
    """So that a report on the first of them does not pass for one on all."""
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.repeat([0, 1], [50, 10])
    (tmp_path / "tabular").mkdir()
    for name in ("4_cardio", "12_glass"):
        np.savez(tmp_path / "tabular" / f"{name}.npz", X=X, y=y)
    plan = write_plan('title = "t"\nseeds = [0]\n[[methods]]\nname = "knn"\n[[data]]\nname = "tabular"\n')
    _run(plan, tmp_path, tmp_path / "out")
    assert read_folder_plan(tmp_path / "out").data[0].categories == ("glass", "cardio")


def test_words_that_are_no_text_do_not_stop_a_result(data: Path, tmp_path: Path) -> None:
    """A file name of bytes that are no UTF-8, in the reason of a failure."""
    result = failures(Job((_spec("made"),), Sources(data)), "Gr\udcfcn.png: cannot be read")[0].result
    results = ResultsFolder(tmp_path)
    results.create()
    results.add(result, {})
    assert results.read()[result.key].error == "Gr?n.png: cannot be read"


def test_a_device_that_is_not_here_is_a_failure_in_words(data: Path) -> None:
    job = Job((_spec("made"),), Sources(data), device="mps")
    assert "not available" in str(run_job(job)[0].result.error)
    assert failures(job, "the worker died")[0].result.machine == {}


def test_a_device_that_is_not_here_is_refused_before_anything_is_written(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no run counts as failed, and the same command can be given on a machine that has it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device='cuda': not available here"):
        run_plan(read_plan("thesis/table-5.4"), Sources(data), tmp_path / "out", workers=0, device="cuda")
    assert not (tmp_path / "out").exists()


def test_without_ray_the_extra_is_named(
    quick: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"algan-ad\[benchmark\]"):
        run_plan(read_plan(quick), Sources(data), tmp_path / "out", workers=1)


def _spec(dataset: str, category: str | None = None, seed: int = 0, **data_settings: object) -> RunSpec:
    return RunSpec(
        plan="p", method="knn", label="k", settings={}, dataset=dataset, data_settings=data_settings,
        category=category, seed=seed, protocol="normal-only", scale="full",
    )  # fmt: skip


def _knn() -> object:
    return METHODS["knn"](METHODS["knn"].Config(), "cpu")


def test_vectors_are_divided_without_overlap_and_all_normals_train_where_none_is_held_out(data: Path) -> None:
    held = load_samples(_spec("made"), data / "made.npz", _knn())
    whole = load_samples(_spec("made", calibration_fraction=0), data / "made.npz", _knn())
    assert whole.calibration is None
    assert len(whole.data.train) == 36
    rows = [*np.asarray(held.data.train), *np.asarray(held.calibration), *np.asarray(held.test)]
    assert len({row.tobytes() for row in rows}) == 72
    assert np.asarray(held.data.train)[:, 0].max() < 3  # no odd row among them
    few = load_samples(_spec("made", max_train=10, max_test=8), data / "made.npz", _knn())
    assert len(few.data.train) + len(few.calibration) == 10
    assert few.labels.tolist() == [0] * 4 + [1] * 4


def test_images_are_limited_by_class_and_known_ones_left_out(parts: Path) -> None:
    (parts / "test" / "good" / "copy.png").write_bytes((parts / "train" / "good" / "000.png").read_bytes())
    spec = _spec(parts.name, max_train=8).model_copy(update={"method": "algan-image"})
    detector = METHODS["algan-image"](METHODS["algan-image"].Config(image_size=32, width=4), "cpu")
    whole = load_samples(spec.model_copy(update={"data_settings": {}}), parts, detector)
    assert whole.notes["left_out"] == [str(parts / "test" / "good" / "copy.png")]
    assert (len(whole.data.train), len(whole.calibration), len(whole.test)) == (24, 6, 18)
    few = load_samples(spec.model_copy(update={"data_settings": {"max_train": 8, "max_test": 6}}), parts, detector)
    assert (len(few.data.train), few.labels.sum(), len(few.labels)) == (8, 3, 6)


def test_no_guarantee_where_the_calibration_normals_chose_the_epoch(pristine_parts: Path) -> None:
    settings = {"image_size": 32, "width": 4, "epochs": 1, "batch_size": 8}
    spec = _spec(pristine_parts.name).model_copy(update={"method": "algan-image", "settings": settings})
    for protocol, guaranteed in (("normal-only", 1 / 7), ("thesis", None)):
        job = Job((spec.model_copy(update={"protocol": protocol}),), Sources(pristine_parts.parent), device="cpu")
        result = run_job(job)[0].result
        assert result.status == "done", result.error
        assert result.figures["guaranteed_false_alarm_rate"] == guaranteed
        assert result.figures["realised_false_alarm_rate"] is not None


@pytest.mark.shared
def test_figures_are_those_of_pyods_published_table(shared: Path, tmp_path: Path) -> None:
    """One of the four sets of plan pyod: KNN, LOF and OCSVM over its ten divisions, to the four digits of roc.csv."""
    plan = read_plan("pyod").at("full")
    one = plan.model_copy(update={"data": (plan.data[0].model_copy(update={"categories": ("ionosphere",)}),)})
    run_plan(one, Sources(shared / "data"), tmp_path / "out", workers=0)
    with (shared / "data" / "pyod" / "roc.csv").open(encoding="utf-8") as file:
        (published,) = [row for row in csv.DictReader(file) if row["Data"] == "ionosphere"]
    for method in ("knn", "lof", "ocsvm"):
        found = [r.figures["image_auroc"] for r in _results(tmp_path / "out") if r.spec.method == method]
        assert len(found) == 10
        assert abs(np.mean(found) - float(published[method.upper()])) < 0.0002
    page = write_report(tmp_path / "out").read_text(encoding="utf-8")
    assert "Anomalies were among the training data" in page
    assert "protocol pyod</span>" in page
    assert "Protocol pyod: anomalies are among the training data" in (tmp_path / "out/report.md").read_text()
    assert "No anomalous example took part" not in page
