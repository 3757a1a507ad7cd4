"""Made-up defects on good images that were not trained on, from the model to the page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from algan_ad.cli import run
from algan_ad.data.fingerprint import hash_files
from algan_ad.evaluation.commissioning import Commissioning
from algan_ad.evaluation.results import ImageScore, evaluate_scores
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.runtime.regions import Region
from algan_ad.workflows import commissioning
from algan_ad.workflows.commissioning import Line, commission, held_out_hashes
from algan_ad.workflows.evaluate import evaluate, remove_reports, report
from algan_ad.workflows.model import Model


class Darkness:
    """A scorer that finds what is darker than the plate: the score is the depth of the darkest pixel."""

    def score(self, samples: Rows) -> Scores:
        return np.array([140.0 - image.mean(-1).min() for image in samples])

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        return self.score(samples), [140 - image.mean(-1).astype(np.float32) for image in samples]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One defect of each kind, contrast and size is enough."""
    monkeypatch.setattr(commissioning, "REPEATS", 1)


def darkness(model: Model, **changes: object) -> Predictor:
    calibration = model.config.calibration
    assert calibration is not None
    config = model.config.model_copy(update={
        "calibration": type(calibration)(scores=(35.0, 40.0, 50.0), false_alarm_rate=0.3), **changes,
    })  # fmt: skip
    return Predictor(Darkness(), config)


@pytest.mark.usefixtures("few")
def test_what_the_scorer_can_see_is_found(image_model: Model, pristine_parts: Path) -> None:
    model = darkness(image_model, maps="own")
    found = commission(model, pristine_parts, evaluate(image_model, pristine_parts), Line(parts_per_shift=100))
    assert found is not None
    assert found.held_out == "test and calibration"  # ten test images are few
    assert found.sizes == (2, 3, 5, 6, 8)  # up to a quarter of 32 pixels
    assert len(found.trials) == 6 * 3 * 5
    hole, faint = (found.of("hole", contrast) for contrast in (60, 10))
    assert hole.size == 2
    assert faint.size is None
    for each in found.trials:
        assert each.found == (each.score > found.threshold == 50)
        assert each.kept == 1  # nothing is resized
    assert found.false_alarms.per_shift is not None
    assert found.false_alarms.per_shift.parts == 100
    scores = [each.score for each in found.nearest]
    assert scores == sorted(scores, reverse=True)
    assert all(not each.anomalous and each.peak for each in found.nearest)


@pytest.mark.usefixtures("few")
def test_the_seed_decides(image_model: Model, pristine_parts: Path) -> None:
    evaluation = evaluate(image_model, pristine_parts)
    first, again = (commission(image_model, pristine_parts, evaluation) for _ in range(2))
    other = darkness(image_model, seed=7), darkness(image_model)
    assert first == again
    third, fourth = (commission(each, pristine_parts, evaluation) for each in other)
    assert third is not None
    assert fourth is not None
    assert [t.area for t in third.trials] != [t.area for t in fourth.trials]


@pytest.mark.usefixtures("few")
def test_no_training_image_serves(image_model: Model, pristine_parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = held_out_hashes(image_model)
    assert len(held_out) == 6
    good = pristine_parts / "train/good"
    monkeypatch.setattr(commissioning, "MOST_IMAGES", 100)
    found = commission(darkness(image_model), good, evaluate(image_model, good, may_be_empty=True))
    assert found is not None
    assert found.held_out == "calibration"
    served = {each.path for each in found.trials} | {each.path for each in found.nearest}
    assert set(hash_files([Path(path) for path in served])) <= held_out
    assert len(served) > 1


@pytest.mark.usefixtures("few")
def test_an_image_that_is_flagged_as_it_is_serves_for_nothing(image_model: Model, pristine_parts: Path) -> None:
    paths = sorted((pristine_parts / "test/good").iterdir())
    config = image_model.config
    assert config.calibration is not None
    flagged = config.calibration.threshold + 1
    scores = [flagged] * 9 + [config.calibration.threshold - 1]
    evaluation = evaluate_scores(
        [0] * 10, scores, ["good"] * 10, paths, calibration=config.calibration, method="m", dataset="d",
        protocol="normal-only", seed=0,
    )  # fmt: skip
    found = commission(image_model, pristine_parts / "test/good", evaluation)
    assert found is not None
    assert {each.path for each in found.trials} == {str(paths[9])}
    nothing = evaluation.model_copy(update={"images": evaluation.images[:9]})
    assert commission(image_model, pristine_parts / "test/good", nothing) is None


def test_defects_lie_where_the_detector_looks() -> None:
    image: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)
    seen = commissioning._seen_part(image, Preprocessing(size=40, resize=80))
    assert seen.mean() == pytest.approx(0.25, abs=0.02)
    assert seen[30:70, 60:140].all()
    assert commissioning._seen_part(image, Preprocessing(size=40)).all()


