"""A model scores what it is given, alone or among others, from memory or from disk."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from algan_ad.data.layouts import open_dataset
from algan_ad.data.splits import split
from algan_ad.runtime.bulk import predict_files
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import decode
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.overlays import OverlayFolder
from algan_ad.workflows.train import train

CLOSE = {"rtol": 1e-4, "atol": 1e-6}


@pytest.fixture
def paths(pristine_parts: Path) -> list[Path]:
    return sorted((pristine_parts / "test").rglob("*.png"))


def test_saved_is_loaded(
    image_model: Model, vector_model: Model, paths: list[Path], table: Path, tmp_path: Path
) -> None:
    for name, model, source in (("image", image_model, paths), ("vector", vector_model, table)):
        model.save(tmp_path / name)
        loaded = load_model(tmp_path / name)
        np.testing.assert_array_equal(loaded.score(source), model.score(source))
        assert loaded.predict(source) == model.predict(source)
        assert loaded.config.model_dump(exclude={"files"}) == model.config.model_dump(exclude={"files"})
        with pytest.raises(InputError, match="already holds a model"):
            model.save(tmp_path / name)


def test_files_and_arrays_get_the_same_scores(image_model: Model, paths: list[Path]) -> None:
    array = np.stack([decode(path) for path in paths])
    np.testing.assert_array_equal(image_model.score(array), image_model.score(paths))
    np.testing.assert_array_equal(image_model.score([str(path) for path in paths]), image_model.score(paths))
    np.testing.assert_allclose(image_model.score(array[0]), image_model.score(paths[0]), **CLOSE)  # (H, W, 3)


def test_neither_order_nor_neighbours_change_a_score(image_model: Model, paths: list[Path]) -> None:
    scores = image_model.score(paths)
    np.testing.assert_allclose(image_model.score(paths[::-1]), scores[::-1], **CLOSE)
    for i in (0, 7, 17):
        np.testing.assert_allclose(image_model.score(paths[i]), scores[i : i + 1], **CLOSE)
        np.testing.assert_allclose(image_model.score([paths[3], paths[i]])[1], scores[i], **CLOSE)


def test_prediction_leaves_the_model_as_it_was(image_model: Model, paths: list[Path]) -> None:
    module = image_model.detector.module
    assert module is not None
    scores, state = image_model.score(paths), image_model.detector.tensors()
    module.train()
    predicted = image_model.predict(paths[:3], maps=True)
    assert not module.training
    assert [each.score for each in predicted] == pytest.approx(scores[:3].tolist(), rel=1e-4)
    assert all(np.array_equal(state[name], tensor) for name, tensor in image_model.detector.tensors().items())
    assert not any(parameter.grad is not None for parameter in module.parameters())


def test_calibration_holds_the_scores_of_the_held_out_images(image_model: Model, pristine_parts: Path) -> None:
    """They come again from the files, so that a threshold means the same at prediction."""
    held_out = split(open_dataset(pristine_parts), "normal-only", 0, 0.2).calibration
    calibration = image_model.config.calibration
    assert calibration is not None
    scores = np.sort(image_model.score([item.path for item in held_out]))
    np.testing.assert_allclose(scores, calibration.scores, **CLOSE)


def test_predictions_say_where_they_come_from(
    image_model: Model, vector_model: Model, paths: list[Path], table: Path
) -> None:
    assert [each.source for each in image_model.predict(paths[:2])] == [str(path) for path in paths[:2]]
    assert [each.source for each in image_model.predict(paths[0])] == [str(paths[0])]
    assert [each.source for each in image_model.predict(np.zeros((2, 9, 9, 3), np.uint8))] == [None, None]
    assert [each.source for each in vector_model.predict(np.zeros((2, 4)))] == [None, None]
    assert [each.source for each in vector_model.predict(table)][:2] == [f"{table}: row 1", f"{table}: row 2"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_a_table_are_matched_by_name(tmp_path: Path, suffix: str) -> None:
    """Scored by position, a reordered table would be scored without a word."""
    good = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=["a", "b", "c"])

    def write(table: pd.DataFrame, name: str) -> Path:
        path = tmp_path / f"{name}{suffix}"
        table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
        return path

    train(write(good, "good"), "mahalanobis", tmp_path / "model")
    model = load_model(tmp_path / "model")
    assert model.config.columns == ("a", "b", "c")
    scores = model.score(good.to_numpy())
    np.testing.assert_array_equal(model.score(write(good, "same")), scores)
    np.testing.assert_array_equal(model.score(write(good[["c", "a", "b"]], "reordered")), scores)
    with pytest.raises(InputError, match="missing 'b'; new 'z'"):
        model.score(write(good.rename(columns={"b": "z"}), "renamed"))


def test_maps_only_when_asked_for(image_model: Model, paths: list[Path]) -> None:
    (plain,), (mapped,) = image_model.predict(paths[0]), image_model.predict(paths[0], maps=True)
    assert plain.anomaly_map is None
    assert mapped.anomaly_map is not None
    assert mapped.anomaly_map.shape == (32, 32)
    assert plain == mapped


def test_nothing_to_score(image_model: Model) -> None:
    assert image_model.score([]).shape == (0,)
    assert image_model.predict(np.zeros((0, 32, 32, 3), np.uint8)) == []


def test_bad_samples(image_model: Model, vector_model: Model, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("no image")
    with pytest.raises(InputError, match=r"notes.png: not an image"):
        image_model.score(tmp_path / "notes.png")
    with pytest.raises(InputError, match="expected uint8"):
        image_model.score(np.zeros((2, 32, 32, 3)))
    with pytest.raises(InputError, match="array: 5 columns; this model was trained on 4"):
        vector_model.score(np.zeros((2, 5)))
    with pytest.raises(InputError, match="1 values are missing, infinite"):
        vector_model.score(np.array([[0, 1, np.nan, 2]]))


def test_folders_are_searched_and_names_told_apart(image_model: Model, parts: Path, tmp_path: Path) -> None:
    (parts / "test/.hidden.png").write_text("hidden")
    (parts / "test/readme.txt").write_text("no image")
    found = list(
        predict_files(
            image_model, [parts / "test", parts / "test/good/000.png"], overlays=OverlayFolder(tmp_path / "maps")
        )
    )
    assert [Path(str(each.source)).relative_to(parts / "test") for each in found] == [
        *(Path("good") / f"{i:03}.png" for i in range(10)),
        *(Path("hole") / f"{i:03}.png" for i in range(8)),
        Path("good/000.png"),
    ]
    names = [f"test/good/{i:03}.png" for i in range(10)] + [f"test/hole/{i:03}.png" for i in range(8)] + ["000.png"]
    maps = tmp_path / "maps"
    assert sorted(path.relative_to(maps).as_posix() for path in maps.rglob("*.png")) == sorted(names)
    assert decode(tmp_path / "maps/000.png").shape == (32, 32, 3)


def test_more_images_than_are_decoded_at_once(
    image_model: Model, pristine_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(predict_files(image_model, [pristine_parts / "test"]))
    monkeypatch.setattr("algan_ad.runtime.bulk.CHUNK", 4)
    chunked = list(predict_files(image_model, [pristine_parts / "test"]))
    assert [each.source for each in chunked] == [each.source for each in whole]
    np.testing.assert_allclose([each.score for each in chunked], [each.score for each in whole], **CLOSE)


def test_scores_do_not_depend_on_threads(image_model: Model, paths: list[Path]) -> None:
    one = image_model.score(paths)
    torch.set_num_threads(2)
    try:
        np.testing.assert_allclose(image_model.score(paths), one, **CLOSE)
    finally:
        torch.set_num_threads(1)
