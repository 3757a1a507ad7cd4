"""Only samples that a model has not seen are measured, and those left out are reported."""

import os
import re
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from algan_ad.cli.show import show_evaluation
from algan_ad.detectors.algan_image import AlganImageConfig
from algan_ad.detectors.algan_vector import AlganVectorConfig
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.evaluation.results import read_evaluation
from algan_ad.runtime.errors import InputError
from algan_ad.workflows.evaluate import evaluate, remove_reports, report, report_folder
from algan_ad.workflows.model import Model
from algan_ad.workflows.train import train

Err = pytest.CaptureFixture[str]


def test_own_test_part(image_model: Model, pristine_parts: Path, capsys: Err) -> None:
    found = evaluate(image_model, pristine_parts)
    assert (found.n_normal, found.n_anomalous, found.n_left_out) == (10, 8, 0)
    assert (found.method, found.protocol, found.seed) == ("algan-image", "normal-only", 0)
    assert found.dataset == pristine_parts.name
    assert "left out" not in capsys.readouterr().err
    labels = [int("hole" in image.path) for image in found.images]
    scores = image_model.score([image.path for image in found.images])
    np.testing.assert_allclose([image.score for image in found.images], scores, rtol=1e-4)
    assert found.image_auroc == pytest.approx(image_auroc(labels, scores))
    assert [image.label for image in found.images] == labels
    assert found.per_defect["hole"].n == 8


def test_seen_content_under_another_name_is_left_out_and_counted(
    image_model: Model, parts: Path, pristine_parts: Path, capsys: Err
) -> None:
    shutil.copy(parts / "train/good/003.png", parts / "test/good/new part.png")
    shutil.copy(parts / "train/good/004.png", parts / "test/hole/bad part.png")
    found = evaluate(image_model, parts)
    assert "2 of 20 test images were left out: the model was made with them" in capsys.readouterr().err
    assert found.n_left_out == found.summary()["n_left_out"] == 2
    assert (found.n_normal, found.n_anomalous) == (10, 8)
    assert found.image_auroc == evaluate(image_model, pristine_parts).image_auroc


def test_renamed_and_moved_training_folder_is_still_known(image_model: Model, parts: Path, capsys: Err) -> None:
    for path in list((parts / "train/good").iterdir()):
        path.rename(parts / "test/good" / f"zz {path.name}")
    shutil.copy(parts / "test/good/000.png", parts / "train/good/fresh.png")
    found = evaluate(image_model, parts)
    assert "30 of 48 test images were left out" in capsys.readouterr().err
    assert found.n_normal == 10


def test_another_folder_is_tested_in_full(image_model: Model, pristine_parts: Path, tmp_path: Path) -> None:
    flat = tmp_path / "new batch"
    shutil.copytree(pristine_parts / "test/good", flat / "good")
    shutil.copytree(pristine_parts / "test/hole", flat / "hole")
    found = evaluate(image_model, flat)
    assert found.dataset == "new batch"
    assert (found.n_normal, found.n_anomalous) == (10, 8)
    assert found.image_auroc == evaluate(image_model, pristine_parts).image_auroc


def test_one_class_alone_still_has_a_false_alarm_rate(image_model: Model, pristine_parts: Path, tmp_path: Path) -> None:
    shutil.copytree(pristine_parts / "test/good", tmp_path / "good")
    found = evaluate(image_model, tmp_path)
    assert (found.n_normal, found.n_anomalous, found.image_auroc) == (10, 0, None)
    assert found.realised_false_alarm_rate is not None
    report(image_model, found, tmp_path / "report")
    assert (tmp_path / "report/report.html").exists()


def test_flat_folder_keeps_some_good_ones_for_the_test(pristine_parts: Path, tmp_path: Path, capsys: Err) -> None:
    shutil.copytree(pristine_parts / "train/good", tmp_path / "good")
    shutil.copytree(pristine_parts / "test/hole", tmp_path / "hole")
    model = train(
        tmp_path, "algan-image", config=AlganImageConfig(image_size=32, width=4, epochs=1, batch_size=8), seed=3
    )
    capsys.readouterr()
    found = evaluate(model, tmp_path)
    assert (found.n_normal, found.n_anomalous) == (6, 8)
    assert "24 of 38 test images were left out" in capsys.readouterr().err


def test_what_a_flat_folder_has_gained_is_tested_whole(pristine_parts: Path, tmp_path: Path) -> None:
    """The six good images that were kept for the test still are, whatever another draw of a fifth would be."""
    shutil.copytree(pristine_parts / "train/good", tmp_path / "good")
    shutil.copytree(pristine_parts / "test/hole", tmp_path / "hole")
    model = train(
        tmp_path, "algan-image", config=AlganImageConfig(image_size=32, width=4, epochs=1, batch_size=8), seed=3
    )
    for path in (pristine_parts / "test/good").iterdir():
        shutil.copy(path, tmp_path / "good" / f"new {path.name}")
    found = evaluate(model, tmp_path)
    assert (found.n_normal, found.n_anomalous) == (6 + 10, 8)