def test_defects_lie_within_the_region() -> None:
    image: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8)
    left = np.arange(200)[None].repeat(100, 0) < 60
    seen = commissioning._seen_part(image, Preprocessing(size=40, region=Region.of(left)))
    np.testing.assert_array_equal(seen, left)


def test_peaks_are_places_of_the_picture_however_it_is_laid(image_model: Model, tmp_path: Path) -> None:
    for i in range(3):
        pixels = np.full((20, 40, 3), 130, np.uint8)
        pixels[5, 30 - i] = 100
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    paths = sorted(tmp_path.iterdir())
    model = darkness(image_model, maps="own", preprocessing=Preprocessing(size=40, fit="letterbox", canvas=(60, 40)))
    usable = [ImageScore(path=str(p), label=0, defect="good", score=1.0, p_value=0.5, anomalous=False) for p in paths]
    nearest, _ = commissioning._find_nearest(model, model._preprocessing(), usable)
    places = np.array([each.peak for each in nearest])
    assert np.abs(places - [[30, 5], [29, 5], [28, 5]]).max() <= 1  # the canvas enlarges by a half


def test_vectors_have_none(vector_model: Model, table: Path) -> None:
    assert commission(vector_model, table, evaluate(vector_model, table)) is None


def test_what_is_known_of_the_line_is_checked() -> None:
    with pytest.raises(InputError, match="mm_per_pixel"):
        Line(mm_per_pixel=0)
    with pytest.raises(InputError, match="parts_per_shift"):
        Line(parts_per_shift=0)


@pytest.mark.usefixtures("few")
def test_good_images_alone_make_a_page(
    image_model: Model, pristine_parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image_model.save(tmp_path / "model")
    good = shutil.copytree(pristine_parts / "train/good", tmp_path / "good")
    argv = ["evaluate", str(tmp_path / "model"), str(good), "--device", "cpu", "--no-maps"]
    assert run([*argv, "--json", "--mm-per-pixel", "0.5", "--parts-per-shift", "400"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["n_normal"], result["commissioning"]["held_out"]) == (0, "calibration")
    folder = Path(result["report"]).parent
    content = json.loads((folder / "commissioning.json").read_text(encoding="utf-8"))
    assert Commissioning(**content).summary() == result["commissioning"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Of made-up defects, 9 in 10 are found" in page
    assert "of the 400 of a shift" in page
    assert run([*argv, "--no-commissioning"]) == 2
    assert "no labelled image is left" in capsys.readouterr().err
    remove_reports(tmp_path / "model")
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("few")
def test_a_page_without_leaves_no_older_one_behind(image_model: Model, pristine_parts: Path, tmp_path: Path) -> None:
    evaluation = evaluate(image_model, pristine_parts)
    found = commission(image_model, pristine_parts, evaluation)
    report(image_model, evaluation, tmp_path, maps=False, commissioning=found)
    assert (tmp_path / "commissioning.json").is_file()
    report(image_model, evaluation, tmp_path, maps=False)
    assert not (tmp_path / "commissioning.json").exists()
