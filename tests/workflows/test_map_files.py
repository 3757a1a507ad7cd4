"""Maps as numbers and as COCO annotations."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from algan_ad import cli
from algan_ad.data.layouts import open_dataset
from algan_ad.data.masks import draw_all
from algan_ad.runtime.bulk import predict_files
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.workflows import load
from algan_ad.workflows.coco import FILE, CocoFile, run_lengths
from algan_ad.workflows.overlays import TiffFolder
from algan_ad.workflows.train import train


class Darkness:
    """A scorer whose map is 1 on black and 0 on white, and whose score is its mean."""

    def score(self, samples: Rows) -> Scores:
        return np.array([heat.mean() for heat in self.score_and_maps(samples)[1]], np.float64)

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        maps = list((1 - np.asarray(samples[:], np.float32)[..., :3] / 255).mean(-1))
        return np.array([heat.mean() for heat in maps], np.float64), maps


def darkness(**changes: Any) -> Predictor:
    given: dict[str, Any] = {
        "method": "darkness", "plan": {}, "input": "image", "preprocessing": Preprocessing(size=32),
        "protocol": "normal-only", "calibration": Calibration(scores=[0.1] * 19, false_alarm_rate=0.05),
        "selection": "none", "fingerprint": {}, "seed": 0, "versions": {}, "training": {}, "maps": "own",
        "map_peaks": [0.5, *[0.1] * 18],
    }  # fmt: skip
    return Predictor(Darkness(), ModelConfig(**(given | changes)))


def picture(holes: list[tuple[int, int, int, int]], width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """White, with black holes (left, top, right, bottom)."""
    image = np.full((height, width, 3), 255, np.uint8)
    for left, top, right, bottom in holes:
        image[top:bottom, left:right] = 0
    return image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "new parts"
    for name, holes in {
        "clean/0": [],
        "hole/1": [(0, 0, 30, 20)],
        "hole/2": [(60, 10, 90, 30), (3, 40, 27, 60)],
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(holes)).save(root / f"{name}.png")
    return root


def test_tiff_holds_the_numbers_of_the_map(folder: Path, tmp_path: Path) -> None:
    predictor = darkness()
    list(predict_files(predictor, [folder], overlays=TiffFolder(tmp_path / "maps")))
    found = sorted(path.relative_to(tmp_path / "maps").as_posix() for path in (tmp_path / "maps").rglob("*.*"))
    assert found == ["clean/0.tif", "hole/1.tif", "hole/2.tif"]
    (expected,) = predictor.predict(folder / "hole/2.png", maps=True)
    with Image.open(tmp_path / "maps/hole/2.tif") as image:
        assert image.mode == "F"
        assert expected.anomaly_map is not None
        np.testing.assert_array_equal(np.asarray(image), expected.anomaly_map)


def regions(predictor: Predictor, sources: list[Path], place: Path) -> dict[str, Any]:
    with CocoFile(place, predictor.config) as file:
        list(predict_files(predictor, sources, overlays=file))
    content: dict[str, Any] = json.loads((place / FILE).read_text())
    return content


def test_regions_have_the_pixels_of_the_files(folder: Path) -> None:
    content = regions(darkness(), [folder], folder)
    assert [each["file_name"] for each in content["images"]] == ["clean/0.png", "hole/1.png", "hole/2.png"]
    assert {(each["width"], each["height"]) for each in content["images"]} == {(96, 64)}
    assert [each["anomalous"] for each in content["images"]] == [False, False, True]
    first, second = content["annotations"]
    assert (first["image_id"], second["image_id"]) == (2, 3)
    assert first["segmentation"]["size"] == [64, 96]
    assert first["bbox"] == pytest.approx([0, 0, 30, 20], abs=3)
    assert first["area"] == pytest.approx(30 * 20, rel=0.1)
    assert second["bbox"] == pytest.approx([3, 10, 87, 50], abs=3)
    assert second["score"] == content["images"][2]["score"] > content["images"][2]["threshold"]
    assert sum(second["segmentation"]["counts"]) == 64 * 96
    assert sum(second["segmentation"]["counts"][1::2]) == second["area"]


def test_the_file_is_read_back_as_a_data_set_with_masks(folder: Path) -> None:
    regions(darkness(), [folder], folder)
    dataset = open_dataset(folder)
    items = {item.path.name: item for item in (*dataset.train, *dataset.test)}
    assert {name: item.label for name, item in items.items()} == {"0.png": 0, "1.png": 1, "2.png": 1}
    mask = draw_all(items["2.png"].masks, items["2.png"].path)
    hole = picture([(60, 10, 90, 30), (3, 40, 27, 60)])[..., 0] == 0
    assert (mask & hole).sum() / (mask | hole).sum() > 0.85


def test_the_file_names_images_wherever_they_lie(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    content = regions(darkness(), [Path("hole")], tmp_path / "elsewhere")
    for each in content["images"]:
        assert (tmp_path / "elsewhere" / each["file_name"]).is_file()
        assert not Path(each["file_name"]).is_absolute()


def test_the_level_follows_the_rate_of_false_alarms(folder: Path) -> None:
    assert darkness().config.map_level == 0.5
    assert darkness().with_false_alarm_rate(0.1).config.map_level == 0.1
    peaks = [1.0] * 19  # nothing is above them
    assert regions(darkness(map_peaks=peaks), [folder], folder)["annotations"] == []


def test_a_call_that_fails_leaves_no_file(folder: Path) -> None:
    (folder / "clean/0.png").write_bytes(b"")
    with pytest.raises(InputError, match="empty"), CocoFile(folder, (model := darkness()).config) as file:
        list(predict_files(model, [folder], overlays=file, strict=True))
    assert not (folder / FILE).exists()


def test_what_is_there_takes_overwrite(folder: Path) -> None:
    (folder / FILE).write_text("mine")
    with pytest.raises(InputError, match=r"regions.json: exists already"):
        regions(darkness(), [folder], folder)
    assert (folder / FILE).read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"maps": "attribution", "map_peaks": None}, "explain a score"), ({"map_peaks": None}, "train it again"),
     ({"calibration": None}, "train it again")],
)  # fmt: skip
def test_models_without_a_level_mark_no_regions(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"maps_as='coco': not for this model, because .*{reason}"):
        CocoFile(tmp_path, darkness(**changes).config)


def test_run_lengths() -> None:
    assert run_lengths(np.array([[False, True], [True, True]])) == [1, 3]
    assert run_lengths(np.array([[True, False], [True, True]])) == [0, 2, 1, 1]
    assert run_lengths(np.zeros((2, 3), np.bool_)) == [6]
    assert run_lengths(np.ones((2, 3), np.bool_)) == [0, 6]


@pytest.mark.parametrize(
    ("words", "files"),
    [([], {"0.png", "1.png", "2.png"}), (["--maps-as", "tiff"], {"0.tif", "1.tif", "2.tif"}),
     (["--maps-as", "coco"], {FILE})],
)  # fmt: skip
def test_from_the_command_line(
    words: list[str], files: set[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "load_model", lambda *given, **options: darkness())
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.run(["predict", "model", str(folder), "--maps", str(tmp_path / "maps"), *words]) == 0
    assert {path.name for path in (tmp_path / "maps").rglob("*.*")} == files


def test_a_kind_of_file_needs_a_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load, "load_model", lambda *given, **options: darkness())
    assert cli.run(["predict", "model", str(folder), "--maps-as", "tiff"]) == 2
    assert "--maps-as tiff: needs a folder for them, as --maps" in capsys.readouterr().err


def test_regions_cannot_be_gone_on_with(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load, "load_model", lambda *given, **options: darkness())
    words = ["--out", str(tmp_path / "a.csv"), "--resume", "--maps", str(tmp_path), "--maps-as", "coco"]
    assert cli.run(["predict", "model", str(folder), *words]) == 2
    assert "--resume: the regions of earlier images are lost" in capsys.readouterr().err


def test_training_measures_the_peaks_of_held_out_maps(pristine_parts: Path, image_model: Predictor) -> None:
    model = train(pristine_parts, "ganomaly", config={"image_size": 32, "width": 4, "epochs": 1}, false_alarm_rate=0.2)
    config = model.config
    assert config.map_peaks is not None
    assert config.calibration is not None
    named = list(config.fingerprint["files"])[-config.calibration.n :]  # type: ignore[arg-type, index]
    maps = [each.anomaly_map for each in model.predict([pristine_parts / name for name in named], maps=True)]
    np.testing.assert_allclose(config.map_peaks, [heat.max() for heat in maps if heat is not None], rtol=1e-5)
    assert config.map_level is not None
    assert image_model.config.map_peaks is None  # an attribution


def test_predictions_know_the_size_of_their_picture(folder: Path) -> None:
    found = predict_files(darkness(), [folder])
    assert [each.size for each in found if isinstance(each, Prediction)] == [(96, 64)] * 3