def test_one_copied_training_image_does_not_make_a_folder_the_models_own(
    image_model: Model, pristine_parts: Path, tmp_path: Path
) -> None:
    shutil.copytree(pristine_parts / "test/good", tmp_path / "good")
    shutil.copytree(pristine_parts / "test/hole", tmp_path / "hole")
    shutil.copy(pristine_parts / "train/good/003.png", tmp_path / "good/new.png")
    found = evaluate(image_model, tmp_path)
    assert (found.n_normal, found.n_anomalous) == (10, 8)


def test_thesis_is_tested_on_the_half_that_did_not_select(pristine_parts: Path, tiny_image: AlganImageConfig) -> None:
    model = train(pristine_parts, "algan-image", config=tiny_image, protocol="thesis")
    found = evaluate(model, pristine_parts)
    assert found.protocol == "thesis"
    assert found.guaranteed_false_alarm_rate is None
    screen = StringIO()
    show_evaluation(Console(file=screen, width=120), found, Path("report.html"))
    assert re.search("guaranteed, on average +nothing: the same normals chose the epoch", screen.getvalue())
    assert (found.n_normal, found.n_anomalous) == (5, 4)
    files = model.config.fingerprint["files"]
    assert isinstance(files, dict)
    tested = {str(Path(image.path).relative_to(pristine_parts)) for image in found.images}
    assert not tested & files.keys()


def test_a_pipe_beside_the_model_is_not_waited_for(image_model: Model, pristine_parts: Path, tmp_path: Path) -> None:
    """Files that the model does not list are not verified when it is read."""
    for name in ("metrics.jsonl", "fake-normal.png"):
        os.mkfifo(tmp_path / name)
    assert report(image_model, evaluate(image_model, pristine_parts), tmp_path / "r", tmp_path, maps=False).is_file()


def test_nothing_unseen(image_model: Model, pristine_parts: Path) -> None:
    with pytest.raises(InputError, match="no labelled image is left to test on"):
        evaluate(image_model, pristine_parts / "train/good")


def test_vectors(vector_model: Model, table: Path, capsys: Err) -> None:
    found = evaluate(vector_model, table)
    assert (found.n_normal, found.n_anomalous, found.dataset) == (8, 8, table.stem)
    assert found.n_left_out == 32
    assert "32 of 48 rows were left out: the model was made with them" in capsys.readouterr().err
    y = np.load(table)["y"]
    rows = [int(image.path.removeprefix("row ")) - 1 for image in found.images]
    assert [image.label for image in found.images] == y[rows].tolist()
    np.testing.assert_allclose([image.score for image in found.images], vector_model.score(table)[rows], rtol=1e-4)


def test_vectors_shuffled_are_still_known(vector_model: Model, table: Path, tmp_path: Path) -> None:
    held, order = np.load(table), np.random.default_rng(1).permutation(48)
    np.savez(tmp_path / "t.npz", X=held["X"][order], y=held["y"][order])
    again, found = evaluate(vector_model, tmp_path / "t.npz"), evaluate(vector_model, table)
    assert (again.n_normal, again.n_anomalous, again.image_auroc) == (8, 8, found.image_auroc)


def test_vectors_without_labels_or_all_seen(tmp_path: Path, tiny_vector: AlganVectorConfig) -> None:
    x = np.random.default_rng(0).normal(size=(20, 4))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", X=x, y=np.zeros(20, int))
    model = train(tmp_path / "x.npy", "algan-vector", config=tiny_vector)
    with pytest.raises(InputError, match=r"x.npy: no labels; expected an .npz file with X \(n, d\) and y \(n,\)"):
        evaluate(model, tmp_path / "x.npy")
    with pytest.raises(InputError, match="the model was made with every row"):
        evaluate(model, tmp_path / "x.npz")


def test_report_and_results_are_written(image_model: Model, vector_model: Model, table: Path, pristine_parts: Path,
                                        tmp_path: Path) -> None:  # fmt: skip
    for model, source in ((image_model, pristine_parts), (vector_model, table)):
        folder = tmp_path / model.config.method
        found = evaluate(model, source)
        page = report(model, found, folder)
        assert read_evaluation(folder / "evaluation.json") == found
        assert f"{found.image_auroc:.3f}" in page.read_text(encoding="utf-8")


def test_results_of_another_data_set_stay_where_they_are(
    vector_model: Model, table: Path, tmp_path: Path, capsys: Err
) -> None:
    other = shutil.copy(table, tmp_path / "other.npz")
    first, second = evaluate(vector_model, table), evaluate(vector_model, other)
    for found, folder in ((first, "evaluation"), (second, "evaluation/other"), (first, "evaluation")):
        assert report_folder(tmp_path, found.dataset) == tmp_path / folder
        report(vector_model, found, tmp_path / folder)
    assert capsys.readouterr().err.count("the results there are replaced") == 1
    assert read_evaluation(tmp_path / "evaluation/evaluation.json") == first
    assert read_evaluation(tmp_path / "evaluation/other/evaluation.json") == second
    (tmp_path / "evaluation/evaluation.json").write_text("{}")
    assert report_folder(tmp_path, first.dataset) == tmp_path / "evaluation" / first.dataset
    (tmp_path / "evaluation/other/notes.txt").write_text("mine")
    remove_reports(tmp_path)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"other.npz", "notes.txt", "evaluation.json", "report.html"}  # a damaged one is nobody's to remove
