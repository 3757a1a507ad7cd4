"""Each map can be found by the name of its image, whatever else was given."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from algan_ad.runtime.bulk import predict_files
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Maps, Rows, Scores
from algan_ad.workflows.model import Model
from algan_ad.workflows.overlays import OverlayFolder


def drawn(model: Model, sources: list[Path], folder: Path) -> list[str]:
    """The maps that a prediction writes, as paths in their folder."""
    predictions = list(predict_files(model, sources, overlays=OverlayFolder(folder)))
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert len(files) == len(predictions)  # none is written over
    assert all(
        isinstance(each, Prediction) and each.anomaly_map is None for each in predictions
    )  # thousands of them would fill the memory
    return files


@pytest.fixture
def model(image_model: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    def found(samples: Rows) -> tuple[Scores, Maps]:
        return image_model.detector.score(samples), [np.ones((32, 32), np.float32)] * len(samples)

    monkeypatch.setattr(image_model.detector, "score_and_maps", found)
    return image_model


@pytest.fixture
def tree(pristine_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of equal names in several folders, one of them twice in a folder under two suffixes."""
    monkeypatch.chdir(tmp_path)
    image = pristine_parts / "test/good/000.png"
    for name in ("new/good/0.png", "new/scratch/0.png", "new/scratch/0.gif", "new/0.png", "old/new/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, tmp_path / name)
    return tmp_path


def test_maps_lie_as_their_images_do(model: Model, tree: Path) -> None:
    expected = ["0.png", "good/0.png", "scratch/0-2.png", "scratch/0.png"]
    assert drawn(model, [tree / "new"], tree / "maps") == expected
    assert drawn(model, [Path("new")], tree / "again") == expected


def test_of_the_folder_one_is_in_nothing_is_written_outside(
    model: Model, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree / "new/scratch")
    assert drawn(model, [Path()], tree / "here") == ["0-2.png", "0.png"]
    assert drawn(model, [Path(".."), Path()], tree / "both") == [
        "new/0.png", "new/good/0.png", "new/scratch/0-2.png", "new/scratch/0.png", "scratch/0-2.png", "scratch/0.png",
    ]  # fmt: skip


def test_several_folders_and_files_do_not_meet(model: Model, tree: Path) -> None:
    sources = [tree / "new/good", tree / "new/scratch/0.png", tree / "new/0.png", tree / "old"]
    assert drawn(model, sources, tree / "maps") == ["0-2.png", "0.png", "good/0.png", "old/new/0.png"]
    assert drawn(model, [tree / "new/good", tree / "new/good"], tree / "twice") == ["good/0-2.png", "good/0.png"]


def test_no_input_is_ever_replaced(model: Model, tree: Path) -> None:
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"0.png: is an input and would be replaced"):
            predict_files(model, [tree / "new"], overlays=OverlayFolder(tree / "new"), overwrite=overwrite)
        with pytest.raises(InputError, match=r"0.gif: is an input"):
            predict_files(model, [tree / "new"], out=tree / "new/scratch/0.gif", overwrite=overwrite)
    (tree / "link").symlink_to(tree / "new")
    with pytest.raises(InputError, match="is an input"):
        predict_files(model, [tree / "new"], overlays=OverlayFolder(tree / "link"), overwrite=True)
    assert {path: path.read_bytes() for path in before} == before


def test_a_file_that_is_there_takes_overwrite(model: Model, tree: Path) -> None:
    (tree / "table.csv").write_text("mine")
    for options in ({"out": tree / "table.csv"}, {"overlays": OverlayFolder(tree / "old")}):
        sources = [tree / "new/good"] if "out" in options else [tree / "new"]
        (tree / "old/good").mkdir(exist_ok=True)
        (tree / "old/good/0.png").write_bytes(b"mine")
        with pytest.raises(InputError, match="exists already; choose another place, or set overwrite=True"):
            predict_files(model, sources, **options)  # type: ignore[arg-type]
    assert (tree / "table.csv").read_text() == "mine"
    assert (tree / "old/good/0.png").read_bytes() == b"mine"
    list(predict_files(model, [tree / "new"], overlays=OverlayFolder(tree / "old"), overwrite=True))
    assert (tree / "old/good/0.png").read_bytes() != b"mine"
